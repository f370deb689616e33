"""The one step function of offloading, and what an episode came to. Environment, policies and evaluation all use it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np

from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.scenario import Whole

LOST = -1


class State:
    """What is known when subtask `n` arrives at `now`: experts 0 .. E - 1, and action E for the device itself.

    `mask[a]` says that action a is open: expert a has a free slot and the result would be in time; the device always is.
    `reward[a]` is what a earns now if it is open (the loss, for a device too slow); `free[e]` counts free slots, `ends[e]`
    are the times at which the occupied ones become free, as a heap. All but `step` is to be read only.
    """

    def __init__(self, episode: Episode) -> None:
        self.episode = episode
        self.choice = np.full(episode.num_subtasks, LOST)
        self._arrival = episode.arrival_s.tolist()
        self._reward = episode.reward.tolist()
        self._finish = episode.finish_s.tolist()
        self._in_time = episode.in_time.tolist()
        self._loss = episode.loss_reward.tolist()
        self.free: list[int] = episode.scenario.experts.capacity.tolist()
        self.ends: list[list[float]] = [[] for _ in self.free]
        self.n = 0
        self._arrive()

    def _arrive(self) -> None:
        self.now: float = self._arrival[self.n]
        for e, ends in enumerate(self.ends):
            while ends and ends[0] <= self.now:
                heappop(ends)
                self.free[e] += 1
        self.reward: list[float] = self._reward[self.n]
        self.mask: list[bool] = [
            ok and free > 0 for ok, free in zip(self._in_time[self.n], self.free, strict=False)
        ]
        self.mask.append(True)

    @property
    def done(self) -> bool:
        """Whether all subtasks have been placed or lost."""
        return self.n == len(self._arrival)

    def step(self, action: int) -> float:
        """Place subtask n and go on to the next; returns the reward. Any number that is not an open action loses it."""
        n = self.n
        if 0 <= action < len(self.mask) and self.mask[action] and self._in_time[n][action]:
            self.choice[n] = action
            reward = self.reward[action]
            if action < len(self.ends):
                heappush(self.ends[action], self._finish[n][action])
                self.free[action] -= 1
        else:
            reward = self._loss[n]
        self.n += 1
        if not self.done:
            self._arrive()
        return reward


Choose = Callable[[State], int]


@dataclass(frozen=True)
class Account:
    """What an episode came to. `quality` is the mean over jobs; `served`, `local` and `lost` add up to the subtasks."""

    return_: float
    quality: float
    energy_j: float
    communication_j: float
    computation_j: float
    served: int
    local: int
    lost: int


def run(episode: Episode, choose: Choose) -> Whole:
    """Play an episode: the expert of each subtask, E for the device, `LOST` for none, shape (N,).

    Examples
    --------
    >>> from dmoe_opt.offload.episode import draw
    >>> from dmoe_opt.offload.policies import greedy
    >>> from dmoe_opt.offload.presets import preset
    >>> from dmoe_opt.offload.simulate import run, violations
    >>> episode = draw(preset("busy"), 0)
    >>> choice = run(episode, greedy(0))
    >>> choice.shape, violations(episode, choice)
    ((310,), [])
    """
    state = State(episode)
    while not state.done:
        state.step(choose(state))
    return state.choice


def account(episode: Episode, choice: Whole) -> Account:
    """Evaluate a choice per subtask, as `run` returns it; the one objective of offloading.

    Examples
    --------
    >>> from dmoe_opt.offload.episode import draw
    >>> from dmoe_opt.offload.policies import greedy
    >>> from dmoe_opt.offload.presets import preset
    >>> from dmoe_opt.offload.simulate import account, run
    >>> episode = draw(preset("busy"), 0)
    >>> total = account(episode, run(episode, greedy(0)))
    >>> total.served, total.local, total.lost, round(total.return_, 3)
    (289, 13, 8, 52.421)
    """
    placed = np.flatnonzero(choice != LOST)
    at = choice[placed]
    jobs = np.bincount(episode.job, minlength=1) > 0
    communication = float(episode.communication_j[placed, at].sum())
    computation = float(episode.computation_j[placed, at].sum())
    local = int((at == episode.scenario.num_experts).sum())
    return Account(
        return_=float(
            np.where(
                choice == LOST, episode.loss_reward, episode.reward[np.arange(len(choice)), choice]
            ).sum()
        ),
        quality=float((episode.share[placed] * episode.quality[placed, at]).sum() / jobs.sum()),
        energy_j=communication + computation,
        communication_j=communication,
        computation_j=computation,
        served=len(placed) - local,
        local=local,
        lost=len(choice) - len(placed),
    )


def violations(episode: Episode, choice: Whole) -> list[str]:
    """Rules that a choice breaks, in words: late results, and experts that hold more than their capacity at an arrival."""
    found = []
    for n in np.flatnonzero(choice != LOST).tolist():
        if not episode.in_time[n, choice[n]]:
            found.append(f"subtask {n} would be late at {choice[n]}")
    for e, capacity in enumerate(episode.scenario.experts.capacity.tolist()):
        mine = np.flatnonzero(choice == e)
        for n in mine.tolist():
            now = episode.arrival_s[n]
            held = 1 + int((episode.finish_s[mine[mine < n], e] > now).sum())
            if held > capacity:
                found.append(
                    f"expert {e} holds {held} subtasks when {n} arrives; allowed: {capacity}"
                )
    return found


def mean_return(episodes: Sequence[Episode], choosers: Iterable[Choose]) -> float:
    """Mean return of episodes, each played with the next of the functions that choose."""
    return float(
        np.mean(
            [
                account(e, run(e, choose)).return_
                for e, choose in zip(episodes, choosers, strict=False)
            ]
        )
    )
