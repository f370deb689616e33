"""The N best selections of every token (P1), by Lawler's partition around DES.

A node of the partition is a token with experts that are forced in and others that are forced out.
DES finds its cheapest selection. When this is taken as the next best one, the other selections of
the node fall into one new node for each expert that was free: the experts before it are decided as
they were, and this one the other way. So every selection is listed, or waits in exactly one node,
and the least bound of the nodes tells what no selection that is missing can be below.

E. L. Lawler, A procedure for computing the K best solutions to discrete optimization problems,
Management Science 18(7), 1972. All tokens take a step at once, so that DES gets large batches.
"""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass, field, replace
from itertools import count as numbers

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import token_energy_j, visits
from dmoe_opt.answer.result import Result, build
from dmoe_opt.answer.tolerances import BOUND_NOISE
from dmoe_opt.clock import OUT_OF_TIME
from dmoe_opt.data.problem import SelectionProblem, score_units
from dmoe_opt.data.rankings import RankedSelection
from dmoe_opt.selection.search import UNLIMITED, Progress, Search, run_all

MOST_TIES = 100
"""Selections with the energy of the last one that are looked at, to list the first of them."""


@dataclass(frozen=True)
class _Node:
    """Part of a token's selections: `free` experts (K,) are open, those of `taken` (K,) are in.

    `chosen` (K,) is the cheapest selection that was found, of energy `energy_j`, inf if none was;
    no selection of the node costs less than `bound_j`.
    """

    taken: NDArray[np.bool_]
    free: NDArray[np.bool_]
    chosen: NDArray[np.bool_]
    energy_j: float
    bound_j: float


@dataclass
class _Token:
    """The selections of one token that were taken, and the nodes that hold all others."""

    best: list[tuple[float, list[int]]] = field(default_factory=list)
    nodes: list[tuple[float, int, _Node]] = field(default_factory=list)

    def is_done(self, count: int) -> bool:
        """Whether the list is long enough, and what comes next costs more than its last entry."""
        if not self.nodes or self.nodes[0][0] == np.inf:
            return True
        if len(self.best) < count:
            return False
        last_j = self.best[count - 1][0]
        return self.nodes[0][0] > last_j or len(self.best) >= count + MOST_TIES

    def floor_j(self) -> float:
        """A bound on all selections that were not taken, J."""
        return min((node.bound_j for _, _, node in self.nodes), default=np.inf)


def solve_ranked(
    problem: SelectionProblem,
    count: int,
    *,
    time_limit: float | None = None,
    node_limit: int | None = None,
    threads: int = 1,
    progress: Progress | None = None,
) -> Result:
    """The `count` best distinct selections of every token, or all if there are fewer.

    They are ordered by energy, and lexicographically where energies are equal. Every selection that
    keeps the rules counts, also one with an expert more than needed. The other parameters are those
    of `des.solve_des`.

    Returns
    -------
    Result
        Its decision takes the best selection of every token; `token_ranking` has the lists. An
        entry is `proven` if no selection that is missing before it costs less.

    Examples
    --------
    >>> from dmoe_opt import SelectionProblem
    >>> from dmoe_opt.selection.ranking import solve_ranked
    >>> problem = SelectionProblem(
    ...     scores=[[0.5, 0.25, 0.25]], cost=[[1.0, 3.0, 2.0]], threshold=0.6, max_experts=2
    ... )
    >>> [(best.experts, best.energy_j) for best in solve_ranked(problem, 5).token_ranking[0]]
    [([0, 2], 3.0), ([0, 1], 4.0)]
    """
    deadline = np.inf if time_limit is None else time.monotonic() + time_limit
    limit = UNLIMITED if node_limit is None else node_limit
    tokens = [_Token() for _ in range(problem.num_tokens)]
    tickets = numbers()  # nodes of equal energy leave the heap in the order in which they came
    nodes = 0
    shape = (problem.num_tokens, problem.num_experts)
    owner = np.arange(problem.num_tokens)
    taken, free = np.zeros(shape, dtype=bool), problem.usable
    while True:
        left_s = None if time_limit is None else max(deadline - time.monotonic(), 1e-9)
        found, visited = _solve_nodes(problem, owner, taken, free, limit, threads, left_s)
        nodes += visited
        for t, node in zip(owner.tolist(), found, strict=True):
            if node.bound_j < np.inf:
                heapq.heappush(tokens[t].nodes, (node.energy_j, next(tickets), node))
        open_tokens = [t for t, token in enumerate(tokens) if not token.is_done(count)]
        if progress:
            progress(len(tokens) - len(open_tokens), len(tokens))
        if not open_tokens or time.monotonic() > deadline:
            break
        owner, taken, free = _take_best(tokens, open_tokens, problem.num_experts)
    return _result(problem, tokens, count, nodes)


