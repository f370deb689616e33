"""A picture of an episode so far, in numpy: `render_mode="rgb_array"` of the environment.

`dmoe_opt.plot.offload` draws episodes that are over, with axes and names.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.colours import OKABE_ITO
from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.scenario import Whole
from dmoe_opt.offload.simulate import LOST, State

Picture = NDArray[np.uint8]
WIDTH = 640
"""Pixels for the time from 0 to the last arrival and the longest deadline."""
ROW = 6
"""Pixels of a slot, its lower edge included."""
GAP = 4
"""Pixels between experts."""
WHITE, PAPER, BLACK = (255, 255, 255), (235, 235, 235), (0, 0, 0)
TYPES = np.array([tuple(bytes.fromhex(colour[1:])) for colour in OKABE_ITO])
"""Colours of the types: red, green and blue from 0 to 255."""


def slot_of(episode: Episode, choice: Whole) -> Whole:
    """The slot that each subtask takes, (N,): the first of its expert that is free; -1 if lost.

    The device has as many slots as it needs.
    """
    slots = np.full(len(choice), LOST)
    free_at: list[list[float]] = [[] for _ in range(episode.scenario.num_experts + 1)]
    for n in np.flatnonzero(choice != LOST).tolist():
        ends = free_at[choice[n]]
        free = (k for k, end in enumerate(ends) if end <= episode.arrival_s[n])
        slot = next(free, len(ends))
        ends[slot : slot + 1] = [float(episode.finish_s[n, choice[n]])]
        slots[n] = slot
    return slots


def rows_of(episode: Episode, choice: Whole) -> list[int]:
    """Rows to draw for each expert: its slots, or what it needs where capacities count work."""
    if not episode.scenario.counts_work:
        return [int(slots) for slots in episode.scenario.experts.capacity]
    slots = slot_of(episode, choice)
    experts = range(episode.scenario.num_experts)
    return [int(slots[choice == e].max(initial=0)) + 1 for e in experts]


def frame(state: State) -> Picture:
    """Time from left to right, a row for each slot of each expert, shape (height, 640, 3).

    Subtasks have the colour of their type. Below the experts, the device has a row of marks, and
    lost subtasks one of black marks. The upright line is the present.
    """
    episode = state.episode
    device = episode.scenario.num_experts
    heights = ROW * np.append(rows_of(episode, state.choice), [1, 1])
    top = np.append(0, np.cumsum(heights + GAP))
    picture = np.full((int(top[-1]), WIDTH, 3), WHITE, dtype=np.uint8)
    for band, height in zip(top, heights, strict=False):
        picture[band : band + height] = PAPER
    per_s = WIDTH / float(episode.arrival_s[-1] + episode.deadline_s.max())
    slots = slot_of(episode, state.choice)
    for n in range(state.n):
        action = int(state.choice[n])
        begin = int(episode.arrival_s[n] * per_s)
        end = begin + 2  # a mark
        colour = BLACK if action == LOST else TYPES[episode.type[n] % len(TYPES)]
        if 0 <= action < device:
            end = max(end, int(episode.finish_s[n, action] * per_s))
        band = device + 1 if action == LOST else action
        row = top[band] + ROW * (slots[n] if 0 <= action < device else 0)
        picture[row : row + ROW - 1, begin:end] = colour
    present = min(int(state.now * per_s), WIDTH - 1)
    picture[:, present] = BLACK
    return picture
