"""Trees that prove that tokens cost at least z, found with the optimum known.

A node is closed by the best price mu of the covering row, or by two counts; else it branches on the
expert over which the two best sets at that price differ. Where a tree grows too large, one is tried
that first splits by the number of experts: with it fixed, the relaxation cannot mix sizes.

The open nodes of many tokens are looked at together, level by level: numpy takes as long for one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.objective import Selection
from dmoe_opt.data.problem import SCORE_UNIT, SelectionProblem, score_units
from dmoe_opt.joint.passages import Costs

Tree = Any
"""As in `check_proof`: a leaf mu, [expert, with, without], or ["sizes", [0, 1, ..]]."""
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
PLAIN_LEAVES = 1_000
MOST_LEAVES = 20_000
AT_ONCE = 2**11  # experts of all tokens: their nodes fit into memory
MOST_CUTS = 60
ROOM = 1e-13  # relative, by which a leaf must beat z in floating point
ANY = -1  # number of experts


class Tokens(NamedTuple):
    """Tokens: prices e (T, K) in J, inf where they cannot use an expert, scores in units (T, K).

    What they `need` (T,) is in units. `node` (K,) and `entry` (T, N) are the node of every expert
    and what nodes cost once, J, or None.
    """

    cost: Floats
    units: Floats
    need: Floats
    cap: int
    node: Ints | None = None
    entry: Floats | None = None

    def rows(self, kept: Ints) -> Tokens:
        """Some of the tokens."""
        entry = None if self.entry is None else self.entry[kept]
        arrays = self.cost[kept], self.units[kept], self.need[kept]
        return Tokens(*arrays, self.cap, self.node, entry)

    def prices_at(
        self, token: Ints, inside: Selection, free: Selection, room: Ints
    ) -> tuple[Floats, Floats, Selection]:
        """At nodes (n, K): what `inside` pays (n,), prices, and experts that pay a share only."""
        cost = self.cost[token]
        paid = np.where(inside, cost, 0.0).sum(axis=1)
        if self.node is None or self.entry is None:
            return paid, cost, np.zeros_like(free)
        entry = self.entry[token]
        leads = self.node[:, None] == np.arange(entry.shape[1])
        entered = (inside[:, :, None] & leads).any(axis=1)
        fit = np.maximum(np.minimum((free[:, :, None] & leads).sum(axis=1), room[:, None]), 1)
        closed = ~entered & (entry > 0)
        share = np.where(closed, entry / fit, 0.0)[:, self.node]
        sharing = (closed & (fit > 1))[:, self.node] & free
        return paid + np.where(entered, entry, 0.0).sum(axis=1), cost + share, sharing


class Nodes(NamedTuple):
    """Open nodes (n,): their numbers, tokens, experts in and free (n, K), sizes, prices above."""

    number: Ints
    token: Ints
    inside: Selection
    free: Selection
    size: Ints
    near: Floats

    def only(self, kept: NDArray[Any]) -> Nodes:
        """Some of the nodes."""
        return Nodes(*(part[kept] for part in self))


class Bounds(NamedTuple):
    """Bounds of nodes (n,), inf where they have no set; prices mu; experts to branch on, or -1."""

    value: Floats
    mu: Floats
    expert: Ints


class Plan(NamedTuple):
    """Some free experts of every node (n, K): what they cost, J, and what they reach, in units."""

    taken: Selection
    cost: Floats
    reach: Floats

    def value(self, mu: Floats, missing: Floats) -> Floats:
        """What they pay if each unit that is missing costs mu, J."""
        return self.cost + mu * (missing - self.reach)

    def only(self, kept: NDArray[Any]) -> Plan:
        """Those of some nodes."""
        return Plan(*(part[kept] for part in self))


def tokens_at(problem: SelectionProblem, at: Costs, usable: Selection) -> Tokens:
    """The tokens of a problem at other costs, with the experts that are usable (T, K)."""
    units = score_units(problem.scores)
    step = np.gcd.reduce(units.astype(np.int64), axis=1, initial=0)  # as sums of scores go
    step = np.where(step > 0, step, 1)
    need = np.ceil(problem.need_units / step) * step
    cost = np.where(usable, at.experts, np.inf)
    return Tokens(cost, units, need, problem.max_experts, problem.placement, at.nodes)


def in_joules(tree: Tree) -> Tree:
    """The tree with prices in J per unit of relevance, in place of J per score unit."""
    if not isinstance(tree, list):
        return tree * SCORE_UNIT
    if tree[0] == "sizes":
        return ["sizes", [in_joules(child) for child in tree[1]]]
    return [tree[0], in_joules(tree[1]), in_joules(tree[2])]


def prove_tokens(tokens: Tokens, z: Floats, certain: Selection | None = None) -> list[Tree | None]:
    """Trees that prove z (T,), None where none was found.

    The experts that are `certain` (T, K) are in all sets.
    """
    inside = np.zeros(tokens.cost.shape, dtype=bool) if certain is None else certain
    trees: list[Tree | None] = []
    step = max(AT_ONCE // max(inside.shape[1], 1), 1)
    for first in range(0, len(z), step):
        few = np.arange(first, min(first + step, len(z)))
        trees += _trees(tokens, z, few, inside, [ANY], PLAIN_LEAVES)
    for t, tree in enumerate(trees):
        if tree is None:
            sizes = list(range(tokens.cap + 1))
            parts = _trees(tokens, z, np.full(len(sizes), t), inside, sizes, MOST_LEAVES)
            trees[t] = None if None in parts else ["sizes", parts]
    return trees


def root_bound(tokens: Tokens, t: int) -> tuple[float, float]:
    """The bound of the root alone, and its price: what a single leaf proves."""
    free = np.isfinite(tokens.cost[[t]])
    root = Nodes(*_roots([t]), np.zeros_like(free), free, np.array([ANY]), np.zeros(1))
    bounds = _bounds(tokens, root, np.array([np.inf]))
    finite = bool(np.isfinite(bounds.value[0]))
    return (max(float(bounds.value[0]), 0.0), float(bounds.mu[0])) if finite else (0.0, 0.0)


def _roots(token: Sequence[int] | Ints) -> tuple[Ints, Ints]:
    return np.arange(len(token)), np.asarray(token)


def _trees(
    tokens: Tokens, z: Floats, token: Ints, inside: Selection, sizes: list[int], most: int
) -> list[Tree | None]:
    """A tree for each root, those of a token of at most so many leaves together; None if not."""
    goal = z + ROOM * np.abs(z)
    inside = inside[token]
    free = np.isfinite(tokens.cost[token]) & ~inside
    size = np.resize(np.array(sizes), len(token))
    nodes = Nodes(*_roots(token), inside, free, size, np.zeros(len(token)))
    leaves = np.zeros(len(z), dtype=np.int64)
    failed = np.zeros(len(z), dtype=bool)
    made: list[Tree] = [None] * len(token)  # leaves, and experts with the number of their branch
    while len(nodes.number):
        bounds = _bounds(tokens, nodes, goal[nodes.token])
        closed = bounds.value >= goal[nodes.token]
        leaves += np.bincount(nodes.token[closed], minlength=len(z))
        failed[nodes.token[~closed & (bounds.expert < 0)]] = True
        failed |= leaves + 2 * np.bincount(nodes.token[~closed], minlength=len(z)) > most
        for k, mu in zip(nodes.number[closed].tolist(), bounds.mu[closed].tolist(), strict=True):
            made[k] = mu
        split = ~closed & ~failed[nodes.token]
        above, expert = nodes.only(split), bounds.expert[split]
        first = len(made) + 2 * np.arange(len(expert))
        branches = zip(above.number.tolist(), expert.tolist(), first.tolist(), strict=True)
        for k, *branch in branches:
            made[k] = tuple(branch)
        made += [None] * (2 * len(expert))
        nodes = _children(above, expert, first, bounds.mu[split])
    for k in range(len(made) - 1, -1, -1):
        if isinstance(made[k], tuple):
            j, n = made[k]
            made[k] = [j, made[n], made[n + 1]]
    return [None if failed[t] else made[k] for k, t in enumerate(token.tolist())]


def _children(above: Nodes, expert: Ints, first: Ints, mu: Floats) -> Nodes:
    """The nodes with an expert, and those without it."""
    rows = np.arange(len(expert))
    inside, free = above.inside.copy(), above.free.copy()
    inside[rows, expert], free[rows, expert] = True, False
    used = Nodes(first, above.token, inside, free, above.size, mu)
    unused = used._replace(number=first + 1, inside=above.inside)
    return Nodes(*(np.concatenate(both) for both in zip(used, unused, strict=True)))


def _bounds(tokens: Tokens, nodes: Nodes, goal: Floats) -> Bounds:
    """The best Lagrangian bounds of nodes, by cutting planes.

    The price `near` of the node above is tried first: often it reaches the goal here.
    """
    number = len(nodes.number)
    result = Bounds(np.full(number, np.inf), np.zeros(number), np.full(number, -1))
    sized = nodes.size != ANY
    room = np.where(sized, nodes.size, tokens.cap) - nodes.inside.sum(axis=1)
    missing = tokens.need[nodes.token]
    units = tokens.units[nodes.token]
    missing = missing - np.where(nodes.inside, units, 0.0).sum(axis=1)
    paid, cost, sharing = tokens.prices_at(nodes.token, nodes.inside, nodes.free, room)
    part = _Part(units, cost, nodes.free, sized, room)
    high = part.plan(-units)
    has_sets = (room >= 0) & (~sized | (nodes.free.sum(axis=1) >= room)) & (high.reach >= missing)
    left = np.flatnonzero(has_sets)
    part, high = part.only(left), high.only(left)
    paid, missing, near = paid[left], missing[left], nodes.near[left]
    value = paid + part.best(near).value(near, missing)
    low = part.best(np.zeros(len(left)))
    easy = low.reach >= missing  # the cheapest sets reach the need
    result.value[left] = np.where(easy, paid + low.cost, value)
    result.mu[left] = np.where(easy, 0.0, near)
    result.expert[left] = _first(low.taken & sharing[left])
    hard = np.flatnonzero(~easy & ~((near > 0) & (value >= goal[left])))
    if len(hard):
        some = left[hard]
        goals = goal[some] - paid[hard]
        mu, middle, apart = _cut(
            part.only(hard), low.only(hard), high.only(hard), missing[hard], goals
        )
        result.value[some] = paid[hard] + middle.value(mu, missing[hard])
        result.mu[some] = mu
        best = np.where(apart, units[some], -1.0).argmax(axis=1)
        result.expert[some] = np.where(
            apart.any(axis=1), best, _first(middle.taken & sharing[some])
        )
    return result


class _Part(NamedTuple):
    """Free experts of nodes (n, K), and how many fit (n,): exactly so many where `sized`."""

    units: Floats
    cost: Floats
    free: Selection
    sized: NDArray[np.bool_]
    room: Ints

    def only(self, kept: NDArray[Any]) -> _Part:
        return _Part(*(part[kept] for part in self))

    def plan(self, key: Floats, most: float = np.inf) -> Plan:
        """The experts with the smallest keys (n, K), below `most` unless nodes are sized."""
        key = np.where(self.free, key, np.inf)
        order = key.argsort(axis=1, kind="stable")
        taken = np.zeros_like(self.free)
        fits = np.arange(key.shape[1]) < self.room[:, None]
        np.put_along_axis(taken, order, fits, axis=1)
        taken &= self.free & ((key < most) | self.sized[:, None])
        return Plan(
            taken,
            np.where(taken, self.cost, 0.0).sum(axis=1),
            np.where(taken, self.units, 0.0).sum(axis=1),
        )

    def best(self, mu: Floats) -> Plan:
        """The experts that are worth most at prices mu (n,)."""
        return self.plan(np.where(self.free, self.cost, 0.0) - mu[:, None] * self.units, 0.0)


def _cut(
    part: _Part, low: Plan, high: Plan, missing: Floats, goal: Floats
) -> tuple[Floats, Plan, Selection]:
    """The best prices between plans that miss the need and plans that reach it, and their plans.

    The third value are the experts over which the last two differ. It ends early at a value `goal`.
    """
    prices, apart = np.zeros(len(missing)), np.zeros_like(low.taken)
    plan = Plan(apart.copy(), np.zeros(len(missing)), np.zeros(len(missing)))
    at = np.arange(len(missing))
    for turn in range(MOST_CUTS):
        mu = np.maximum((high.cost - low.cost) / (high.reach - low.reach), 0.0)
        middle = part.best(mu)
        value, line = middle.value(mu, missing), low.value(mu, missing)
        done = (value >= line - 1e-15 * np.abs(line)) | (value >= goal) | (turn == MOST_CUTS - 1)
        prices[at[done]], apart[at[done]] = mu[done], (low.taken ^ high.taken)[done]
        for whole, now in zip(plan, middle, strict=True):
            whole[at[done]] = now[done]
        go = ~done
        if not go.any():
            break
        reaches = (middle.reach >= missing)[go]
        at, part, missing, goal = at[go], part.only(go), missing[go], goal[go]
        middle, low, high = middle.only(go), low.only(go), high.only(go)
        low = _either(reaches, low, middle)
        high = _either(reaches, middle, high)
    return prices, plan, apart


def _either(which: NDArray[np.bool_], one: Plan, other: Plan) -> Plan:
    """The first plan where `which` (n,), and the other elsewhere."""
    return Plan(
        np.where(which[:, None], one.taken, other.taken),
        np.where(which, one.cost, other.cost),
        np.where(which, one.reach, other.reach),
    )


def _first(among: Selection) -> Ints:
    """The first expert of every node (n, K), -1 if there is none."""
    return np.where(among.any(axis=1), among.argmax(axis=1), -1)
