"""Trees that prove that tokens cost at least z, found with the optimum known.

A node is closed by the best price mu of the covering row, or by two counts; else it branches on the
expert over which the two best sets at that price differ. Where a tree grows too large, one is tried
that first splits by the number of experts: with it fixed, the relaxation cannot mix sizes.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt import compiling
from dmoe_opt.answer.objective import Selection
from dmoe_opt.data.problem import SCORE_UNIT, SelectionProblem, score_units
from dmoe_opt.joint.passages import Costs
from dmoe_opt.proof import trees_kernel
from dmoe_opt.selection.des_kernel import workspace

Tree = Any
"""As in `check_proof`: a leaf mu, [expert, with, without], or ["sizes", [0, 1, ..]]."""
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
EASY_LEAVES = 20
PLAIN_LEAVES = 1_000
MOST_LEAVES = 20_000
LITTLE = 2**10  # scores whose easy trees take Python alone less time than numba takes to load
AT_ONCE = 2**8  # tokens: room for their nodes is made beforehand
ROOM = 1e-13  # relative, by which a leaf must beat z in floating point


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


def tokens_at(problem: SelectionProblem, at: Costs, usable: Selection) -> Tokens:
    """The tokens of a problem at other costs, with the experts that are usable (T, K)."""
    units = score_units(problem.scores)
    step = np.gcd.reduce(units.astype(np.int64), axis=1, initial=0)  # as sums of scores go
    step = np.where(step > 0, step, 1)
    need = np.ceil(problem.need_units / step) * step
    cost = np.where(usable, at.experts, np.inf)
    return Tokens(cost, units, need, problem.max_experts, problem.placement, at.nodes)


class Written(NamedTuple):
    """Nodes of trees, each before its two branches: experts, -1 for a leaf, and prices of leaves.

    Tree t has those from first[t] to first[t + 1], none if it was not found; `bound` (T,), J, is
    that of its root.
    """

    expert: Ints
    mu: Floats
    first: Ints
    bound: Floats

    def trees(self) -> list[Tree | None]:
        """The trees, None where none was found."""
        first = self.first.tolist()
        experts, prices = self.expert.tolist(), self.mu.tolist()
        made: list[Tree] = []
        for k in range(first[-1] - 1, -1, -1):
            j = experts[k]
            made.append(prices[k] if j < 0 else [j, made.pop(), made.pop()])
        return [made.pop() if start < end else None for start, end in pairwise(first)]


def prove_tokens(tokens: Tokens, z: Floats, certain: Selection | None = None) -> list[Tree | None]:
    """Trees that prove z (T,), None where none was found.

    The experts that are `certain` (T, K) are in all sets.
    """
    inside = np.zeros(tokens.cost.shape, dtype=bool) if certain is None else certain
    goal = z + ROOM * np.abs(z)
    trees: list[Tree | None] = [None] * len(z)
    for most in (EASY_LEAVES, PLAIN_LEAVES)[trees_kernel.write_trees.is_compiled :]:
        left = np.array([t for t, tree in enumerate(trees) if tree is None], dtype=np.int64)
        for start in range(0, len(left), AT_ONCE):
            few = left[start : start + AT_ONCE]
            found = _search(tokens.rows(few), goal[few], inside[few], most).trees()
            for t, tree in zip(few.tolist(), found, strict=True):
                trees[t] = tree
    for t, tree in enumerate(trees):
        if tree is None:
            trees[t] = _by_size(tokens.rows(np.array([t])), goal[[t]], inside[[t]])
    return trees


def lines(z: Floats, trees: list[Tree]) -> list[dict[str, Any]]:
    """Tokens as a certificate has them: what they cost at least (T,), J, and their trees."""
    return [{"z": cost_j, "tree": tree} for cost_j, tree in zip(z.tolist(), trees, strict=True)]


def root_bound(tokens: Tokens, t: int) -> tuple[float, float]:
    """The bound of the root alone, J, and its price, J per unit of relevance: a single leaf."""
    one = tokens.rows(np.array([t]))
    root = _search(one, np.array([np.inf]), np.zeros(one.cost.shape, dtype=bool), 0)
    bound, mu = float(root.bound[0]), float(root.mu[0])
    return (max(bound, 0.0), mu) if np.isfinite(bound) else (0.0, 0.0)


def _by_size(token: Tokens, goal: Floats, inside: Selection) -> Tree | None:
    """A tree of one token that first splits by the number of experts."""
    parts: list[Tree] = []
    leaves = MOST_LEAVES
    for size in range(token.cap + 1):
        written = _search(token, goal, inside, leaves, size)
        parts += written.trees()
        if parts[-1] is None:
            return None
        leaves -= int(written.first[1] + 1) // 2
    return ["sizes", parts]


def _search(
    tokens: Tokens, goal: Floats, inside: Selection, leaves: int, size: int | None = None
) -> Written:
    """Trees of at most so many leaves, for sets of at most D experts, or of exactly `size`."""
    number, nodes = len(goal), len(goal) * (2 * leaves + 2)
    expert, mu = np.empty(nodes, np.int64), np.empty(nodes)
    first, bound = np.zeros(number + 1, np.int64), np.empty(number)
    experts = tokens.cost.shape[1]
    # What is read-only is another type to numba, so it is copied.
    node = np.zeros(experts, np.int64) if tokens.node is None else tokens.node.copy()
    entry = np.empty((number, 0)) if tokens.entry is None else tokens.entry
    compiling.call(
        trees_kernel.write_trees,
        (tokens.cost, tokens.units, tokens.need, node, entry),
        inside,
        goal,
        (tokens.cap, False) if size is None else (size, True),
        leaves,
        expert,
        mu,
        first,
        bound,
        workspace(experts, tokens.cap),
        trees_kernel.path(experts, entry.shape[1]),
        little=tokens.cost.size <= LITTLE and leaves <= EASY_LEAVES,
    )
    end = max(int(first[-1]), 1)  # a root that nothing closed has a price too
    return Written(expert[:end], mu[:end] * SCORE_UNIT, first, bound)
