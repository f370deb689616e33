"""Many episodes side by side in numpy, for training and for sampling: the step function at scale.

All episodes are at their n-th subtask at the same time, though not at the same time of day. The
rules are those of `dmoe_opt.offload.simulate.State`, and a test plays both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.observe import MOST, Entries
from dmoe_opt.offload.scenario import Array, Whole
from dmoe_opt.offload.simulate import FITS, LOST


class Many:
    """B episodes of one scenario, of at most N subtasks each.

    Callers read the fields and change them only by `step`.

    `mask` (B, E + 1) says which actions are open. `reward` (B, E + 1), `loss` (B,) and `duration`
    (B, E + 1), s, are those of the subtask that has arrived. `choice` (B, N) holds the actions so
    far, `LOST` for all others. `alive` (B,) says which episodes go on; others earn 0.

    Examples
    --------
    >>> import numpy as np
    >>> from dmoe_opt.offload.episode import draw
    >>> from dmoe_opt.offload.many import Many
    >>> from dmoe_opt.offload.presets import preset
    >>> many = Many([draw(preset("busy"), seed) for seed in range(3)])
    >>> returns = np.zeros(3)
    >>> while many.alive.any():
    ...     returns += many.step(np.where(many.mask, many.reward, -np.inf).argmax(axis=1))
    >>> returns.round(3).tolist()
    [52.421, 49.624, 54.574]
    """

    def __init__(self, episodes: Sequence[Episode]) -> None:
        self.scenario = episodes[0].scenario
        self._sizes = np.array([episode.num_subtasks for episode in episodes])
        self._arrival: Array = self._padded(episodes, lambda of: of.arrival_s)
        self._reward: Array = self._padded(episodes, lambda of: of.reward)
        self._duration: Array = self._padded(episodes, lambda of: of.duration_s)
        self._finish: Array = self._padded(episodes, lambda of: of.finish_s)
        self._may_start: NDArray[np.bool_] = self._padded(episodes, lambda of: of.may_start)
        self._size: Whole | Array = self._padded(episodes, lambda of: of.size)
        self._loss: Array = self._padded(episodes, lambda of: of.loss_reward)
        self._deadline: Array = self._padded(episodes, lambda of: of.deadline_s)
        self._type: Whole = self._padded(episodes, lambda of: of.type)
        self._share: Array = self._padded(episodes, lambda of: of.share)
        room = self.scenario.room
        most = int(min(room.max() / (self._size.min() * FITS), len(self._arrival)))
        shape = len(episodes), len(room), max(most, 1)
        self._ends = np.full(shape, -np.inf)  # of what is held, and of what was before
        self._held = np.zeros(shape, dtype=room.dtype)
        self._rows = np.arange(len(episodes))
        if self.scenario.arrivals.job_quality is not None:
            self._begin_jobs(episodes)
        self.choice: Whole = np.full((len(episodes), int(self._sizes.max())), LOST)
        self.n = 0
        self._arrive()

    def _padded(
        self, episodes: Sequence[Episode], of: Callable[[Episode], NDArray[Any]]
    ) -> NDArray[Any]:
        """The arrays of all episodes, (N, B, ...); the last entry of short ones is repeated."""
        most = int(self._sizes.max())
        columns = []
        for episode in episodes:
            values = of(episode)
            columns.append(values[np.minimum(np.arange(most), len(values) - 1)])
        return np.stack(columns, axis=1)

    def _begin_jobs(self, episodes: Sequence[Episode]) -> None:
        """What jobs of stages need beside the rest."""
        self._quality: Array = self._padded(episodes, lambda of: of.quality)
        self._paid: Array = self._padded(episodes, lambda of: of.paid)
        self._job: Whole = self._padded(episodes, lambda of: of.job)
        shape = len(episodes), int(self._job.max()) + 1
        self._worth = np.ones(shape)  # of a job so far
        self._begun, self._gone = np.zeros((2, *shape), dtype=bool)

    def _arrive(self) -> None:
        n = min(self.n, len(self._arrival) - 1)
        self.alive = self.n < self._sizes
        self._busy = self._ends > self._arrival[n][:, None, None]
        self._free = self.scenario.room - np.where(self._busy, self._held, 0).sum(axis=2)
        self.reward, self.loss, self.duration = self._reward[n], self._loss[n], self._duration[n]
        self.mask = np.ones(self.reward.shape, dtype=bool)
        places = self._free.shape[1]
        has_room = self._free >= self._size[n][:, None] * FITS
        self.mask[:, :places] = self._may_start[n][:, :places] & has_room
        if self.scenario.arrivals.job_quality is not None:
            self._join()

    def _join(self) -> None:
        """Reward, loss and open actions of stages, as `State` has them."""
        n = min(self.n, len(self._arrival) - 1)
        place = self._rows, self._job[n]
        earned = np.where(self._begun[place], self._worth[place], 0.0)
        worth = self._joined(self._worth[place][:, None], self._quality[n])
        self.loss = -earned - self.scenario.prices.loss
        gained = worth - earned[:, None] - self._paid[n]
        self.reward = np.where(self._may_start[n], gained, self.loss[:, None])
        gone = self._gone[place]
        self.loss = np.where(gone, 0.0, self.loss)
        self.reward[gone], self.mask[gone] = 0.0, False

    def _joined(self, before: Array, quality: Array) -> Array:
        """The worth of jobs after a stage of a quality."""
        is_least = self.scenario.arrivals.job_quality == "minimum"
        return np.minimum(before, quality) if is_least else before * quality

    def _go_on(self, placed: NDArray[np.bool_], action: Whole) -> None:
        """Keep what the jobs of the stages that have arrived are worth after them."""
        place = self._rows, self._job[self.n]
        after = self._joined(self._worth[place], self._quality[self.n][self._rows, action])
        self._worth[place] = np.where(self.alive, after, self._worth[place])
        self._begun[place] |= self.alive
        self._gone[place] |= self.alive & ~placed

    def step(self, actions: Whole) -> Array:
        """Place the subtask of every episode, go on to the next and return the rewards, (B,).

        `actions` has shape (B,); a number that is not an open action loses the subtask.
        """
        n, rows, device = self.n, self._rows, self.mask.shape[1] - 1
        known = (actions >= 0) & (actions <= device)
        action = np.where(known, actions, device)
        placed = self.alive & known & self.mask[rows, action] & self._may_start[n][rows, action]
        reward = np.where(placed, self.reward[rows, action], self.loss)
        self.choice[placed, n] = action[placed]
        row = np.flatnonzero(placed & (action < self._free.shape[1]))
        expert = action[row]
        slot = self._ends[row, expert].argmin(axis=1)
        self._ends[row, expert, slot] = self._finish[n][row, expert]
        self._held[row, expert, slot] = self._size[n][row]
        earned = np.where(self.alive, reward, 0.0)
        if self.scenario.arrivals.job_quality is not None:
            self._go_on(placed, action)
        self.n += 1
        self._arrive()
        return earned

    def observations(self) -> Entries:
        """The observation of every episode, (B, 5 E + Y + 4), see `dmoe_opt.offload.observe`.

        Those of episodes that are over have no meaning.
        """
        n = min(self.n, len(self._arrival) - 1)
        deadline = self._deadline[n][:, None]
        experts = self.scenario.num_experts
        room = self.scenario.room[:experts]
        busy = self._busy[:, :experts]
        occupied = busy.sum(axis=2)
        total = np.where(busy, self._ends[:, :experts], 0.0).sum(axis=2)
        wait = np.maximum(total / np.maximum(occupied, 1) - self._arrival[n][:, None], 0.0)
        kind = np.arange(self.scenario.num_types) == self._type[n][:, None]
        parts = [
            self.mask,
            np.where(self.mask, self.reward, self.loss[:, None]),
            self.duration / deadline,
            self._free[:, :experts] / np.where(room > 0, room, 1),
            np.where(occupied > 0, wait / deadline, 0.0),
            kind,
            self._share[n][:, None],
        ]
        return np.asarray(np.clip(np.hstack(parts), -MOST, MOST), dtype=np.float32)
