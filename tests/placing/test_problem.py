"""The placement problem: its energy, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.placements import drawn

from dmoe_opt import InputError, generate
from dmoe_opt.answer.objective import energy_j
from dmoe_opt.placing.problem import PlacementProblem, problem_of
from dmoe_opt.selection.baselines import topk_selection


@pytest.mark.parametrize("seed", range(12))
def test_energy_is_the_sum_over_tokens(seed: int) -> None:
    """Token by token: computing, and sending to every node, or for every expert."""
    problem = drawn(seed, memory=np.full(drawn(seed).num_nodes, 99.0))
    placement = np.random.default_rng(seed).integers(problem.num_nodes, size=problem.num_experts)
    total_j = 0.0
    for t in range(problem.num_tokens):
        experts = np.flatnonzero(problem.chosen[t])
        nodes = placement[experts]
        total_j += float((problem.work[t, experts] * problem.factor[nodes]).sum())
        total_j += float(problem.price[t, np.unique(nodes) if problem.send_once else nodes].sum())
    assert problem.energy_j(placement) == pytest.approx(total_j, rel=1e-12)


def test_energy_of_rounds_is_that_of_the_evaluator() -> None:
    """If every visit is sent, the energy is the objective of expert selection in the rounds."""
    rounds = [generate("mixtral-8-on-4", seed, num_tokens=16) for seed in range(3)]
    placement = np.array([3, 1, 0, 2, 2, 0, 1, 3])
    chosen = [topk_selection(round_.selection_problem()) for round_ in rounds]
    problem = problem_of(rounds, chosen, send_once=False)
    moved = [round_.replace(placement=placement).selection_problem() for round_ in rounds]
    expected_j = sum(energy_j(round_, of) for round_, of in zip(moved, chosen, strict=True))
    assert problem.energy_j(placement) == pytest.approx(expected_j, rel=1e-12)


GOOD: dict[str, Any] = {
    "chosen": [[True, True, False]],
    "price": [[0.0, 1.0]],
    "work": [1.0, 1.0, 1.0],
    "memory": [2, 1],
}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"memory": [1, 1]}, "the experts do not fit: they need 3 and the nodes hold 2; allowed"),
        ({"size": [1, 4, 1], "memory": [3, 3]}, "size[1] = 4: expert 1 fits on no node; allowed"),
        ({"size": [1, 0, 1]}, "size[1] = 0.0; allowed: a number > 0"),
        ({"memory": [2, 1, 1]}, "memory has shape 3; allowed: 2"),
        ({"price": [[0.0, -1.0]]}, "price[0][1] = -1.0; allowed"),
        ({"chosen": [True]}, "chosen has shape 1; allowed: tokens x experts"),
    ],
)
def test_bad_input_is_one_line(change: dict[str, Any], line: str) -> None:
    """Field, index, value and what is allowed."""
    with pytest.raises(InputError) as error:
        PlacementProblem(**(GOOD | change))
    assert str(error.value).startswith(line)


@pytest.mark.parametrize(
    ("placement", "line"),
    [
        ([0, 0, 2], "placement[2] = 2; allowed: whole numbers in 0..1"),
        ([0, 0, 0], "placement puts 3 on node 0; allowed: at most 2, its memory"),
        ([0, 1], "placement has shape 2; allowed: 3"),
    ],
)
def test_bad_placements_are_one_line(placement: list[int], line: str) -> None:
    """A node that is not there, and more than a node holds."""
    with pytest.raises(InputError) as error:
        PlacementProblem(**GOOD).energy_j(placement)
    assert str(error.value) == line


def test_rounds_must_have_the_same_nodes_and_live_links() -> None:
    """One placement is for rounds of the same experts and nodes, whose links all work."""
    first, other = generate("mixtral-8-on-4", 0), generate("edge-8x64", 0)
    chosen = [topk_selection(round_.selection_problem()) for round_ in (first, other)]
    with pytest.raises(InputError, match="edge-8x64-s0 has 8 experts and 8 nodes; allowed: 8 and"):
        problem_of([first, other], chosen)
    links = np.ones((4, 4, 1))
    links[1, 2] = 1e12
    with pytest.raises(InputError, match="link 1 -> 2 is dead; allowed: links that work"):
        problem_of([first.replace(link_energy=links)], chosen[:1])
