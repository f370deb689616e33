"""Tokens that pay once for each node on which they use an expert, against enumeration."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from helpers.drawn import draws, on_nodes
from hypothesis import given

from dmoe_opt import InputError, SelectionProblem, Status, check, generate, solve
from dmoe_opt.answer.objective import token_energy_j
from dmoe_opt.data.problem import score_units
from dmoe_opt.method_table import METHODS, Proof
from dmoe_opt.selection import des


def optimum(problem: SelectionProblem) -> Fraction | None:
    """Enumeration in fractions, which shares nothing with the methods."""
    if problem.infeasibility() is not None:
        return None
    assert problem.node_cost is not None
    assert problem.placement is not None
    units, total = score_units(problem.scores), Fraction(0)
    for t in range(problem.num_tokens):
        usable = np.flatnonzero(problem.usable[t]).tolist()
        best = None
        for size in range(min(problem.max_experts, len(usable)) + 1):
            for experts in combinations(usable, size):
                if sum(units[t, j] for j in experts) < problem.need_units[t]:
                    continue
                nodes = {int(problem.placement[j]) for j in experts}
                cost = sum(Fraction(problem.cost[t, j]) for j in experts)
                cost += sum(Fraction(problem.node_cost[t, n]) for n in nodes)
                best = cost if best is None else min(best, cost)
        assert best is not None
        total += best
    return total


def agrees(problem: SelectionProblem, method: str) -> None:
    """Bound <= optimum <= energy, both equal where the method proves."""
    least = optimum(problem)
    result = solve(problem, "selection", method)
    assert check(problem, result) == []
    if least is None:
        assert result.status == Status.INFEASIBLE
        return
    assert result.objective_j is not None
    assert result.bound_j is not None
    assert result.bound_j <= float(least) * (1 + 1e-9) + 1e-12
    assert float(least) <= result.objective_j * (1 + 1e-9) + 1e-12
    if METHODS["selection"][method].proves == Proof.YES:
        assert result.status == Status.OPTIMAL
        assert result.objective_j == pytest.approx(float(least), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("method", ["des", "exhaustive", "greedy", "topk", "topp"])
@given(problem=on_nodes())
def test_methods_against_enumeration(method: str, problem: SelectionProblem) -> None:
    """Every method pays once for a node, and no bound is above the optimum."""
    agrees(problem, method)


@pytest.mark.parametrize("method", ["pyomo", "cvxpy"])
@draws(0.3)
@given(problem=on_nodes())
def test_models_against_enumeration(method: str, problem: SelectionProblem) -> None:
    """The declarative models have the same optimum."""
    agrees(problem, method)


def test_a_limit_leaves_a_valid_bound() -> None:
    """At every limit on nodes the bound is at most the optimum, the energy at least."""
    problem = generate("olmoe-64-on-8", 3, num_tokens=40, send_once=True).selection_problem()
    best = solve(problem)
    assert best.status == Status.OPTIMAL
    for limit in (0, 1, 4, 30):
        limited = des.solve_des(problem, node_limit=limit)
        assert limited.objective_j >= best.objective_j * (1 - 1e-9)
        assert limited.bound_j <= best.objective_j
    energies = token_energy_j(problem, best.selection)
    assert best.stats["token_bound_j"] == pytest.approx(energies, rel=1e-9)


def test_what_does_not_take_it_says_so() -> None:
    """Search trees are of plain problems."""
    problem = generate("tiny", 3, experts_per_node=2, send_once=True).selection_problem()
    with pytest.raises(InputError, match="a search tree does not cover send_once"):
        des.search_tree(problem, 0)
