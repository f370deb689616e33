"""Broken rules in words, and two optional ones that a decision can break: (C5) and (C7).

(C6) cannot be broken: an expert that serves a token is awake, and paid for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.bill import Allocation, Selection
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.words import counted

MOST_LISTED = 20


def told(rule: str, places: NDArray[Any], line: Callable[[Any], str]) -> list[str]:
    """A line for each of the first places that break a rule, and how many more there are.

    Examples
    --------
    >>> told("(C2)", np.arange(23), lambda t: f"token {t}")[-2:]
    ['token 19', '(C2): and 3 more']
    """
    lines = [line(place) for place in places[:MOST_LISTED]]
    more = len(places) - MOST_LISTED
    return lines if more <= 0 else [*lines, f"{rule}: and {more} more"]


def capacity_violations(instance: Instance, selection: Selection) -> list[str]:
    """(C5) Experts that serve more tokens than their capacity."""
    if instance.capacity is None:
        return []
    serves, capacity = selection.sum(axis=0), instance.capacity

    def full(j: int) -> str:
        tokens = counted(int(serves[j]), "token")
        return f"expert {j} (C5): serves {tokens}, its capacity is {capacity[j]}"

    return told("(C5)", np.flatnonzero(serves > capacity), full)


def deadline_violations(
    instance: Instance, allocation: Allocation, load: NDArray[np.int64]
) -> list[str]:
    """(C7) Links whose subcarriers cannot send their tokens before the deadline."""
    if instance.air_tokens is None:
        return []
    room = np.where(allocation, instance.air_tokens, 0).sum(axis=2)

    def late(link: NDArray[np.int64]) -> str:
        i, j = link
        used = np.flatnonzero(allocation[i, j])
        names = " and ".join(filter(None, (", ".join(map(str, used[:-1])), str(used[-1]))))
        name = f"subcarriers {names}" if len(used) > 1 else f"subcarrier {names}"
        sends = f"can send {room[i, j]} of {counted(int(load[i, j]), 'token')}"
        return f"link {i} -> {j} (C7): {name} {sends} before {instance.air_deadline_s:g} s"

    return told("(C7)", np.argwhere((load > 0) & (room < load)), late)
