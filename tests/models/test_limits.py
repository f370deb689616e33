"""The declarative models build nothing that they have no time for."""

from __future__ import annotations

import pytest

from dmoe_opt import generate, load, solve
from dmoe_opt.allocation.links import Links, active_links, chosen_experts
from dmoe_opt.clock import until
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
    without = solve(load("scarce-8x36-s1"), "jesa", method, time_limit=1e5)
    assert without.status == "infeasible"


@pytest.mark.parametrize("problem", ["jesa", "allocation"])
def test_programs_that_are_built_too_late(problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where handing a program over takes longer than is left, the solver is not asked."""
    monkeypatch.setattr(pyomo_solver, "HAND_OVER", 1e12)
    monkeypatch.setattr(pyomo_solver, "_highs", lambda *_: pytest.fail("it was handed over"))
    result = solve(generate("tiny", 0), problem, "pyomo", time_limit=1e5)
    assert result.status == "no_solution"
    assert result.bound_j is not None


def test_late_scale_of_an_assignment() -> None:
    """Without time to find the scale of the costs, no cost that an optimum uses is left out."""
    round_ = generate("edge-8x64", 0)
    served = chosen_experts(round_, None)
    in_time = active_links(round_, served)
    with until(0.0):
        late = active_links(round_, served)
    assert isinstance(in_time, Links) and isinstance(late, Links)
    assert late.unit_j >= in_time.unit_j
    assert (late.cost_j <= in_time.cost_j).all()
