"""The one step function of offloading, and the account of an episode.

The environment, the policies and the evaluation all use them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np

from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.scenario import Array, Whole

LOST = -1


class State:
    """Everything that is known when subtask `n` arrives at the time `now`.

    Actions are the experts 0 .. E - 1, and E for the device itself. Callers read the fields and
    change them only by `step`.

    `mask[a]` says that action a is open: expert a has a free slot and the result would be in time;
    the device is always open. `reward[a]` is the reward of a now if it is open (for a device that
    is too slow, the loss), and `duration[a]` is the time in s until its result is there. `free[e]`
    counts the free slots of expert e, and `ends[e]` is a heap of the times at which its occupied
    slots become free. `choice` (N,) holds the actions so far, `LOST` for the subtasks still to
    come.
    """

    def __init__(self, episode: Episode) -> None:
        self.episode = episode
        self.choice = np.full(episode.num_subtasks, LOST)
        self._arrival = episode.arrival_s.tolist()
        self._reward = episode.reward.tolist()
        self._finish = episode.finish_s.tolist()
        self._duration = episode.duration_s.tolist()
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
        self.duration: list[float] = self._duration[self.n]
        in_time = self._in_time[self.n]  # one entry more than `free`: the device
        self.mask: list[bool] = [
            ok and free > 0 for ok, free in zip(in_time, self.free, strict=False)
        ]
        self.mask.append(True)

    def elsewhere(self, n: int, free: list[int], ends: list[list[float]]) -> State:
        """The same episode when subtask n arrives, with these slots; it can be played on its own.

        For rules that look ahead in episodes drawn for that. Its `choice` has no meaning.
        """
        state = copy(self)
        state.n, state.free, state.ends = n, free, ends
        state._arrive()
        return state

    def best_open(self, values: Sequence[float], least: float) -> int:
        """The first open action of greatest value above `least`; the device if there is none.

        `values` has an entry for each expert, and may have one for the device.
        """
        best, most = len(self.free), least
        for action, value in enumerate(values):
            if value > most and self.mask[action]:
                best, most = action, value
        return best

    @property
    def gains(self) -> Array:
        """Channel power gain of the link to each expert now, (E,)."""
        return self.episode.gains_at(self.n)

    @property
    def done(self) -> bool:
        """Whether every subtask has been placed or lost."""
        return self.n == len(self._arrival)

    def step(self, action: int) -> float:
        """Place subtask n, go on to the next and return the reward.

        Any number that is not an open action loses the subtask.
        """
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
    """The sums of an episode.

    `quality` is the mean over jobs. `served`, `local` and `lost` add up to the subtasks.
    """

    return_: float
    quality: float
    energy_j: float
    communication_j: float
    computation_j: float
    served: int
    local: int
    lost: int


def run(episode: Episode, choose: Choose) -> Whole:
    """Play an episode with a policy.

    The result has shape (N,): the expert of each subtask, E for the device, `LOST` for none.

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
    """Evaluate the choices of an episode, (N,), as `run` returns them.

    The return is the one objective of offloading: the sum of `Episode.reward` over the subtasks
    that are placed, and of `Episode.loss_reward` over the others.

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
    chosen_reward = episode.reward[np.arange(len(choice)), choice]
    rewards = np.where(choice == LOST, episode.loss_reward, chosen_reward)
    qualities = episode.share[placed] * episode.quality[placed, at]
    jobs = np.bincount(episode.job, minlength=1) > 0
    communication = float(episode.communication_j[placed, at].sum())
    computation = float(episode.computation_j[placed, at].sum())
    local = int((at == episode.scenario.num_experts).sum())
    return Account(
        return_=float(rewards.sum()),
        quality=float(qualities.sum() / jobs.sum()),
        energy_j=communication + computation,
        communication_j=communication,
        computation_j=computation,
        served=len(placed) - local,
        local=local,
        lost=len(choice) - len(placed),
    )


def violations(episode: Episode, choice: Whole) -> list[str]:
    """Rules that a choice breaks, in words.

    A result may be late, and an expert may hold more subtasks than its capacity at an arrival.
    """
    return _late(episode, choice) + _too_many(episode, choice)


def _late(episode: Episode, choice: Whole) -> list[str]:
    """Subtasks whose result would be late."""
    placed = np.flatnonzero(choice != LOST)
    late = placed[~episode.in_time[placed, choice[placed]]]
    return [f"subtask {n} would be late at {choice[n]}" for n in late.tolist()]


def _too_many(episode: Episode, choice: Whole) -> list[str]:
    """Arrivals at which an expert holds more subtasks than its capacity."""
    complaints = []
    for e, capacity in enumerate(episode.scenario.experts.capacity.tolist()):
        subtasks = np.flatnonzero(choice == e)
        for n in subtasks.tolist():
            earlier = subtasks[subtasks < n]
            held = 1 + int((episode.finish_s[earlier, e] > episode.arrival_s[n]).sum())
            if held > capacity:
                complaints.append(
                    f"expert {e} holds {held} subtasks when {n} arrives; allowed: {capacity}"
                )
    return complaints


def mean_return(episodes: Sequence[Episode], choosers: Iterable[Choose]) -> float:
    """Mean return of episodes, each played with the next of the functions that choose.

    There may be more functions than episodes, even endlessly many.
    """
    returns = []
    for episode, choose in zip(episodes, choosers, strict=False):
        returns.append(account(episode, run(episode, choose)).return_)
    return float(np.mean(returns))
