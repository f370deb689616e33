"""The one step function of offloading, and the account of an episode.

The environment, the policies and the evaluation all use them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np

from dmoe_opt.offload import stages
from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.scenario import Array, Whole

LOST = -1
FITS = 1.0 - 1e-9
"""A subtask fits if this share of it does: sums of work have rounding errors."""


class State:
    """Everything that is known when subtask `n` arrives at the time `now`.

    Actions are the experts 0 .. E - 1, and E for the device itself. Callers read the fields and
    change them only by `step`.

    `mask[a]` says that action a is open: expert a has room, and the result would be in time or
    worth its lateness; a device without a capacity is always open. `reward[a]` is the reward of a
    now if it is open (for a device that is too slow, the loss), and `duration[a]` is the time in s
    until its result is there. `loss` is the reward if the subtask is lost. `size` is what it takes
    of a capacity, 1 slot or its work. `room[e]` is the capacity of expert e, and `free[e]` what is
    free of it; a device with a capacity comes last in both. `held[e]` is a heap of what e holds:
    when it is done, and its size. `choice` (N,) holds the actions so far, `LOST` for the subtasks
    still to come. If a job of stages is lost, no action is open to its later stages, not even the
    device.
    """

    def __init__(self, episode: Episode) -> None:
        self.episode = episode
        self.choice = np.full(episode.num_subtasks, LOST)
        self._arrival = episode.arrival_s.tolist()
        self._reward = episode.reward.tolist()
        self._finish = episode.finish_s.tolist()
        self._duration = episode.duration_s.tolist()
        self._how = episode.scenario.arrivals.job_quality
        self._may_start = episode.may_start.tolist()
        self._loss = episode.loss_reward.tolist()
        self._size = episode.size.tolist()
        self.room: list[float] = episode.scenario.room.tolist()
        self.free = list(self.room)
        self.held: list[list[tuple[float, float]]] = [[] for _ in self.free]
        self._worth: dict[int, stages.Worth] = {}
        self.n = 0
        self._arrive()

    def _arrive(self) -> None:
        self.now: float = self._arrival[self.n]
        for e, held in enumerate(self.held):
            while held and held[0][0] <= self.now:
                self.free[e] += heappop(held)[1]
        self.size: float = self._size[self.n]
        self.reward: list[float] = self._reward[self.n]
        self.loss: float = self._loss[self.n]
        self.duration: list[float] = self._duration[self.n]
        needed = self.size * FITS
        may_start = self._may_start[self.n]  # perhaps one entry more than `free`: the device
        self.mask: list[bool] = [
            may and free >= needed for may, free in zip(may_start, self.free, strict=False)
        ]
        if len(self.mask) < len(may_start):
            self.mask.append(True)
        if self._how is not None:
            self._join(self._how)

    def _join(self, how: str) -> None:
        """Reward, loss and open actions of a stage, by what its job is worth so far."""
        episode, n = self.episode, self.n
        before = self._worth.get(int(episode.job[n]), stages.NEW)
        if before.lost:
            self.loss, self.reward = 0.0, [0.0] * len(self.reward)
            self.mask = [False] * len(self.mask)
            return
        self.loss = -before.earned - episode.scenario.prices.loss
        of_stage = zip(
            self._may_start[n], episode.quality[n].tolist(), episode.paid[n].tolist(), strict=True
        )
        self.reward = [
            stages.after(before, quality, how).value - before.earned - paid if may else self.loss
            for may, quality, paid in of_stage
        ]

    def elsewhere(self, n: int, held: list[list[tuple[float, float]]]) -> State:
        """The same episode when subtask n arrives, with what is held; it can be played on its own.

        For rules that look ahead in episodes drawn for that. Its `choice` has no meaning.
        """
        state = copy(self)
        state.n, state.held, state._worth = n, held, {}
        state.free = [
            room - sum(size for _, size in heap) for room, heap in zip(self.room, held, strict=True)
        ]
        state._arrive()
        return state

    @property
    def device(self) -> int:
        """The action of the device, E."""
        return len(self.mask) - 1

    def best_open(self, values: Sequence[float], ahead: float = 0.0) -> int:
        """The first open action of greatest value; the device if none is ahead of it by so much.

        `values` has an entry for each expert, and may have one for the device. A device without
        room counts as a loss.
        """
        alone = self.reward[-1] if self.mask[-1] else self.loss
        best, most = self.device, alone + ahead
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
        if 0 <= action < len(self.mask) and self.mask[action] and self._may_start[n][action]:
            self.choice[n] = action
            reward = self.reward[action]
            if action < len(self.held):
                heappush(self.held[action], (self._finish[n][action], self.size))
                self.free[action] -= self.size
        else:
            reward = self.loss
        if self._how is not None:
            self._go_on(self._how)
        self.n += 1
        if not self.done:
            self._arrive()
        return reward

    def _go_on(self, how: str) -> None:
        """Keep what the job of stage n is worth after it."""
        job, action = int(self.episode.job[self.n]), self.choice[self.n]
        before = self._worth.get(job, stages.NEW)
        quality = self.episode.quality[self.n, action]
        is_lost = before.lost or action == LOST
        self._worth[job] = stages.GONE if is_lost else stages.after(before, float(quality), how)


Choose = Callable[[State], int]


@dataclass(frozen=True)
class Account:
    """The sums of an episode.

    `quality` is the mean over jobs. `served`, `local` and `lost` add up to the subtasks; `late`
    counts those served or local whose results are late.
    """

    return_: float
    quality: float
    energy_j: float
    communication_j: float
    computation_j: float
    served: int
    local: int
    lost: int
    late: int


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


def rewards(episode: Episode, choice: Whole) -> Array:
    """Reward of each subtask under a choice, both (N,)."""
    if episode.scenario.arrivals.job_quality is not None:
        return stages.rewards(episode, choice)
    chosen = episode.reward[np.arange(len(choice)), choice]
    return np.where(choice == LOST, episode.loss_reward, chosen)


def _quality(episode: Episode, choice: Whole) -> float:
    """Mean quality of the jobs."""
    if episode.scenario.arrivals.job_quality is not None:
        return float(np.mean(stages.qualities(episode, choice)))
    placed = np.flatnonzero(choice != LOST)
    qualities = episode.share[placed] * episode.quality[placed, choice[placed]]
    jobs = np.bincount(episode.job, minlength=1) > 0
    return float(qualities.sum() / jobs.sum())


def account(episode: Episode, choice: Whole) -> Account:
    """Evaluate the choices of an episode, (N,), as `run` returns them.

    The return is the one objective of offloading: the sum of `Episode.reward` over the subtasks
    that are placed, and of `Episode.loss_reward` over the others; for jobs of stages, the sum of
    the rewards of `dmoe_opt.offload.stages`.

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
    communication = float(episode.communication_j[placed, at].sum())
    computation = float(episode.computation_j[placed, at].sum())
    local = int((at == episode.scenario.num_experts).sum())
    return Account(
        return_=float(rewards(episode, choice).sum()),
        quality=_quality(episode, choice),
        energy_j=communication + computation,
        communication_j=communication,
        computation_j=computation,
        served=len(placed) - local,
        local=local,
        lost=len(choice) - len(placed),
        late=int((~episode.in_time[placed, at]).sum()),
    )


