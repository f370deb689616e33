"""Rules that choose an expert from what is known at the arrival. Each is made anew for an episode from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from dmoe_opt.offload.simulate import Choose, State


def uniform(seed: int) -> Choose:
    """Any open action, all as likely."""
    rng = random.Random(seed)

    def choose(state: State) -> int:
        return rng.choice([a for a, is_open in enumerate(state.mask) if is_open])

    return choose


def round_robin(seed: int) -> Choose:
    """The next expert in turn that is open; the device if none is."""
    last = -1

    def choose(state: State) -> int:
        nonlocal last
        count = len(state.free)
        for k in range(1, count + 1):
            expert = (last + k) % count
            if state.mask[expert]:
                last = expert
                return expert
        return count

    return choose


def most_free(seed: int) -> Choose:
    """The open expert with most free slots, the first of several; the device if none is open."""
    return lambda state: _best_open(state, state.free, 0)


def greedy(seed: int) -> Choose:
    """The open action of greatest reward now; of several the device, else the first expert."""
    return lambda state: _best_open(state, state.reward, state.reward[-1])


def _best_open(state: State, values: Sequence[float], least: float) -> int:
    """The first open action of greatest value above `least`; the device if there is none."""
    best, most = len(state.free), least
    for action, value in enumerate(values):
        if value > most and state.mask[action]:
            best, most = action, value
    return best


def local(seed: int) -> Choose:
    """Always the device."""
    return lambda state: len(state.free)


RULES: dict[str, Callable[[int], Choose]] = {
    "random": uniform, "round-robin": round_robin, "most-free": most_free, "greedy": greedy, "local": local,
}  # fmt: skip
