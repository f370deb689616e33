"""What every method for P1 owes its user, one body for all of them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from helpers.drawn import problems
from hypothesis import HealthCheck, given, settings

from dmoe_opt import SelectionProblem, Status, check, generate, solve
from dmoe_opt.method_table import METHODS, Proof

ALL = list(METHODS["selection"])
PROVING = [name for name in ALL if METHODS["selection"][name].proves == Proof.YES]
Oracle = Callable[[SelectionProblem], Fraction | None]
slow_to_draw = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def owes(problem: SelectionProblem, method: str, optimum: Fraction | None) -> None:
    """A checked answer, bound <= optimum <= objective, and `optimal` only where both meet."""
    result = solve(problem, "selection", method)
    if optimum is None:
        assert result.status == Status.INFEASIBLE
        assert result.message
        assert result.objective_j is None
        assert check(problem, result) == []
        return
    assert result.solved, result.message
    assert check(problem, result) == []
    assert result.objective_j is not None
    assert result.bound_j is not None
    assert result.objective_j >= optimum * (1 - Fraction(1, 10**12))
    assert result.bound_j <= optimum * (1 + Fraction(1, 10**9)) + Fraction(1, 10**12)
    if METHODS["selection"][method].proves == Proof.YES:
        assert result.status == Status.OPTIMAL
        assert result.objective_j == pytest.approx(float(optimum), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("method", ALL)
def test_by_hand(hand: SelectionProblem, exact_optimum: Oracle, method: str) -> None:
    """The instance worked by hand costs 5, and the oracle of these tests agrees."""
    assert exact_optimum(hand) == 5
    owes(hand, method, Fraction(5))


@slow_to_draw
@pytest.mark.parametrize("method", ["des", "exhaustive", "topk", "greedy"])
@given(problem=problems())
def test_against_exact_arithmetic(
    problem: SelectionProblem, exact_optimum: Oracle, method: str
) -> None:
    """On the grid, enumeration in fractions confirms every claim, ties and shortfalls included."""
    owes(problem, method, exact_optimum(problem))


@slow_to_draw
@pytest.mark.parametrize("method", ["pyomo", "cvxpy"])
@given(problem=problems(most_tokens=2))
def test_solvers_against_exact_arithmetic(
    problem: SelectionProblem, exact_optimum: Oracle, method: str
) -> None:
    """The declarative models give the same optimum on the same instances."""
    owes(problem, method, exact_optimum(problem))


@slow_to_draw
@given(problem=problems(most_experts=9, on_grid=False))
def test_off_the_grid(problem: SelectionProblem) -> None:
    """With arbitrary floats, branch and bound agrees with enumeration."""
    one, other = (solve(problem, "selection", m) for m in ("des", "exhaustive"))
    assert one.status == other.status
    if other.objective_j is not None:
        assert one.objective_j == pytest.approx(other.objective_j, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_tiny_preset_is_enumerable(seed: int) -> None:
    """All proving methods agree with enumeration on the tiny preset."""
    data = generate("tiny", seed)
    results = {m: solve(data, "selection", m).objective_j for m in PROVING}
    assert list(results.values()) == pytest.approx([results["exhaustive"]] * len(results), rel=1e-9)


@pytest.mark.parametrize("method", ALL)
def test_decimals_reach_their_sum(method: str) -> None:
    """0.1 + 0.7 reaches 0.8 although the sum of the two floats stays below it."""
    assert 0.1 + 0.7 < 0.8
    problem = SelectionProblem(
        scores=[[0.1, 0.7]],
        cost=[[1.0, 1.0]],
        threshold=0.8,
        max_experts=2,
        on_shortfall="infeasible",
    )
    assert solve(problem, "selection", method).objective_j == 2.0


@pytest.mark.parametrize("method", ALL)
def test_no_tokens(method: str) -> None:
    """An instance without tokens costs nothing, proven."""
    problem = SelectionProblem(
        scores=np.zeros((0, 3)), cost=np.zeros((0, 3)), threshold=0.5, max_experts=2
    )
    result = solve(problem, "selection", method)
    assert (result.status, result.objective_j) == (Status.OPTIMAL, 0.0)


@pytest.mark.parametrize("method", ALL)
def test_unusable_experts(method: str) -> None:
    """An expert behind a dead link is never used, and a token that needs it falls short."""
    usable = np.array([[True, False], [True, False]])
    problem = SelectionProblem(
        scores=[[0.5, 0.5]] * 2,
        cost=[[1.0, 0.0]] * 2,
        threshold=[0.5, 0.75],
        max_experts=2,
        usable=usable,
    )
    result = solve(problem, "selection", method)
    assert result.selection is not None
    assert result.selection.tolist() == [[True, False]] * 2
    assert result.shortfall == (1,)
