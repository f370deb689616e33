"""The integer programs of the placement, against enumeration and each other."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from helpers.placements import drawn, optimum_j

from dmoe_opt import SelectionProblem
from dmoe_opt.models import placement_cvxpy, placement_pyomo
from dmoe_opt.models.solvers import cvxpy_solver
from dmoe_opt.placing.problem import PlacementProblem

MODELS = [placement_pyomo, placement_cvxpy]


@pytest.mark.parametrize("seed", range(10))
def test_both_programs_agree_with_enumeration(seed: int) -> None:
    """Energy and bound are the optimum; the relaxation is below it."""
    problem = drawn(seed)
    least_j = optimum_j(problem)
    for model in MODELS:
        answer = model.solve(problem)
        assert answer.energy_j == pytest.approx(least_j, rel=1e-9)
        assert answer.bound_j == pytest.approx(least_j, rel=1e-6)
        assert answer.bound_j <= answer.energy_j
    relaxed = placement_cvxpy.build(problem, relax=True).program
    cvxpy_solver.run(relaxed)
    assert relaxed.value <= least_j * (1 + 1e-6)


def choice_of(problem: PlacementProblem, seed: int) -> SelectionProblem:
    """Scores, thresholds and a cap of 2 for the tokens of a problem."""
    scores = np.random.default_rng(seed).dirichlet(np.ones(problem.num_experts), problem.num_tokens)
    return SelectionProblem(np.round(scores, 3), np.zeros_like(scores), 0.5, 2)


def best_choice_j(problem: PlacementProblem, choice: SelectionProblem) -> float:
    """The least energy of all placements and all feasible selections, token by token, J."""
    energies = []
    sets = [np.array(s) for s in product((False, True), repeat=problem.num_experts) if sum(s) <= 2]
    for placement in product(range(problem.num_nodes), repeat=problem.num_experts):
        if (np.bincount(placement, problem.size, problem.num_nodes) > problem.room).any():
            continue
        total_j = 0.0
        for t in range(problem.num_tokens):
            of_token = problem.replace(
                chosen=problem.chosen[[t]], price=problem.price[[t]], work=problem.work[[t]]
            )
            need = choice.need_units[t]
            reached = [s for s in sets if (choice.usable_units[t] * s).sum() >= need]
            total_j += min(of_token.replace(chosen=s[None]).energy_j(placement) for s in reached)
        energies.append(total_j)
    return min(energies)


@pytest.mark.parametrize("seed", [0, 1, 4])
def test_choosing_experts_and_nodes_at_once(seed: int) -> None:
    """Experts and their nodes together agree with enumeration, and the answer keeps the rules."""
    rng = np.random.default_rng(seed)
    price = np.array([[0.0, 1e-3], [1e-3, 0.0], [0.0, 2e-3]])
    work = rng.uniform(1e-4, 1e-3, (3, 4))
    problem = PlacementProblem(
        np.ones((3, 4), dtype=bool), price, work, [2, 2], factor=[1.0, 1.5], send_once=seed != 1
    )
    choice = choice_of(problem, seed)
    least_j = best_choice_j(problem, choice)
    for model in MODELS:
        answer = model.solve(problem, choice)
        assert answer.energy_j == pytest.approx(least_j, rel=1e-9)
        assert answer.bound_j == pytest.approx(least_j, rel=1e-6)
        assert ((choice.usable_units * answer.chosen).sum(axis=1) >= choice.need_units).all()
