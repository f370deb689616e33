"""Policies over held-out episodes of a scenario, against the clairvoyant optimum of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from dmoe_opt.comparing.rows import half_width
from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError
from dmoe_opt.models import offload_pyomo
from dmoe_opt.offload.agent import Agent
from dmoe_opt.offload.episode import Episode, draw, scenario_of
from dmoe_opt.offload.optimum import Optimum
from dmoe_opt.offload.policies import RULES
from dmoe_opt.offload.scenario import Scenario, Whole
from dmoe_opt.offload.simulate import LOST, Account, Choose, account, mean_return, run

OPTIMUM = "optimum"
SAC = "sac"


@dataclass(frozen=True)
class PolicyRow:
    """One policy over episodes: means per episode, and half the width of 95 % confidence intervals (Student's t), None for one.

    `optimum_share` is the mean of return over the proven upper bound of the clairvoyant optimum, episode by episode, None if
    a bound is not positive. The row `optimum` has the best schedules found: its share is below 1 where one is not proven.
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


@dataclass(frozen=True)
class OffloadComparison:
    """Rows of the policies, and of the optimum; `proven` counts the episodes whose optimum is proven."""

    scenario: str
    episodes: int
    seed: int
    subtasks: float
    bound_mean: float
    proven: int
    rows: Sequence[PolicyRow]
    optimum: PolicyRow | None


Agents = Mapping[str, Agent]


def policy(name: str, scenario: Scenario, agents: Agents | None = None) -> Callable[[int], Choose]:
    """A rule, or a trained agent, by its name; called with a seed it gives what chooses in one episode.

    Raises
    ------
    InputError
        If there is none of that name, or the agent was trained for other numbers of experts or types.
    """
    agents = agents or {}
    if name in agents:
        agents[name].require(scenario)
        return lambda seed: agents[name].act
    if name == SAC:
        raise InputError(
            'policy = "sac" needs a trained agent; allowed: a preset that has one, or a file of `offload train`'
        )
    if name not in RULES:
        raise fail("policy", name, ", ".join([*RULES, *(agents or [SAC]), OPTIMUM]))
    return RULES[name]


def optimum(episode: Episode, time_limit: float | None = None) -> Optimum:
    """The clairvoyant optimum by the integer program in Pyomo; at least the linear relaxation's bound, whatever the limit."""
    whole = offload_pyomo.solve(episode, time_limit=time_limit)
    if whole.proven:
        return whole
    bounds = [
        b for b in (whole.bound, offload_pyomo.solve(episode, relax=True).bound) if b is not None
    ]
    least = min(bounds, default=None)
    if least is not None and whole.return_ is not None:
        least = max(least, whole.return_)  # below only by rounding
    return replace(whole, bound=least)


def play(
    episode: Episode, name: str, *, agents: Agents | None = None, seed: int = 0, time_limit: float | None = None
) -> Whole | None:  # fmt: skip
    """What a policy, or `optimum`, chooses in an episode, (N,); None if a limit ended the search for the optimum."""
    if name == OPTIMUM:
        return optimum(episode, time_limit).choice
    return run(episode, policy(name, episode.scenario, agents)(seed))


@dataclass(frozen=True)
class Fate:
    """What became of a subtask; `expert` is None for the device and the lost, times in s, energy in J."""

    subtask: int
    job: int
    type: str
    arrival_s: float
    fate: str
    expert: int | None
    duration_s: float | None
    quality: float
    energy_j: float
    reward: float


def fates(episode: Episode, choice: Whole) -> list[Fate]:
    """A row per subtask: `served`, `local` or `lost`."""
    experts, rows = episode.scenario.num_experts, []
    for n, a in enumerate(choice.tolist()):
        lost = a == LOST
        rows.append(
            Fate(
                subtask=n,
                job=int(episode.job[n]),
                type=episode.scenario.types.name[episode.type[n]],
                arrival_s=float(episode.arrival_s[n]),
                fate="lost" if lost else "local" if a == experts else "served",
                expert=None if lost or a == experts else a,
                duration_s=None if lost else float(episode.duration_s[n, a]),
                quality=0.0 if lost else float(episode.quality[n, a]),
                energy_j=0.0
                if lost
                else float(episode.communication_j[n, a] + episode.computation_j[n, a]),
                reward=float(episode.loss_reward[n] if lost else episode.reward[n, a]),
            )
        )
    return rows


def baselines(
    episodes: Sequence[Episode], progress: Callable[[int, int], None] | None = None
) -> tuple[float, dict[str, float]]:
    """Mean upper bound of the optimum by the linear relaxation, and mean return of every rule."""
    bounds = []
    for number, episode in enumerate(episodes):
        if progress:
            progress(number, len(episodes))
        bounds.append(_known(offload_pyomo.solve(episode, relax=True).bound))
    return float(np.mean(bounds)), {
        name: mean_return(episodes, map(rule, count())) for name, rule in RULES.items()
    }


def _known(bound: float | None) -> float:
    if bound is None:
        raise InputError(
            "the solver gave no bound on the optimum; allowed: episodes that fit into memory"
        )
    return bound


def compare(
    data: Scenario | Episode,
    policies: Sequence[str] | None = None,
    *,
    agents: Agents | None = None,
    episodes: int = 30,
    seed: int = 0,
    time_limit: float | None = 5.0,
    progress: Callable[[int, int], None] | None = None,
) -> OffloadComparison:
    """Play the held-out episodes `seed`, `seed` + 1, ... of a scenario, or one given episode, with every policy.

    Parameters
    ----------
    policies
        Names; default: all rules and agents.
    agents
        Trained agents by the name they shall have.
    time_limit
        Seconds for the clairvoyant optimum of an episode; where it is not proven by then, its bound counts.

    Raises
    ------
    InputError
        As `policy`.

    Examples
    --------
    >>> from dmoe_opt.comparing.policies import compare
    >>> from dmoe_opt.offload.presets import preset
    >>> comparison = compare(preset("busy"), ["greedy", "local"], episodes=1)
    >>> [(row.policy, round(row.optimum_share, 2)) for row in comparison.rows]
    [('greedy', 0.85), ('local', 0.08)]
    """
    scenario = scenario_of(data)
    names = list(policies or [*RULES, *(agents or {})])
    choosers = [policy(name, scenario, agents) for name in names]
    numbers = [seed] if isinstance(data, Episode) else range(seed, seed + episodes)
    accounts: list[list[Account]] = [[] for _ in names]
    best: list[Account] = []
    bounds, sizes, proven = [], [], 0
    for done, number in enumerate(numbers):
        if progress:
            progress(done, len(numbers))
        episode = data if isinstance(data, Episode) else draw(data, number)
        known = optimum(episode, time_limit)
        bounds.append(_known(known.bound))
        sizes.append(episode.num_subtasks)
        proven += known.proven
        if known.choice is not None:
            best.append(account(episode, known.choice))
        for chooser, found in zip(choosers, accounts, strict=True):
            found.append(account(episode, run(episode, chooser(number))))
    upper = np.array(bounds)
    return OffloadComparison(
        scenario=scenario.name,
        episodes=len(numbers),
        seed=seed,
        subtasks=float(np.mean(sizes)),
        bound_mean=float(upper.mean()),
        proven=proven,
        rows=[_row(name, found, upper) for name, found in zip(names, accounts, strict=True)],
        optimum=_row(OPTIMUM, best, upper) if len(best) == len(numbers) else None,
    )


def _row(name: str, accounts: list[Account], bounds: np.ndarray) -> PolicyRow:
    def values(field: str) -> np.ndarray:
        return np.array([getattr(a, field) for a in accounts], dtype=float)

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
