"""Heuristics to compare the exact methods with. Their bound is the linear relaxation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import Selection
from dmoe_opt.answer.result import Result, build
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.selection.des import relaxation


def solve_topk(problem: SelectionProblem) -> Result:
    """Top-k routing: every token takes its D best usable experts, whatever they cost.

    A tie goes to the lower index.
    """
    decision = Decision(problem, topk_selection(problem))
    return build(problem, "topk", decision, bound_j=relaxation(problem))


def topk_selection(problem: SelectionProblem) -> Selection:
    """The experts with the D best usable scores of every token, bool (T, K); none has score 0."""
    units = problem.usable_units
    best = np.argsort(-units, axis=1, kind="stable")[:, : problem.max_experts]
    selection = np.zeros(units.shape, dtype=bool)
    np.put_along_axis(selection, best, True, axis=1)
    return np.asarray(selection & (units > 0))


def solve_topp(problem: SelectionProblem) -> Result:
    """Top-p routing: every token takes its best experts until it reaches its threshold.

    Dynamic routing after Huang et al., *Harder Tasks Need More Experts*, arXiv 2403.07652: easy
    tokens take few experts, hard ones at most D. Costs do not count; a tie goes to the lower index.
    """
    decision = Decision(problem, topp_selection(problem))
    return build(problem, "topp", decision, bound_j=relaxation(problem))


def topp_selection(problem: SelectionProblem) -> Selection:
    """The fewest experts of every token that reach its threshold, best scores first, bool (T, K).

    Tokens out of reach take their D best.
    """
    units = problem.usable_units
    order = np.argsort(-units, axis=1, kind="stable")[:, : problem.max_experts]
    sums = np.cumsum(np.take_along_axis(units, order, axis=1), axis=1)
    before = np.concatenate([np.zeros((len(sums), 1)), sums[:, :-1]], axis=1)
    selection = np.zeros(units.shape, dtype=bool)
    np.put_along_axis(selection, order, before < problem.need_units[:, None], axis=1)
    return np.asarray(selection & (units > 0))


def solve_greedy(problem: SelectionProblem) -> Result:
    """Cheapest per unit of relevance first.

    Each token takes experts by ascending e/g until it reaches its threshold. If the cap stops it
    before, it keeps as many of them as the best remaining scores can still complete.
    """
    units = problem.usable_units
    cost = problem.cost
    if problem.placement is not None and problem.node_cost is not None:
        cost = cost + problem.node_cost[:, problem.placement]  # as if it were the only one there
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(units > 0, cost / units, np.inf)
    order = np.argsort(ratio, axis=1, kind="stable")
    selection = np.zeros(problem.scores.shape, dtype=bool)
    is_open = problem.need_units > 0
    for kept in range(min(problem.max_experts, problem.num_experts), -1, -1):
        tokens = np.flatnonzero(is_open)
        if not len(tokens):
            break
        sequence = _sequence(problem, units[tokens], order[tokens, :kept])
        taken = np.take_along_axis(units[tokens], sequence, axis=1)
        lasts = _first_reaching(taken, problem.need_units[tokens])
        for t, experts, last in zip(tokens, sequence, lasts, strict=True):
            if last >= 0:
                selection[t, experts[: last + 1]] = True
                is_open[t] = False
    return build(problem, "greedy", Decision(problem, selection), bound_j=relaxation(problem))


def _sequence(
    problem: SelectionProblem, units: NDArray[np.float64], kept: NDArray[np.int64]
) -> NDArray[np.int64]:
    """At most D experts for each row: those that are kept, then the best remaining scores."""
    is_kept = np.zeros(units.shape, dtype=bool)
    np.put_along_axis(is_kept, kept, True, axis=1)
    rest = np.where(is_kept & (units > 0), 0.0, units)
    places = problem.max_experts - kept.shape[1]
    by_score = np.argsort(-rest, axis=1, kind="stable")[:, :places]
    return np.concatenate([kept, by_score], axis=1)


def _first_reaching(units: NDArray[np.float64], need: NDArray[np.float64]) -> NDArray[np.int64]:
    """Position at which the running sum first reaches the need, -1 where it never does."""
    hit = np.cumsum(units, axis=1) >= need[:, None]
    return np.where(hit.any(axis=1), hit.argmax(axis=1), -1)
