"""The clairvoyant optimum: what the integer programs are made of, and what is concluded from their answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.scenario import Array, Whole
from dmoe_opt.offload.simulate import LOST, State, account

TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class Optimum:
    """The best that can be done with all arrivals known.

    `bound` is an upper bound on the return of any policy on the episode; `choice` (N,) and its `return_` are None where the
    solver found none, or only the linear relaxation was solved. `unit` is the greatest regret of a subtask.
    """

    method: str
    bound: float | None
    return_: float | None
    choice: Whole | None
    unit: float

    @property
    def gap(self) -> float | None:
        """What bound and return differ by, relative to the greater of the bound and `unit`."""
        if self.bound is None or self.return_ is None:
            return None
        return (self.bound - self.return_) / max(abs(self.bound), self.unit)

    @property
    def proven(self) -> bool:
        """Whether the choice, which keeps the rules, meets the bound to 10^-6."""
        return self.gap is not None and self.gap <= TOLERANCE


def _rewards(episode: Episode) -> Array:
    """Reward of every option, a column for the lost appended, (N, E + 2)."""
    return np.hstack([episode.reward, episode.loss_reward[:, None]])


def regret(episode: Episode) -> Array:
    """What option a of subtask n earns less than its best option, had it all experts for itself, (N, E + 2), in `unit`."""
    rewards = _rewards(episode)
    return np.asarray((rewards.max(axis=1, keepdims=True) - rewards) / unit(episode))


def unit(episode: Episode) -> float:
    """The greatest regret among options better than a loss: programs count in it, as solvers' tolerances are absolute."""
    rewards = _rewards(episode)
    behind = rewards.max(axis=1, keepdims=True) - rewards
    return float(behind[rewards > rewards[:, -1:]].max(initial=0.0)) or 1.0


def twins(episode: Episode) -> Whole:
    """For each expert the first one that is its equal in every subtask's finish and reward, (E,).

    Equal experts count as one with all their slots: what occupies n slots together, intervals being what they are, can be
    dealt out to experts of n slots in all. Without that a search would try every exchange of equals.
    """
    columns = np.vstack([episode.finish_s, episode.reward])[:, :-1]
    first = [int(np.argmax((columns == column[:, None]).all(axis=0))) for column in columns.T]
    return np.array(first)


def options(episode: Episode) -> list[tuple[int, int]]:
    """Pairs (n, a) that keep the rules while nothing else is there: in time, at a first of `twins`; or lost, a = E + 1."""
    open_ = np.hstack([episode.in_time, np.ones((episode.num_subtasks, 1), dtype=bool)])
    open_[:, :-2] &= twins(episode) == np.arange(episode.scenario.num_experts)
    return [(int(n), int(a)) for n, a in np.argwhere(open_)]


def crowds(episode: Episode) -> list[tuple[int, list[int], int]]:
    """(expert, subtasks, slots) for every largest set of subtasks that would be at an expert together, if above its slots.

    The slots are those of the expert and its `twins`. A subtask that goes to expert e occupies it from its arrival to
    `finish_s`, half open. Fixed intervals have their largest crowds at arrivals that are followed by a departure.
    """
    found = []
    experts = episode.scenario.num_experts
    slots = (
        np.bincount(twins(episode), episode.scenario.experts.capacity, minlength=experts)
        .astype(int)
        .tolist()
    )
    wanted: list[list[int]] = [[] for _ in range(experts)]
    for n, a in options(episode):
        if a < experts:
            wanted[a].append(n)
    for e, subtasks in enumerate(wanted):
        capacity = slots[e]
        present: list[int] = []
        for n in subtasks:
            staying = [m for m in present if episode.finish_s[m, e] > episode.arrival_s[n]]
            if len(staying) < len(present) and len(present) > capacity:
                found.append((e, present, capacity))
            present = [*staying, n]
        if len(present) > capacity:
            found.append((e, present, capacity))
    return found


def conclude(
    episode: Episode, method: str, chosen: Sequence[tuple[int, int]] | None, bound: float | None
) -> Optimum:
    """An optimum from the options taken, if any, and a bound on the regret; what finds no room is lost."""
    upper = (
        None
        if bound is None
        else float(_rewards(episode).max(axis=1).sum() - bound * unit(episode))
    )
    if chosen is None:
        return Optimum(method, upper, None, None, unit(episode))
    choice = _dealt_out(episode, chosen)
    return_ = account(episode, choice).return_
    upper = None if upper is None else max(upper, return_)  # below only by rounding
    return Optimum(method, upper, return_, choice, unit(episode))


def _dealt_out(episode: Episode, chosen: Sequence[tuple[int, int]]) -> Whole:
    """A choice per subtask, each at the first of equal experts that has room."""
    experts, first, wanted = episode.scenario.num_experts, twins(episode), dict(chosen)
    state = State(episode)
    for n in range(episode.num_subtasks):
        a = wanted.get(n, LOST)
        if a < experts:
            a = next((e for e in np.flatnonzero(first == a).tolist() if state.free[e]), a)
        state.step(a)
    return state.choice
