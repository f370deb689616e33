"""The clairvoyant optimum: parts of its integer programs, and conclusions from their answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dmoe_opt.errors import MethodError
from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.scenario import Array, Whole
from dmoe_opt.offload.simulate import FITS, LOST, State, account

TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class Optimum:
    """The best schedule of an episode when all arrivals are known.

    Parameters
    ----------
    method
        The modelling language that found it.
    bound
        Upper bound on the return of any policy on the episode; None if the solver proved none.
    return_, choice
        The return, and the action of each subtask, (N,); None where the solver found no schedule,
        or only the linear relaxation was solved.
    unit
        The greatest regret of a subtask, see `unit`.
    """

    method: str
    bound: float | None
    return_: float | None
    choice: Whole | None
    unit: float

    @property
    def gap(self) -> float | None:
        """Difference of bound and return, relative to the greater of the bound and `unit`."""
        if self.bound is None or self.return_ is None:
            return None
        return (self.bound - self.return_) / max(abs(self.bound), self.unit)

    @property
    def proven(self) -> bool:
        """Whether the choice, which keeps the rules, meets the bound to 10^-6."""
        return self.gap is not None and self.gap <= TOLERANCE


def _rewards(episode: Episode) -> Array:
    """Reward of every option, with a last column for the loss, (N, E + 2)."""
    return np.hstack([episode.reward, episode.loss_reward[:, None]])


def regret(episode: Episode) -> Array:
    """Reward that option a of subtask n gives up against its best option, (N, E + 2), in `unit`.

    The best option is the best with all experts free: (max_b R[n, b] - R[n, a]) / unit.
    """
    rewards = _rewards(episode)
    return np.asarray((rewards.max(axis=1, keepdims=True) - rewards) / unit(episode))


def unit(episode: Episode) -> float:
    """The greatest regret among options better than a loss; 1 if there is none above 0.

    The programs count in this unit, since the tolerances of solvers are absolute.
    """
    rewards = _rewards(episode)
    behind = rewards.max(axis=1, keepdims=True) - rewards
    return float(behind[rewards > rewards[:, -1:]].max(initial=0.0)) or 1.0


def twins(episode: Episode) -> Whole:
    """For each expert the first expert with the same finish and reward for every subtask, (E,).

    Equal experts count as one expert with the slots of all. That loses nothing: the subtasks are
    intervals of time, and intervals of which at most n overlap can be dealt out to experts with n
    slots in total. Without it a search would try every exchange of equal experts. Where capacities
    count work, every expert counts for itself, as work cannot be dealt out like that.
    """
    if episode.scenario.counts_work:
        return np.arange(episode.scenario.num_experts)
    columns = np.vstack([episode.finish_s, episode.reward])[:, :-1]
    first = [int(np.argmax((columns == column[:, None]).all(axis=0))) for column in columns.T]
    return np.array(first)


def options(episode: Episode) -> list[tuple[int, int]]:
    """Pairs (n, a) of a subtask and an action that keep the rules while no other subtask is there.

    The subtask may be started there, and an expert a is the first of its `twins`. Action E + 1 is
    the loss of the subtask.
    """
    open_ = np.hstack([episode.may_start, np.ones((episode.num_subtasks, 1), dtype=bool)])
    open_[:, :-2] &= twins(episode) == np.arange(episode.scenario.num_experts)
    return [(int(n), int(a)) for n, a in np.argwhere(open_)]


def crowds(episode: Episode) -> list[tuple[int, list[int], float]]:
    """Sets of subtasks that would be at an expert together and are more than its capacity.

    Returns
    -------
    list of (expert, subtasks, capacity)
        Only largest sets, those that are not part of another one. The capacity is that of the
        expert and its `twins`, in the unit of `Episode.size`. A device with a capacity counts as
        expert E.
    """
    places = room(episode)
    too_large = []
    for expert, subtasks in enumerate(_candidates(episode)):
        together = _largest_crowds(episode, expert, subtasks)
        limit = places[expert]
        crowded = [crowd for crowd in together if episode.size[crowd].sum() * FITS > limit]
        too_large += [(expert, crowd, limit) for crowd in crowded]
    return too_large


def room(episode: Episode) -> list[float]:
    """Capacity of each expert and its twins together; 0 for a twin that is not the first.

    The capacity of the device comes last if it has one.
    """
    capacity = episode.scenario.room
    same = np.arange(len(capacity))
    same[: episode.scenario.num_experts] = twins(episode)
    together = np.bincount(same, capacity, minlength=len(capacity)).astype(capacity.dtype)
    capacities: list[float] = together.tolist()
    return capacities


def _candidates(episode: Episode) -> list[list[int]]:
    """For each place with a capacity, the subtasks that may go there, in order of arrival."""
    places = len(episode.scenario.room)
    candidates: list[list[int]] = [[] for _ in range(places)]
    for n, action in options(episode):
        if action < places:
            candidates[action].append(n)
    return candidates


def _largest_crowds(episode: Episode, expert: int, subtasks: list[int]) -> Iterator[list[int]]:
    """The largest sets among `subtasks` that would be at an expert together.

    A subtask occupies the expert from its arrival to `finish_s`, half open. Such a set is complete
    at an arrival that is followed by a departure.
    """
    arrival_s, finish_s = episode.arrival_s, episode.finish_s[:, expert]
    present: list[int] = []
    for n in subtasks:
        staying = [m for m in present if finish_s[m] > arrival_s[n]]
        if len(staying) < len(present):
            yield present
        present = [*staying, n]
    yield present


def conclude(
    episode: Episode, method: str, chosen: Sequence[tuple[int, int]] | None, bound: float | None
) -> Optimum:
    """An optimum from the answer of a solver.

    Parameters
    ----------
    chosen
        The options (n, a) taken, None if the solver found no schedule. A subtask that finds no
        room is lost, so the choice keeps the rules whatever the solver says.
    bound
        Lower bound on the regret, in `unit`.

    Raises
    ------
    MethodError
        If the schedule is better than the bound by more than rounding.
    """
    upper = None if bound is None else _return_at(episode, bound)
    if chosen is None:
        return Optimum(method, upper, None, None, unit(episode))
    choice = dealt_out(episode, chosen)
    return_ = account(episode, choice).return_
    if upper is not None:
        if return_ - upper > TOLERANCE * max(abs(upper), unit(episode)):
            raise MethodError(f"the bound {upper:.9g} is wrong; a return of {return_:.9g} is known")
        upper = max(upper, return_)  # it is below the return only by rounding
    return Optimum(method, upper, return_, choice, unit(episode))


def _return_at(episode: Episode, total_regret: float) -> float:
    """The return of an episode with a total regret in `unit`."""
    return most_alone(episode) - total_regret * unit(episode)


def most_alone(episode: Episode) -> float:
    """What the subtasks would earn if each were alone: an upper bound on the return."""
    return float(_rewards(episode).max(axis=1).sum())


def dealt_out(episode: Episode, chosen: Sequence[tuple[int, int]]) -> Whole:
    """The action of each subtask, (N,), at the first of equal experts that has room."""
    experts = episode.scenario.num_experts
    first = twins(episode)
    wanted = dict(chosen)
    state = State(episode)
    for n in range(episode.num_subtasks):
        action = wanted.get(n, LOST)
        if action < experts:
            equals = np.flatnonzero(first == action).tolist()
            action = next((expert for expert in equals if state.mask[expert]), action)
        state.step(action)
    return state.choice
