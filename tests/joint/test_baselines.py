"""The homogeneous baseline."""

from __future__ import annotations

import pytest

from dmoe_opt import generate, solve
from dmoe_opt.answer.objective import round_energy_j


def test_homogeneous_reaches_the_largest_threshold() -> None:
    """Every token gets what the most demanding one asks for, or its best D."""
    data = generate("edge-8x64", 2)
    result = solve(data, "jesa", "homogeneous")
    assert result.selection is not None
    assert result.allocation is not None
    assert result.objective_j == pytest.approx(
        round_energy_j(data, result.selection, result.allocation), rel=1e-12
    )
    wanted = data.replace(
        threshold=float(data.threshold.max()), on_shortfall="top_d"
    ).selection_problem()
    reached = (data.scores * result.selection).sum(axis=1)
    assert (reached >= wanted.effective_threshold - 1e-9).all()
    bcd = solve(data, "jesa", "bcd")
    assert bcd.objective_j is not None
    assert result.objective_j > bcd.objective_j
