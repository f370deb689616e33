"""Replicas: priced exactly, never dearer than without, and refused where they are none."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from helpers.placements import drawn

from dmoe_opt import InputError, generate, place
from dmoe_opt.answer.objective import energy_j
from dmoe_opt.placing.baselines import in_order
from dmoe_opt.placing.copies import copies_energy, copies_in, copies_of, with_replicas
from dmoe_opt.placing.problem import PlacementProblem, problem_of
from dmoe_opt.placing.rounds import moved
from dmoe_opt.placing.search import token_energies_j
from dmoe_opt.selection.baselines import topk_selection


def enumerated_j(problem: PlacementProblem, copies: np.ndarray) -> float:
    """Every token tries all copies of its experts."""
    total_j = 0.0
    for t in range(problem.num_tokens):
        experts = np.flatnonzero(problem.chosen[t])
        least_j = np.inf
        for nodes in product(*(np.flatnonzero(copies[j]) for j in experts)):
            at = np.array(nodes, dtype=int)
            sent = np.unique(at) if problem.send_once else at
            work = problem.work[t, experts] * problem.factor[at]
            least_j = min(least_j, float(problem.price[t, sent].sum() + work.sum()))
        total_j += least_j
    return total_j


@pytest.mark.parametrize("seed", range(10))
def test_tokens_take_what_costs_least(seed: int) -> None:
    """Enumeration of all copies agrees; replicas fit, and no search makes it worse."""
    problem = drawn(seed)
    problem = problem.replace(memory=problem.memory + 3)
    rng = np.random.default_rng(seed)
    copies = rng.random((problem.num_experts, problem.num_nodes)) < 0.5
    copies[np.arange(len(copies)), rng.integers(problem.num_nodes, size=len(copies))] = True
    roomy = problem.replace(memory=np.full(problem.num_nodes, 99.0))
    assert copies_energy(roomy, copies).energy_j == pytest.approx(enumerated_j(problem, copies))
    start = in_order(problem)
    replicated = with_replicas(problem, start, 2)
    assert (replicated.sum(axis=1) <= 2).all()
    assert copies_energy(problem, replicated).energy_j <= problem.energy_j(start) * (1 + 1e-9)
    single = copies_energy(problem, copies_of(start, problem.num_nodes))
    assert single.energy_j == pytest.approx(problem.energy_j(start), rel=1e-12)
    assert token_energies_j(problem, start).sum() == pytest.approx(single.energy_j, rel=1e-12)


def test_the_evaluator_prices_rounds_that_send_once() -> None:
    """The energy of a placement is the objective of expert selection in the rounds as written."""
    rounds = [generate("mixtral-8-on-4", seed, num_tokens=16) for seed in range(2)]
    chosen = [topk_selection(round_.selection_problem()) for round_ in rounds]
    placement = np.array([3, 1, 0, 2, 2, 0, 1, 3])
    written = [moved(round_, placement) for round_ in rounds]
    assert all(round_.send_once for round_ in written)
    pairs = zip(written, chosen, strict=True)
    expected_j = sum(energy_j(round_.selection_problem(), of) for round_, of in pairs)
    assert problem_of(rounds, chosen).energy_j(placement) == pytest.approx(expected_j, rel=1e-12)


@pytest.mark.parametrize(
    ("held", "line"),
    [
        ([[0], [1, 1]], "placement[1] has node 1 twice; allowed: one copy of an expert on a node"),
        ([[0], []], "placement[1] names no node; allowed: at least one"),
        ([[0], [2]], "placement[1] = 2; allowed: whole numbers in 0..1"),
    ],
)
def test_bad_copies_are_one_line(held: list[list[int]], line: str) -> None:
    """Two copies on a node, an expert nowhere, a node that is not there."""
    with pytest.raises(InputError) as error:
        copies_in(held, 2)
    assert str(error.value) == line


def test_replicas_and_given_placements_get_rows() -> None:
    """A given placement is priced as it is; more copies than memory allows are refused."""
    rounds = [generate("mixtral-8-on-4", seed, num_tokens=16) for seed in range(2)]
    given = [[0], [0], [1], [1], [2], [2], [3], [3]]
    study = place(rounds[:1], held_out=rounds[1:], replicas=2, given=given, kicks=2)
    energies = {row.placement: row.energy_j for row in study.rows}
    assert energies["given"] == pytest.approx(energies["in order"], rel=1e-12)
    assert energies["replicas"] < energies["search"]
    assert sum(map(len, study.placement)) <= 16
    with pytest.raises(InputError, match="placement has 1 experts; allowed: 8"):
        place(rounds, given=[[0]])
    with pytest.raises(InputError, match="placement puts 4 on node 1; allowed: at most 2"):
        place(rounds, given=[[0], [0], [1], [1], [1], [2], [3], [1]], kicks=0)
    with pytest.raises(InputError, match=r'replicas = 2; allowed: select "topk" and method'):
        place(rounds, replicas=2, method="cvxpy")
