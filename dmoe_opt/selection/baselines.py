"""Heuristics that the exact methods are compared with. Their bound is that of the linear relaxation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import Selection
from dmoe_opt.answer.result import Result, build
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.selection.des import relaxation


def solve_topk(problem: SelectionProblem) -> Result:
    """Top-k routing: every token takes its D best usable experts whatever they cost; ties go to the lower index."""
    return build(
        problem, "topk", Decision(problem, topk_selection(problem)), bound_j=relaxation(problem)
    )


def topk_selection(problem: SelectionProblem) -> Selection:
    """The D best usable scores of every token, without those that are zero."""
    units = problem.usable_units
    best = np.argsort(-units, axis=1, kind="stable")[:, : problem.max_experts]
    selection = np.zeros(units.shape, dtype=bool)
    np.put_along_axis(selection, best, True, axis=1)
    return np.asarray(selection & (units > 0))


def solve_greedy(problem: SelectionProblem) -> Result:
    """Cheapest per unit of relevance first.

    Each token takes experts by ascending e/g until its threshold is reached. Where the cap stops it before, it keeps
    as many of them as the best remaining scores can still complete.
    """
    units = problem.usable_units
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(units > 0, problem.cost / units, np.inf)
    order = np.argsort(ratio, axis=1, kind="stable")
    selection = np.zeros(problem.scores.shape, dtype=bool)
    open_tokens = problem.need_units > 0
    for kept in range(min(problem.max_experts, problem.num_experts), -1, -1):
        if not open_tokens.any():
            break
        rows = np.flatnonzero(open_tokens)
        prefix = np.zeros((len(rows), problem.num_experts), dtype=bool)
        np.put_along_axis(prefix, order[rows, :kept], True, axis=1)
        prefix &= units[rows] > 0
        rest = np.where(prefix, 0.0, units[rows])
        by_score = np.argsort(-rest, axis=1, kind="stable")[:, : problem.max_experts - kept]
        sequence = np.concatenate([order[rows, :kept], by_score], axis=1)
        reached = _first_reaching(
            np.take_along_axis(units[rows], sequence, axis=1), problem.need_units[rows]
        )
        for row, t, last in zip(sequence, rows, reached, strict=True):
            if last >= 0:
                selection[t, row[: last + 1]] = True
                open_tokens[t] = False
    return build(problem, "greedy", Decision(problem, selection), bound_j=relaxation(problem))


def _first_reaching(units: NDArray[np.float64], need: NDArray[np.float64]) -> NDArray[np.int64]:
    """Position at which the running sum first reaches the need, -1 where it never does."""
    hit = np.cumsum(units, axis=1) >= need[:, None]
    return np.where(hit.any(axis=1), hit.argmax(axis=1), -1)
