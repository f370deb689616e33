"""A token is sent once to a node: loads, energies, and P1 with prices of nodes."""

from __future__ import annotations

import numpy as np
import pytest

from dmoe_opt import Decision, InputError, Instance, SelectionProblem, generate, solve
from dmoe_opt.answer.objective import loads


def two_nodes(**changes: object) -> Instance:
    """A token of node 0; experts 0 and 3 live there, 1 and 2 on node 1, a link costs 4 J."""
    return Instance(
        source=[0],
        scores=[[0.25, 0.25, 0.25, 0.25]],
        threshold=0.5,
        max_experts=4,
        compute_energy=[1.0, 2.0, 3.0, 9.0],
        link_energy=[[[0.0], [4.0]], [[1.0], [0.0]]],
        placement=[0, 1, 1, 0],
    ).replace(send_once=True, **changes)


@pytest.mark.parametrize(("once", "load", "energy_j"), [(True, 1, 9.0), (False, 2, 13.0)])
def test_two_experts_of_a_node_are_one_load(once: bool, load: int, energy_j: float) -> None:
    """Experts 1 and 2 cost 2 + 3 J, and one link of 4 J, or two."""
    data = two_nodes().replace(send_once=once)
    selection = np.array([[False, True, True, False]])
    allocation = np.zeros((2, 2, 1), dtype=bool)
    allocation[0, 1, 0] = True
    assert loads(data, selection).tolist() == [[0, load], [0, 0]]
    for decision in (Decision(data, selection, allocation), Decision(data, selection)):
        assert decision.energy_j == energy_j
        assert decision.violations == []


def test_it_only_matters_where_nodes_are_shared() -> None:
    """With every expert on a node of its own, each decision costs the same."""
    plain = generate("tiny", 2)
    assert isinstance(plain, Instance)
    answer = solve(plain, "jesa")
    assert answer.selection is not None
    data = plain.replace(placement=np.arange(3), send_once=True)
    assert Decision(data, answer.selection, answer.allocation).energy_j == answer.objective_j


def test_prices_of_nodes_need_a_placement() -> None:
    """One of the two fields alone says nothing."""
    problem = two_nodes().selection_problem()
    assert problem.node_cost is not None
    assert problem.node_cost.tolist() == [[0.0, 4.0]]
    assert problem.cost.tolist() == [[1.0, 2.0, 3.0, 9.0]]
    with pytest.raises(InputError, match="has placement or node_cost alone; allowed: both"):
        SelectionProblem(**{**vars(problem.rows(np.array([0]))), "placement": None})