def _take_best(
    tokens: list[_Token], open_tokens: list[int], experts: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Take the best waiting selection of every open token; token, taken and free of its parts."""
    owner, taken, free = [], [np.zeros((0, experts), dtype=bool)], []
    for t in open_tokens:
        energy_j, _, node = heapq.heappop(tokens[t].nodes)
        tokens[t].best.append((energy_j, np.flatnonzero(node.chosen).tolist()))
        members, rest = _parts(node)
        owner += [t] * len(members)
        taken.append(members)
        free.append(rest)
    return (
        np.array(owner, dtype=np.int64),
        np.concatenate(taken),
        np.concatenate([np.zeros((0, experts), dtype=bool), *free]),
    )


def _parts(node: _Node) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The selections of a node but its best one: taken and free experts of each part, (n, K)."""
    order = np.flatnonzero(node.free)
    n = len(order)
    decided = np.tril(np.ones((n, n), dtype=bool), -1)  # part k decides the experts before k
    chosen = node.chosen[order]
    taken = np.repeat(node.taken[None, :], n, axis=0)
    taken[:, order] = np.where(np.eye(n, dtype=bool), ~chosen, decided & chosen)
    free = np.zeros_like(taken)
    free[:, order] = ~decided & ~np.eye(n, dtype=bool)
    return taken, free


def _solve_nodes(
    problem: SelectionProblem,
    owner: NDArray[np.int64],
    taken: NDArray[np.bool_],
    free: NDArray[np.bool_],
    limit: int,
    threads: int,
    left_s: float | None,
) -> tuple[list[_Node], int]:
    """The nodes with their best selections, and how many nodes DES visited for them.

    Those with as many experts to go form one batch, as (C2) is one number for a batch.
    """
    units = score_units(problem.scores[owner])
    need = problem.need_units[owner] - np.where(taken, units, 0.0).sum(axis=1)
    cost = problem.cost[owner]
    own = problem.rows(owner)
    spent_j = token_energy_j(own, taken)
    node_cost = _unpaid(own, taken)
    room = problem.max_experts - taken.sum(axis=1)
    chosen, rest_j = taken.copy(), np.full(len(owner), np.inf)
    rest_j[(room == 0) & (need <= 0)] = 0.0
    visited = 0
    for cap in np.unique(room[room > 0]).tolist():
        rows = np.flatnonzero(room == cap)
        part = SelectionProblem(
            scores=problem.scores[owner[rows]],
            cost=cost[rows],
            threshold=np.zeros(len(rows)),
            max_experts=cap,
            on_shortfall="infeasible",
            usable=free[rows],
            placement=problem.placement,
            node_cost=None if node_cost is None else node_cost[rows],
        )
        part.__dict__["need_units"] = need[rows]  # exact, which a threshold would not be
        search = Search(part)
        run_all(search, limit, threads, left_s, None)
        chosen[rows] |= search.chosen
        rest_j[rows] = search.bound
        visited += int(search.nodes.sum())
    energy_j = token_energy_j(own, chosen)
    reached = np.where(chosen, units, 0.0).sum(axis=1) >= problem.need_units[owner]
    energy_j = np.where(reached & (room >= 0), energy_j, np.inf)
    bound_j = np.minimum(spent_j + rest_j, energy_j)
    bound_j[rest_j == np.inf] = np.inf
    return list(map(_Node, taken, free, chosen, energy_j.tolist(), bound_j.tolist())), visited


def _unpaid(problem: SelectionProblem, taken: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """What tokens still pay for nodes, J, (T, N): nothing where they have taken an expert."""
    if problem.placement is None or problem.node_cost is None:
        return None
    visited = visits(taken, problem.placement, problem.node_cost.shape[1])
    return np.where(visited, 0.0, problem.node_cost)


def _result(problem: SelectionProblem, tokens: list[_Token], count: int, nodes: int) -> Result:
    selection = np.zeros(problem.scores.shape, dtype=bool)
    bounds = np.zeros(len(tokens))
    ranking = []
    for t, token in enumerate(tokens):
        floor_j = token.floor_j()
        best = sorted(token.best)[:count]
        ranking.append(
            [
                RankedSelection(experts, energy_j, energy_j <= floor_j * (1 + BOUND_NOISE))
                for energy_j, experts in best
            ]
        )
        bounds[t] = min([floor_j, *(energy_j for energy_j, _ in best[:1])])
        if best:
            selection[t, best[0][1]] = True
    is_served = all(ranking)
    result = build(
        problem,
        "des",
        Decision(problem, selection) if is_served else None,
        bound_j=float(bounds.sum()),
        stats={"nodes": nodes, "token_bound_j": bounds},
        message="" if is_served else OUT_OF_TIME,
    )
    return replace(result, token_ranking=ranking)
