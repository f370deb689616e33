"""Why tokens cannot share what experts and links have, in words: conflicts with (C5) or (C7)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.objective import Selection
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.words import counted
from dmoe_opt.joint.conflict import Conflict
from dmoe_opt.joint.open_part import usable_experts
from dmoe_opt.selection import des

MOST_NAMED = 10


def refutation(instance: Instance, conflict: Conflict) -> list[str]:
    """Sentences on a conflict; the first says what is wrong, the others where.

    Examples
    --------
    >>> import dmoe_opt
    >>> round_ = dmoe_opt.Instance(
    ...     [0, 0], [[0, 1.0]] * 2, 0.5, 1, [1, 1], link_energy=[[[1.0]] * 2] * 2, capacity=[2, 1]
    ... )
    >>> print(dmoe_opt.explain(round_).sentences[0])
    expert 1 would need room for 2 tokens, its capacity is 1
    """
    tokens = np.array(conflict.tokens)
    rules = set(conflict.rules)
    room = _room(instance, tokens) if "C5" in rules else []
    late = _late(instance, tokens) if "C7" in rules else []
    lines = room + late
    if not lines:
        lines = [f"{counted(len(tokens), 'token')} cannot all be served under these rules together"]
    more = len(lines) - MOST_NAMED
    return lines if more <= 0 else [*lines[:MOST_NAMED], f"and {more} more"]


def _needed(instance: Instance, tokens: NDArray[np.int64], without: Selection) -> NDArray[np.bool_]:
    """Which tokens cannot be served without some experts, (T,) of a round; `without` (T, K)."""
    problem = instance.selection_problem()
    usable = usable_experts(instance) & ~without
    _, bounds = des.choose(problem, np.zeros(usable.shape), usable, des.QUICK_NODES)
    return np.asarray(~np.isfinite(bounds[tokens]))


def _room(instance: Instance, tokens: NDArray[np.int64]) -> list[str]:
    """Experts that more tokens need than they have room for; or all of them together."""
    assert instance.capacity is not None
    lines = []
    for j in range(instance.num_experts):
        without = np.zeros(instance.scores.shape, dtype=bool)
        without[:, j] = True
        number = int(_needed(instance, tokens, without).sum())
        most = int(instance.capacity[j])
        if number > most:
            needs = f"expert {j} would need room for {counted(number, 'token')}"
            lines.append(f"{needs}, its capacity is {most}")
    if lines:
        return lines
    problem = instance.selection_problem()
    one = np.ones(instance.scores.shape)
    free = None if problem.node_cost is None else np.zeros(problem.node_cost.shape)
    _, visits = des.choose(problem, one, usable_experts(instance), des.QUICK_NODES, free)
    if not np.isfinite(visits[tokens]).all():
        return []
    number, room = int(np.ceil(visits[tokens] - 1e-6).sum()), int(instance.capacity.sum())
    if number <= room:
        return []
    have = f"all experts together have room for {room}"
    return [f"{counted(len(tokens), 'token')} visit experts at least {number} times, and {have}"]


def _late(instance: Instance, tokens: NDArray[np.int64]) -> list[str]:
    """What links that tokens need, or could use, can send before the deadline."""
    assert instance.air_tokens is not None
    lines, most = [], []
    before = f"before {instance.air_deadline_s:g} s"
    for i in np.unique(instance.source[tokens]):
        own = tokens[instance.source[tokens] == i]
        for n in np.unique(instance.node_of[(instance.scores[own] > 0).any(axis=0)]):
            if n == i:
                continue
            room = instance.air_tokens[i, n]
            behind = np.broadcast_to(instance.node_of == n, instance.scores.shape)
            number = max(int(_needed(instance, own, behind).sum()), 1)
            if room.sum() < number:
                where = "any subcarrier" if number == 1 else "all subcarriers together"
                sends = f"can send {room.sum()} of {counted(number, 'token')}"
                lines.append(f"link {i} -> {n} {sends} {before} on {where}")
            else:
                most.append(int(room.max()))
    if lines or not most:
        return lines
    have = f"on {counted(instance.num_subcarriers, 'subcarrier')}"
    fast = str(max(most)) if min(most) == max(most) else f"{min(most)} to {max(most)}"
    return [
        f"{counted(len(tokens), 'token')} cannot all be sent {before} {have}",
        f"their {len(most)} links can send {fast} each on their best subcarrier by then",
    ]
