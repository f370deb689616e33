"""Trees that prove that a token costs at least z, found with the optimum known.

A node is closed by the best price mu of the covering row, or by two counts; else it branches on the
expert over which the two best sets at that price differ. Where a tree grows too large, one is tried
that first splits by the number of experts: with it fixed, the relaxation cannot mix sizes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Tree = Any
"""As in `check_proof`: a leaf mu, [expert, with, without], or ["sizes", [0, 1, ..]]."""
PLAIN_LEAVES = 1_000
MOST_LEAVES = 20_000
MOST_CUTS = 60
ROOM = 1e-13  # relative, by which a leaf must beat z in floating point


class Token(NamedTuple):
    """One token: prices e (K,) in J, inf where it cannot use an expert, scores in units (K,).

    `node` (K,) and `entry` (N,) are the node of every expert and what each node costs once, J, or
    None.
    """

    cost: NDArray[np.float64]
    units: NDArray[np.float64]
    need: float
    cap: int
    node: NDArray[np.int64] | None = None
    entry: NDArray[np.float64] | None = None

    def prices_at(
        self, inside: NDArray[np.int64], free: NDArray[np.int64], room: int
    ) -> tuple[float, NDArray[np.float64], NDArray[np.bool_]]:
        """What `inside` pays, the prices of free experts, and which pay a share of a node only."""
        paid, prices = float(self.cost[inside].sum()), self.cost[free]
        if self.node is None or self.entry is None:
            return paid, prices, np.zeros(len(free), dtype=bool)
        entered = np.zeros(len(self.entry), dtype=bool)
        entered[self.node[inside]] = True
        crowd = np.bincount(self.node[free], minlength=len(self.entry))
        fit = np.maximum(np.minimum(crowd, room), 1)[self.node[free]]
        new = ~entered[self.node[free]]
        once = np.where(new, self.entry[self.node[free]], 0.0)
        return paid + float(self.entry[entered].sum()), prices + once / fit, (once > 0) & (fit > 1)


class Bound(NamedTuple):
    """The bound of a node, the price mu that gives it, and an expert to branch on, -1 if none."""

    value: float
    mu: float
    expert: int


def prove_token(token: Token, z: float) -> Tree | None:
    """A tree that proves z; None if none was found within the limits."""
    one = _tree(token, z, None, PLAIN_LEAVES)
    return one if one is not None else _by_size(token, z)


def root_bound(token: Token) -> tuple[float, float]:
    """The bound of the root alone, and its price: what a single leaf proves."""
    bound = _bound(token, np.zeros(0, dtype=np.int64), np.arange(len(token.cost)), None)
    return (0.0, 0.0) if bound is None else (max(bound.value, 0.0), bound.mu)


def _by_size(token: Token, z: float) -> Tree | None:
    children = []
    left = MOST_LEAVES
    for size in range(token.cap + 1):
        child = _tree(token, z, size, left)
        if child is None:
            return None
        left -= _leaves(child)
        children.append(child)
    return ["sizes", children]


def _leaves(tree: Tree) -> int:
    waiting, number = [tree], 0
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node[1:]
        else:
            number += 1
    return number


def _tree(token: Token, z: float, size: int | None, most: int) -> Tree | None:
    """A tree for all sets, or for those of one size, with at most so many leaves."""
    usable = np.flatnonzero(np.isfinite(token.cost))
    root: list[Tree] = [None]
    waiting: list[tuple[list[Tree], int, list[int], NDArray[np.int64]]] = [(root, 0, [], usable)]
    leaves = 0
    while waiting:
        parent, place, inside, free = waiting.pop()
        bound = _bound(token, np.array(inside, dtype=np.int64), free, size)
        if bound is None or bound.value >= z + ROOM * abs(z):
            parent[place] = 0.0 if bound is None else bound.mu
            leaves += 1
            if leaves + len(waiting) > most:
                return None
            continue
        if bound.expert < 0:
            return None
        node: list[Tree] = [bound.expert, None, None]
        parent[place] = node
        rest = free[free != bound.expert]
        waiting += [(node, 2, inside, rest), (node, 1, [*inside, bound.expert], rest)]
    return root[0]


def _bound(
    token: Token, inside: NDArray[np.int64], free: NDArray[np.int64], size: int | None
) -> Bound | None:
    """The best Lagrangian bound of a node, by cutting planes; None where it has no set at all."""
    room = (token.cap if size is None else size) - len(inside)
    if room < 0 or (size is not None and len(free) < room):
        return None
    paid, cost, shared = token.prices_at(inside, free, room)
    units = token.units[free]
    missing = token.need - token.units[inside].sum()
    best = np.argsort(-units, kind="stable")[:room]
    if units[best].sum() < missing:
        return None

    def chosen(mu: float) -> NDArray[np.int64]:
        reduced = cost - mu * units
        order = np.argsort(reduced, kind="stable")[:room]
        return order if size is not None else order[reduced[order] < 0]

    low, high, mu = chosen(0.0), best, 0.0
    if units[low].sum() >= missing:  # the cheapest sets reach the need
        return Bound(paid + float(cost[low].sum()), 0.0, _sharing(free, low, shared))
    for _ in range(MOST_CUTS):
        rise = units[high].sum() - units[low].sum()
        mu = max(float((cost[high].sum() - cost[low].sum()) / rise), 0.0)
        middle = chosen(mu)
        value = cost[middle].sum() + mu * (missing - units[middle].sum())
        line = cost[low].sum() + mu * (missing - units[low].sum())
        if value >= line - 1e-15 * abs(line):
            break
        if units[middle].sum() >= missing:
            high = middle
        else:
            low = middle
    middle = chosen(mu)
    value = paid + float(cost[middle].sum() + mu * (missing - units[middle].sum()))
    apart = np.setxor1d(low, high)
    expert = int(free[apart[units[apart].argmax()]]) if len(apart) else -1
    return Bound(value, mu, expert if expert >= 0 else _sharing(free, middle, shared))


def _sharing(free: NDArray[np.int64], chosen: NDArray[np.int64], shared: NDArray[np.bool_]) -> int:
    """A chosen expert that pays less than its node costs, -1 if none does."""
    partial = chosen[shared[chosen]]
    return int(free[partial[0]]) if len(partial) else -1
