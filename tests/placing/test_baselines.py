"""Baselines: valid, and as their names say."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.placements import drawn, optimum_j

from dmoe_opt import InputError
from dmoe_opt.placing.assigning import assign
from dmoe_opt.placing.baselines import BASELINES
from dmoe_opt.placing.problem import PlacementProblem


@pytest.mark.parametrize("seed", range(16))
def test_baselines_fit_and_cost_no_less_than_the_optimum(seed: int) -> None:
    """Where every visit is sent, `visits` is the optimum."""
    problem = drawn(seed)
    least_j = optimum_j(problem)
    for name, baseline in BASELINES.items():
        energy_j = problem.energy_j(baseline(problem, seed))
        assert energy_j >= least_j * (1 - 1e-12), name
        if name == "visits" and not problem.send_once:
            assert energy_j == pytest.approx(least_j, rel=1e-9)


def test_baselines_do_what_they_are_named_for() -> None:
    """Popular experts apart, experts that are used together on one node."""
    tokens = [[0, 1]] * 5 + [[2, 3]] * 2
    chosen = np.zeros((7, 4), dtype=bool)
    for t, experts in enumerate(tokens):
        chosen[t, experts] = True
    chosen = chosen[:, [0, 2, 1, 3]]  # experts 0 and 2 are used together, 1 and 3 too
    problem = PlacementProblem(chosen, np.ones((7, 2)), np.ones(4), [2, 2])
    together = BASELINES["co-activation"](problem, 0)
    assert together[0] == together[2] != together[1] == together[3]
    popular = BASELINES["popularity"](problem, 0)
    assert popular[0] != popular[2]
    assert BASELINES["in order"](problem, 0).tolist() == [0, 0, 1, 1]
    assert sorted(BASELINES["random"](problem, 1)) == [0, 0, 1, 1]


def test_sizes_that_only_sums_allow_are_refused() -> None:
    """Three experts of size 2 need 6 of 6, and no node holds two of them."""
    problem = PlacementProblem([[True] * 3], [[0.0, 1.0]], np.ones(3), [3, 3], size=2)
    with pytest.raises(InputError, match="the experts do not fit: no placement of sizes 2, 2, 2"):
        assign(problem, problem.linear)
