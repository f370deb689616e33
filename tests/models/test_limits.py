"""The declarative models build nothing that they have no time for."""

from __future__ import annotations

import pytest

from dmoe_opt import generate, solve
from dmoe_opt.models.solvers import cvxpy_solver, pyomo_solver


@pytest.mark.parametrize("method", ["pyomo", "cvxpy"])
def test_programs_that_are_too_large(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where building takes longer than the limit there is a bound, and the answer of the start."""
    for module in (pyomo_solver, cvxpy_solver):
        monkeypatch.setattr(module, "MOST_PER_S", 1e-9)
        monkeypatch.setattr(module, "run", lambda *_, **__: pytest.fail("a program was built"))
    data = generate("tiny", 0)
    start = solve(data, "jesa", "topk")
    result = solve(data, "jesa", method, time_limit=1e5)
    assert result.message == "no time within the limit to build a program of 90 variables"
    assert result.bound_j is not None
    assert solve(data, "jesa", method, time_limit=1e5, start=start).solved
    assert solve(data, "allocation", method, time_limit=1e5).decision is None
