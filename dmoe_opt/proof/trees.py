"""Trees that prove that a token costs at least z, found with the optimum known.

A node is closed by the best price mu of the covering row, or by two counts; else it branches on the
expert over which the two best sets at that price differ. Where a tree grows too large, one is tried
that first splits by the number of experts: with it fixed, the relaxation cannot mix sizes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data.problem import SCORE_UNIT, SelectionProblem, score_units
from dmoe_opt.joint.passages import Costs

Tree = Any
"""As in `check_proof`: a leaf mu, [expert, with, without], or ["sizes", [0, 1, ..]]."""
PLAIN_LEAVES = 1_000
MOST_LEAVES = 20_000
MOST_CUTS = 60
ROOM = 1e-13  # relative, by which a leaf must beat z in floating point


class Token(NamedTuple):
    """One token: prices e (K,) in J, inf where it cannot use an expert, scores in units (K,).

    `node` (K,) and `entry` (N,) are the node of every expert and what each node costs once, J, or
    None. Lists of Python's own numbers: sets are small, and numpy would take most of the time.
    """

    cost: list[float]
    units: list[int]
    need: int
    cap: int
    node: list[int] | None = None
    entry: list[float] | None = None

    def prices_at(
        self, inside: list[int], free: list[int], room: int
    ) -> tuple[float, list[float], list[int]]:
        """What `inside` pays, prices of free experts, and those that pay a share of a node only."""
        paid, prices = sum(self.cost[j] for j in inside), [self.cost[j] for j in free]
        if self.node is None or self.entry is None:
            return paid, prices, []
        entered = {self.node[j] for j in inside}
        crowd = Counter(self.node[j] for j in free)
        sharing = []
        for k, j in enumerate(free):
            n = self.node[j]
            fit = max(min(crowd[n], room), 1)
            if n not in entered and self.entry[n] > 0:
                prices[k] += self.entry[n] / fit
                sharing += [j] if fit > 1 else []
        return paid + sum(self.entry[n] for n in entered), prices, sharing


class Bound(NamedTuple):
    """The bound of a node, the price mu that gives it, and an expert to branch on, -1 if none."""

    value: float
    mu: float
    expert: int


class Plan(NamedTuple):
    """Some free experts by their places: what they cost, J, and what they reach, in units."""

    order: list[int]
    cost: float
    reach: int

    def value(self, mu: float, missing: int) -> float:
        """What they pay if each unit that is missing costs mu, J."""
        return self.cost + mu * (missing - self.reach)


def tokens_at(problem: SelectionProblem, at: Costs, usable: NDArray[np.bool_]) -> list[Token]:
    """The tokens of a problem at other costs, with the experts that are usable (T, K)."""
    units = score_units(problem.scores).astype(np.int64).tolist()
    cost = np.where(usable, at.experts, np.inf).tolist()
    entry = [None] * len(cost) if at.nodes is None else at.nodes.tolist()
    node = None if problem.placement is None else problem.placement.tolist()
    tokens = []
    for t, need in enumerate(problem.need_units.tolist()):
        step = math.gcd(*units[t]) or 1  # as sums of scores go
        whole = math.ceil(need / step) * step
        tokens.append(Token(cost[t], units[t], whole, problem.max_experts, node, entry[t]))
    return tokens


def in_joules(tree: Tree) -> Tree:
    """The tree with prices in J per unit of relevance, in place of J per score unit."""
    if not isinstance(tree, list):
        return tree * SCORE_UNIT
    if tree[0] == "sizes":
        return ["sizes", [in_joules(child) for child in tree[1]]]
    return [tree[0], in_joules(tree[1]), in_joules(tree[2])]


def prove_token(token: Token, z: float, inside: Sequence[int] = ()) -> Tree | None:
    """A tree that proves z for sets with the experts `inside`; None if none was found."""
    one = _tree(token, z, None, PLAIN_LEAVES, inside)
    return one if one is not None else _by_size(token, z, inside)


def root_bound(token: Token) -> tuple[float, float]:
    """The bound of the root alone, and its price: what a single leaf proves."""
    bound = _bound(token, [], list(range(len(token.cost))), None)
    return (0.0, 0.0) if bound is None else (max(bound.value, 0.0), bound.mu)


def _by_size(token: Token, z: float, inside: Sequence[int]) -> Tree | None:
    children = []
    left = MOST_LEAVES
    for size in range(token.cap + 1):
        child = _tree(token, z, size, left, inside)
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


def _tree(
    token: Token, z: float, size: int | None, most: int, within: Sequence[int]
) -> Tree | None:
    """A tree for all sets, or for those of one size, with at most so many leaves."""
    usable = [j for j, cost in enumerate(token.cost) if cost < math.inf and j not in within]
    root: list[Tree] = [None]
    waiting: list[tuple[list[Tree], int, list[int], list[int], float]]
    waiting = [(root, 0, list(within), usable, 0)]
    goal = z + ROOM * abs(z)
    leaves = 0
    while waiting:
        parent, place, inside, free, near = waiting.pop()
        bound = _bound(token, inside, free, size, goal, near)
        if bound is None or bound.value >= goal:
            parent[place] = 0.0 if bound is None else bound.mu
            leaves += 1
            if leaves + len(waiting) > most:
                return None
            continue
        if bound.expert < 0:
            return None
        node: list[Tree] = [bound.expert, None, None]
        parent[place] = node
        rest = [j for j in free if j != bound.expert]
        waiting += [
            (node, 2, inside, rest, bound.mu),
            (node, 1, [*inside, bound.expert], rest, bound.mu),
        ]
    return root[0]


def _bound(
    token: Token,
    inside: list[int],
    free: list[int],
    size: int | None,
    goal: float = math.inf,
    near: float = 0.0,
) -> Bound | None:
    """The best Lagrangian bound of a node, by cutting planes; None where it has no set at all.

    The price `near` of the node above is tried first: often it reaches the goal here.
    """
    room = (token.cap if size is None else size) - len(inside)
    if room < 0 or (size is not None and len(free) < room):
        return None
    missing = token.need - sum(token.units[j] for j in inside)
    units = [token.units[j] for j in free]
    paid, cost, sharing = token.prices_at(inside, free, room)

    def plan(order: list[int]) -> Plan:
        return Plan(order, sum([cost[k] for k in order]), sum([units[k] for k in order]))

    def best(mu: float) -> Plan:
        reduced = [cost[k] - mu * units[k] for k in range(len(free))]
        order = sorted(range(len(free)), key=reduced.__getitem__)[:room]
        return plan(order if size is not None else [k for k in order if reduced[k] < 0])

    high = plan(sorted(range(len(free)), key=units.__getitem__, reverse=True)[:room])
    if high.reach < missing:
        return None
    if near:
        value = paid + best(near).value(near, missing)
        if value >= goal:
            return Bound(value, near, -1)
    low = best(0.0)
    if low.reach >= missing:  # the cheapest sets reach the need
        return Bound(paid + low.cost, 0.0, _sharing(free, low, sharing))
    mu, middle, apart = _cut(best, low, high, missing, goal - paid)
    value = paid + middle.value(mu, missing)
    if not apart:
        return Bound(value, mu, _sharing(free, middle, sharing))
    return Bound(value, mu, free[max(apart, key=units.__getitem__)])


def _cut(
    best: Callable[[float], Plan], low: Plan, high: Plan, missing: int, goal: float
) -> tuple[float, Plan, set[int]]:
    """The best price between a plan that misses the need and one that reaches it, and its plan.

    The third value are the places over which the last two differ. It ends early at a value `goal`.
    """
    for _ in range(MOST_CUTS):
        mu = max((high.cost - low.cost) / (high.reach - low.reach), 0.0)
        middle = best(mu)
        value, line = middle.value(mu, missing), low.value(mu, missing)
        if value >= line - 1e-15 * abs(line) or value >= goal:
            break
        if middle.reach >= missing:
            high = middle
        else:
            low = middle
    return mu, middle, set(low.order) ^ set(high.order)


def _sharing(free: list[int], chosen: Plan, sharing: list[int]) -> int:
    """A chosen expert that pays less than its node costs, -1 if none does."""
    return next((free[k] for k in chosen.order if free[k] in sharing), -1)
