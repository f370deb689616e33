"""Policies over held-out episodes of a scenario, beside the clairvoyant optimum of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from dmoe_opt.answer.tolerances import BOUND_NOISE
from dmoe_opt.comparing.rows import half_width
from dmoe_opt.errors import LimitError, MethodError
from dmoe_opt.models import offload_pyomo
from dmoe_opt.offload import ceiling, windows
from dmoe_opt.offload.episode import Episode, draw, scenario_of
from dmoe_opt.offload.fitting import Fit, committed
from dmoe_opt.offload.policies import OPTIMUM, Agents, Policy, policy, usual
from dmoe_opt.offload.scenario import Scenario, Whole
from dmoe_opt.offload.simulate import Account, account, mean_return, run


@dataclass(frozen=True)
class PolicyRow:
    """One policy over episodes: means per episode.

    Each `ci95` is half the width of the 95 % confidence interval (Student's t), None for a single
    episode. `optimum_share` is the mean over episodes of return / bound, with the proven upper
    bound on the clairvoyant optimum; it is None if a bound is not positive. The row `optimum` holds
    the best schedules found, so its share is below 1 where a schedule is not proven optimal.

    `behind_best` is what the best policy of the comparison earns more, and `behind_ceiling` what
    lies between the ceiling (`dmoe_opt.offload.ceiling`) and the policy. Both are means of
    differences on the same episodes. They are None for the optimum, and the last one where there is
    no ceiling.
    """

    policy: str
    episodes: int
    return_mean: float
    return_ci95: float | None
    optimum_share: float | None
    optimum_share_ci95: float | None
    quality: float
    quality_ci95: float | None
    energy_j: float
    energy_ci95_j: float | None
    lost: float
    local: float
    served: float
    behind_best: float | None = None
    behind_best_ci95: float | None = None
    behind_ceiling: float | None = None
    behind_ceiling_ci95: float | None = None


@dataclass(frozen=True)
class OffloadComparison:
    """Rows of the policies and of the optimum.

    `subtasks` and `bound_mean` are means per episode, of the number of subtasks and of the upper
    bound on the optimum. `proven` counts the episodes whose optimum is proven. `optimum` holds
    the best schedules found.

    `ceiling_mean` bounds the mean return of policies that do not know the future. It is the lower
    of two bounds: the mean of `dmoe_opt.offload.ceiling`, and `bound_mean`, as both are valid.
    `hindsight` is the part of `bound_mean` above it, what nobody could know, and 0 if `bound_mean`
    is the lower one. They are None for a single given episode, without a fit, and where
    `ceiling.exists` says so.
    """

    scenario: str
    episodes: int
    seed: int
    subtasks: float
    bound_mean: float
    proven: int
    rows: Sequence[PolicyRow]
    optimum: PolicyRow
    ceiling_mean: float | None = None
    hindsight: float | None = None
    hindsight_ci95: float | None = None


@dataclass(frozen=True)
class _Played:
    """One episode: its optimum, its part of the ceiling, and the account of every policy."""

    subtasks: int
    bound: float
    ceiling: float | None
    proven: bool
    optimum: Account
    policies: list[Account]


def play(
    episode: Episode,
    name: str,
    *,
    agents: Agents | None = None,
    fit: Fit | None = None,
    seed: int = 0,
    time_limit: float | None = None,
) -> tuple[Whole, float | None]:
    """Play an episode with a policy, or with `optimum`.

    Parameters
    ----------
    agents, fit
        Trained agents by name, and the numbers of fitted rules.
    seed
        Seed of the policy.
    time_limit
        Seconds for the optimum.

    Raises
    ------
    InputError
        As `dmoe_opt.offload.policies.policy`.

    Returns
    -------
    choice, bound
        The choices, shape (N,); with `optimum` the upper bound on the return of any policy.
    """
    if name != OPTIMUM:
        return run(episode, policy(name, episode.scenario, agents, fit)(seed)), None
    best = windows.solve(episode, time_limit)
    assert best.choice is not None
    return best.choice, best.bound


def baselines(
    episodes: Sequence[Episode], progress: Callable[[int, int], None] | None = None
) -> tuple[float, dict[str, float]]:
    """Mean upper bound on the optimum by the linear relaxation, and mean return of every rule.

    Raises
    ------
    LimitError
        If the solver gives no bound.
    """
    bounds = []
    for number, episode in enumerate(episodes):
        if progress:
            progress(number, len(episodes))
        bound = offload_pyomo.solve(episode, relax=True).bound
        if bound is None:
            raise LimitError(
                "the solver gave no bound on the optimum; "
                "the episode may be too large for the memory"
            )
        bounds.append(bound)
    scenario = episodes[0].scenario
    names = [name for name in usual(scenario) if name != "rollout"]  # which takes minutes
    rules = {name: policy(name, scenario) for name in names}
    returns = {name: mean_return(episodes, map(rule, count())) for name, rule in rules.items()}
    return float(np.mean(bounds)), returns


def compare(
    data: Scenario | Episode,
    policies: Sequence[str] | None = None,
    *,
    agents: Agents | None = None,
    fit: Fit | None = None,
    episodes: int = 30,
    seed: int = 0,
    time_limit: float | None = 5.0,
    progress: Callable[[int, int], None] | None = None,
) -> OffloadComparison:
    """Play held-out episodes of a scenario, or one given episode, with every policy.

    Parameters
    ----------
    policies
        Names; default: all rules and agents.
    agents, fit
        Trained agents by name, and the numbers of fitted rules; presets come with theirs.
    episodes, seed
        The held-out episodes `seed`, `seed` + 1, ... are played, `episodes` in number.
    time_limit
        Seconds for the clairvoyant optimum of an episode. Where the optimum is not proven by then,
        its bound counts.
    progress
        Called with (episodes done, episodes).

    Raises
    ------
    InputError
        As `dmoe_opt.offload.policies.policy`.
    MethodError
        If a policy earns more than the bound of an episode.

    Examples
    --------
    >>> from dmoe_opt.comparing.policies import compare
    >>> from dmoe_opt.offload.presets import preset
    >>> comparison = compare(preset("busy"), ["greedy", "local"], episodes=1)
    >>> [(row.policy, round(row.optimum_share, 2)) for row in comparison.rows]
    [('greedy', 0.85), ('local', 0.08)]
    """
    scenario = scenario_of(data)
    names = list(policies or usual(scenario, agents, fit))
    players = [policy(name, scenario, agents, fit) for name in names]
    numbers = [seed] if isinstance(data, Episode) else range(seed, seed + episodes)
    above = fit or committed(scenario)
    if isinstance(data, Episode) or not ceiling.exists(scenario):
        above = None  # a ceiling bounds means over the episodes that a scenario draws
    played: list[_Played] = []
    for number in numbers:
        if progress:
            progress(len(played), len(numbers))
        episode = data if isinstance(data, Episode) else draw(data, number)
        played.append(_play_all(episode, players, number, time_limit, above))
    return _summary(scenario.name, seed, names, played)


def _play_all(
    episode: Episode,
    players: Sequence[Policy],
    seed: int,
    time_limit: float | None,
    fit: Fit | None,
) -> _Played:
    """Find the optimum of an episode, and play the episode with every policy."""
    above = None
    if fit is not None and fit.penalty is not None:
        above = ceiling.bound(episode, fit.tariff, fit.penalty)
    best = windows.solve(episode, time_limit)
    assert best.bound is not None
    assert best.choice is not None
    accounts = [account(episode, run(episode, player(seed))) for player in players]
    optimum = account(episode, best.choice)
    most = max(total.return_ for total in [*accounts, optimum])
    if most > best.bound + BOUND_NOISE * max(abs(best.bound), 1.0):
        wrong = f"the bound {best.bound:.9g} on all returns is wrong"
        raise MethodError(f"episode {seed}: {wrong}; a return of {most:.9g} is known")
    return _Played(
        subtasks=episode.num_subtasks,
        bound=best.bound,
        ceiling=above,
        proven=best.proven,
        optimum=optimum,
        policies=accounts,
    )


def _summary(
    scenario: str, seed: int, names: Sequence[str], played: Sequence[_Played]
) -> OffloadComparison:
    """The rows of all policies over the episodes played."""
    bounds = np.array([episode.bound for episode in played])
    returns = np.array([[total.return_ for total in episode.policies] for episode in played])
    best = returns[:, returns.mean(axis=0).argmax()]
    ceilings = np.array([episode.ceiling for episode in played], dtype=float)
    if ceilings.mean() > bounds.mean():
        ceilings = bounds  # penalties were fitted on other episodes, and can do harm on these
    rows = []
    for k, name in enumerate(names):
        row = _row(name, [episode.policies[k] for episode in played], bounds)
        behind_best, best_ci95 = _mean(best - returns[:, k])
        behind, ci95 = _mean(ceilings - returns[:, k])
        rows.append(
            replace(
                row,
                behind_best=behind_best,
                behind_best_ci95=best_ci95,
                behind_ceiling=behind,
                behind_ceiling_ci95=ci95,
            )
        )
    hindsight, hindsight_ci95 = _mean(bounds - ceilings)
    return OffloadComparison(
        scenario=scenario,
        episodes=len(played),
        seed=seed,
        subtasks=float(np.mean([episode.subtasks for episode in played])),
        bound_mean=float(bounds.mean()),
        proven=sum(episode.proven for episode in played),
        rows=rows,
        optimum=_row(OPTIMUM, [episode.optimum for episode in played], bounds),
        ceiling_mean=_mean(ceilings)[0],
        hindsight=hindsight,
        hindsight_ci95=hindsight_ci95,
    )


def _mean(values: np.ndarray) -> tuple[float | None, float | None]:
    """The mean and half its interval; None if a value is missing."""
    if np.isnan(values).any():
        return None, None
    return float(values.mean()), half_width(values)


def _row(name: str, accounts: Sequence[Account], bounds: np.ndarray) -> PolicyRow:
    def values(field: str) -> np.ndarray:
        return np.array([getattr(total, field) for total in accounts], dtype=float)

    returns, quality, energy = values("return_"), values("quality"), values("energy_j")
    share = returns / bounds if (bounds > 0).all() else None
    return PolicyRow(
        policy=name,
        episodes=len(accounts),
        return_mean=float(returns.mean()),
        return_ci95=half_width(returns),
        optimum_share=None if share is None else float(share.mean()),
        optimum_share_ci95=None if share is None else half_width(share),
        quality=float(quality.mean()),
        quality_ci95=half_width(quality),
        energy_j=float(energy.mean()),
        energy_ci95_j=half_width(energy),
        lost=float(values("lost").mean()),
        local=float(values("local").mean()),
        served=float(values("served").mean()),
    )
