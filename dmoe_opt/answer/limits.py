"""Optional rules that a decision can break, in words: (C5) capacity and (C7) deadline.

(C6) cannot be broken: an expert that serves a token is awake, and paid for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.bill import Allocation, Selection
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.words import counted


def capacity_violations(instance: Instance, selection: Selection) -> list[str]:
    """(C5) Experts that serve more tokens than their capacity."""
    if instance.capacity is None:
        return []
    serves = selection.sum(axis=0)
    return [
        f"expert {j} (C5): serves {counted(int(serves[j]), 'token')}, "
        f"its capacity is {instance.capacity[j]}"
        for j in np.flatnonzero(serves > instance.capacity)
    ]


def deadline_violations(
    instance: Instance, allocation: Allocation, load: NDArray[np.int64]
) -> list[str]:
    """(C7) Links whose subcarriers cannot send their tokens before the deadline."""
    if instance.air_tokens is None:
        return []
    room = np.where(allocation, instance.air_tokens, 0).sum(axis=2)
    broken = []
    for i, j in np.argwhere((load > 0) & (room < load)):
        used = np.flatnonzero(allocation[i, j])
        names = " and ".join(filter(None, (", ".join(map(str, used[:-1])), str(used[-1]))))
        name = f"subcarriers {names}" if len(used) > 1 else f"subcarrier {names}"
        sends = f"can send {room[i, j]} of {counted(int(load[i, j]), 'token')}"
        broken.append(f"link {i} -> {j} (C7): {name} {sends} before {instance.air_deadline_s:g} s")
    return broken