def violations(episode: Episode, choice: Whole) -> list[str]:
    """Rules that a choice breaks, in words.

    A result may be late, and an expert may hold more than its capacity at an arrival.
    """
    return _late(episode, choice) + _too_many(episode, choice) + _in_vain(episode, choice)


def _in_vain(episode: Episode, choice: Whole) -> list[str]:
    """Stages that are placed although their job is lost already."""
    if episode.scenario.arrivals.job_quality is None:
        return []
    complaints = []
    lost: set[int] = set()
    for n, job in enumerate(episode.job.tolist()):
        if choice[n] == LOST:
            lost.add(job)
        elif job in lost:
            complaints.append(f"stage {n} is placed, but job {job} is lost")
    return complaints


def _late(episode: Episode, choice: Whole) -> list[str]:
    """Subtasks whose result would be late."""
    placed = np.flatnonzero(choice != LOST)
    late = placed[~episode.may_start[placed, choice[placed]]]
    return [f"subtask {n} would be late at {choice[n]}" for n in late.tolist()]


def _too_many(episode: Episode, choice: Whole) -> list[str]:
    """Arrivals at which an expert, or the device, holds more than its capacity."""
    complaints = []
    unit = "work units" if episode.scenario.counts_work else "subtasks"
    device = episode.scenario.num_experts
    for e, capacity in enumerate(episode.scenario.room.tolist()):
        name = "the device" if e == device else f"expert {e}"
        subtasks = np.flatnonzero(choice == e)
        for n in subtasks.tolist():
            earlier = subtasks[subtasks < n]
            staying = earlier[episode.finish_s[earlier, e] > episode.arrival_s[n]]
            held = episode.size[staying].sum() + episode.size[n]
            if held * FITS > capacity:
                complaints.append(
                    f"{name} holds {held:g} {unit} when {n} arrives; allowed: {capacity:g}"
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
