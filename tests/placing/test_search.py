"""The local search and the bound: bound <= optimum <= search <= baselines."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest
from helpers.placements import drawn, optimum_j

from dmoe_opt import generate
from dmoe_opt.answer.objective import Selection
from dmoe_opt.placing.baselines import BASELINES, in_order
from dmoe_opt.placing.bound import lower_bound
from dmoe_opt.placing.problem import PlacementProblem, problem_of
from dmoe_opt.placing.search import Chosen, alternate, local_search, token_energies_j
from dmoe_opt.selection.baselines import topk_selection


def test_bound_optimum_search_baselines() -> None:
    """In this order, on small problems of all kinds; most optima are found, and gaps are small."""
    optima, gaps = 0, []
    for seed in range(10):
        problem = drawn(seed)
        least_j = optimum_j(problem)
        found = local_search(problem, kicks=5, seed=seed)
        assert found.energy_j == pytest.approx(problem.energy_j(found.placement), rel=1e-12)
        assert least_j <= found.energy_j * (1 + 1e-9)
        for name, baseline in BASELINES.items():
            assert found.energy_j <= problem.energy_j(baseline(problem, seed)) * (1 + 1e-9), name
        bound_j = lower_bound(problem, found.energy_j, iterations=30)
        assert bound_j <= least_j * (1 + 1e-9)
        optima += found.energy_j <= least_j * (1 + 1e-9)
        gaps.append(1 - bound_j / found.energy_j)
    assert optima >= 9
    assert np.mean(gaps) < 0.05


def test_same_seed_same_placement_and_no_worse_than_the_start() -> None:
    """Plain and compiled kernels, and repeated runs, agree."""
    round_ = generate("mixtral-8-on-4", 3, num_tokens=40)
    problem = problem_of([round_], [topk_selection(round_.selection_problem())])
    start = in_order(problem)
    first = local_search(problem, seed=2, kicks=20, start=start)
    again = local_search(problem, seed=2, kicks=20, start=start)
    assert first.placement.tolist() == again.placement.tolist()
    assert first.energy_j <= problem.energy_j(start)


@pytest.mark.parametrize("send_once", [False, True])
def test_experts_and_nodes_in_turn_never_cost_more(send_once: bool) -> None:
    """Alternation is monotone, its tokens keep their thresholds, and its energy is evaluated."""
    rounds = [generate("mixtral-8-on-4", seed, num_tokens=24) for seed in range(2)]
    chosen = [topk_selection(round_.selection_problem()) for round_ in rounds]
    problem_for = partial(problem_of, rounds, send_once=send_once)

    def make(selections: Sequence[Selection]) -> PlacementProblem:
        return problem_for(selections)

    placement = in_order(make(chosen))
    first = Chosen(placement, make(chosen).energy_j(placement), chosen)
    best = alternate(rounds, first, make, kicks=5)
    problem = make(best.selections)
    assert best.energy_j < first.energy_j
    assert best.energy_j == pytest.approx(problem.energy_j(best.placement), rel=1e-12)
    assert token_energies_j(problem, best.placement).sum() == pytest.approx(best.energy_j)
    for round_, selection in zip(rounds, best.selections, strict=True):
        tokens = round_.selection_problem()
        assert ((tokens.usable_units * selection).sum(axis=1) >= tokens.need_units).all()
