"""The observation of a learned policy when a subtask arrives: the present, never the future.

The observation has 5 E + Y + 4 entries, float32, for E experts and Y types, in this order:

======= ============================ ===========================================================
entries unit, range                  meaning
======= ============================ ===========================================================
E + 1   0 or 1                       the action mask: 1 where an action is open (`State.mask`)
E + 1   reward, clipped to [-2, 2]   reward of each action now, the loss where it is not open
E + 1   deadlines, clipped to [0, 2] time from choice to result
E       0 to 1                       share of the expert's slots that are free
E       deadlines, clipped to [0, 2] mean time until its occupied slots are free, 0 if all are free
Y       0 or 1                       type of the subtask
1       0 to 1                       its share in its job
======= ============================ ===========================================================

The share is known because the device splits a job before its first subtask leaves. It tells what
the whole job weighs, but neither when the rest arrives nor of which types it is. The rules see the
same share in their rewards, and the ceiling of `dmoe_opt.offload.ceiling` holds with it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.offload.scenario import Scenario
from dmoe_opt.offload.simulate import State

Entries = NDArray[np.float32]
MOST = 2.0
OWN = 5
"""Entries that each action has of its own; the device counts as free, without any wait."""


def size(num_experts: int, num_types: int) -> int:
    """Length of an observation."""
    return OWN * num_experts + num_types + 4


def observe(state: State) -> Entries:
    """The observation of a state that is not done, shape (5 E + Y + 4,)."""
    episode, n = state.episode, state.n
    deadline = float(episode.deadline_s[n])
    reward = [
        r if is_open else state.loss for r, is_open in zip(state.reward, state.mask, strict=True)
    ]
    duration = (episode.duration_s[n] / deadline).tolist()
    free = []
    wait = []
    for e in range(state.device):
        free.append(state.free[e] / state.room[e] if state.room[e] else 0.0)
        wait.append(_mean_wait_s([end for end, _ in state.held[e]], state.now) / deadline)
    kind = [0.0] * episode.scenario.num_types
    kind[episode.type[n]] = 1.0
    values = [*state.mask, *reward, *duration, *free, *wait, *kind, episode.share[n]]
    return np.asarray(np.clip(np.array(values), -MOST, MOST), dtype=np.float32)


def _mean_wait_s(ends: list[float], now: float) -> float:
    """Mean time until the occupied slots are free; 0 if none is occupied."""
    if not ends:
        return 0.0
    return max(sum(ends) / len(ends) - now, 0.0)


def own(observation: Entries, actions: int) -> Entries:
    """The entries of each action, shape (E + 1, 5)."""
    parts = np.zeros((OWN, actions), dtype=np.float32)
    parts[:3] = observation[: 3 * actions].reshape(3, actions)
    parts[3:, :-1] = observation[3 * actions : 5 * actions - 2].reshape(2, actions - 1)
    parts[3, -1] = 1.0  # the device is always free
    return np.ascontiguousarray(parts.T)


def bounds(scenario: Scenario) -> tuple[Entries, Entries]:
    """Least and greatest value of each entry, both of shape (5 E + Y + 4,)."""
    experts = scenario.num_experts
    high = np.ones(size(experts, scenario.num_types), dtype=np.float32)
    low = np.zeros_like(high)
    low[experts + 1 : 2 * experts + 2] = -MOST
    high[experts + 1 : 3 * experts + 3] = MOST
    high[4 * experts + 3 : 5 * experts + 3] = MOST
    return low, high
