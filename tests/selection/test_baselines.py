"""Top-p routing by hand, and what it costs beside Top-k and the optimum."""

from __future__ import annotations

import numpy as np
from helpers.drawn import problems
from hypothesis import given

from dmoe_opt import SelectionProblem, check, solve
from dmoe_opt.selection.baselines import topk_selection, topp_selection


def test_topp_by_hand(hand: SelectionProblem) -> None:
    """Token 0 needs its two best, token 1 its best alone, token 2 none."""
    assert topp_selection(hand).astype(int).tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    result = solve(hand, method="topp")
    assert (result.objective_j, str(result.status)) == (6.0, "feasible")


@given(problem=problems())
def test_topp_is_a_part_of_topk(problem: SelectionProblem) -> None:
    """It takes some of the D best experts, one less would not do, and no less energy than DES."""
    if problem.infeasibility():
        return
    topp, topk = topp_selection(problem), topk_selection(problem)
    assert not (topp & ~topk).any()
    result = solve(problem, method="topp")
    assert check(problem, result) == []
    best = solve(problem)
    assert result.objective_j is not None
    assert best.objective_j is not None
    assert result.objective_j >= best.objective_j * (1 - 1e-12)
    units = np.where(topp, problem.usable_units, np.inf)
    least = units.min(axis=1, initial=np.inf)
    sums = np.where(topp, problem.usable_units, 0.0).sum(axis=1)
    used = topp.any(axis=1)
    assert (sums[used] - least[used] < problem.need_units[used]).all()
