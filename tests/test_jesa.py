"""Joint expert and subcarrier allocation: the objective by hand, enumeration, bounds, odd radios."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from helpers.drawn import cheapest_allocation, rounds
from hypothesis import given, settings

from dmoe_opt import InputError, Instance, Radio, SelectionProblem, Status, check, generate, solve
from dmoe_opt.answer.objective import loads, round_energy_j, round_violations
from dmoe_opt.data.instance import as_problem
from dmoe_opt.method_table import METHODS

ALL = list(METHODS["jesa"])


def cheapest(instance: Instance) -> float | None:
    """Enumeration that shares nothing with the methods but the objective; None if no decision is feasible."""
    problem = as_problem(instance)
    options = []
    for t in range(instance.num_tokens):
        sets = [
            s
            for n in range(instance.max_experts + 1)
            for s in itertools.combinations(np.flatnonzero(problem.usable[t]), n)
            if sum(instance.scores[t, j] for j in s) >= problem.effective_threshold[t] - 1e-9
        ]
        options.append(sets)
    best = None
    for chosen in itertools.product(*options):
        selection = np.zeros(problem.scores.shape, dtype=bool)
        for t, members in enumerate(chosen):
            selection[t, list(members)] = True
        energy = cheapest_allocation(instance, selection)
        if energy is not None and (best is None or energy < best):
            best = energy
    return best


@settings(max_examples=40)
@given(instance=rounds())
def test_against_enumeration(instance: Instance) -> None:
    """Exact methods find the enumerated optimum or prove that there is none; the others never claim too much."""
    optimum = cheapest(instance)
    for method in ALL:
        result = solve(instance, "jesa", method)
        assert result.method == method
        assert check(instance, result) == []
        if as_problem(instance).infeasibility():
            assert result.status == Status.INFEASIBLE
            continue
        if method in ("exact", "pyomo", "cvxpy"):
            assert result.status == (
                Status.OPTIMAL if optimum is not None else Status.INFEASIBLE
            ), method
        if optimum is None:
            assert result.objective_j is None
            continue
        assert result.bound_j is not None
        assert result.bound_j <= optimum * (1 + 1e-9) + 1e-12
        if result.objective_j is not None:
            assert result.objective_j >= optimum * (1 - 1e-9)
        if result.status == Status.OPTIMAL:
            assert result.objective_j == pytest.approx(optimum, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_exact_agrees_with_the_integer_program(seed: int) -> None:
    """On a round that neither bound decides, reduction changes the time, not the optimum; bcd stays within 1 %."""
    data = generate("edge-8x64", seed, num_experts=5, num_tokens=30, num_subcarriers=24)
    exact, whole, bcd = (solve(data, "jesa", m) for m in ("exact", "pyomo", "bcd"))
    assert exact.status == whole.status == Status.OPTIMAL
    assert exact.objective_j == pytest.approx(whole.objective_j, rel=1e-6)
    assert bcd.objective_j is not None
    assert exact.objective_j is not None
    assert exact.objective_j * (1 - 1e-9) <= bcd.objective_j <= exact.objective_j * 1.01


@pytest.mark.parametrize("seed", range(10))
def test_trace_never_rises(seed: int) -> None:
    """Each step of the descent keeps or lowers the energy, and the last one is the answer's."""
    result = solve(generate("edge-8x64", seed, num_subcarriers=56, num_tokens=48), "jesa", "bcd")
    trace = result.stats["trace"]
    assert all(after <= before * (1 + 1e-12) for before, after in itertools.pairwise(trace))
    assert result.objective_j == pytest.approx(trace[-1], rel=1e-12)


def test_distinct_best_subcarriers_prove_the_optimum() -> None:
    """With many subcarriers the active links' best ones differ, and descent and bound meet."""
    data = generate("edge-8x64", 1, num_experts=3, num_subcarriers=2000, num_tokens=9)
    for method in ("relaxed", "bcd", "exact"):
        assert solve(data, "jesa", method).status == Status.OPTIMAL


def test_energy_by_hand() -> None:
    """Two tokens over rates 1 and 3 bit/s: 2/1 J on the first, 2/2 per subcarrier pair: n q / sum of rates."""
    gains = np.zeros((2, 2, 2))
    gains[0, 1] = [1.0, 7.0]
    data = Instance([0, 0], [[0.0, 1.0]] * 2, 0.5, 1, [0.0, 0.25], Radio(gains, 1.0, 1.0, 1.0, 1.0))
    selection = np.array([[False, True]] * 2)
    allocation = np.zeros((2, 2, 2), dtype=bool)
    assert loads(data, selection).tolist() == [[0, 2], [0, 0]]
    assert round_energy_j(data, selection, allocation) == np.inf
    for used, energy in (
        ([True, False], 2.5),
        ([False, True], 0.5 + 2 / 3),
        ([True, True], 0.5 + 2 * 2 / 4),
    ):
        allocation[0, 1] = used
        assert round_energy_j(data, selection, allocation) == pytest.approx(energy, rel=1e-12)
        assert round_violations(data, selection, allocation) == []
    result = solve(data, "jesa")
    assert (result.status, result.objective_j) == (Status.OPTIMAL, pytest.approx(0.5 + 2 / 3))


def test_each_rule_by_itself() -> None:
    """(C3) and (C4): broken alone, named alone."""
    data = Instance(
        [0, 1],
        [[0.0, 1.0], [1.0, 0.0]],
        0.5,
        1,
        [0.0, 0.0],
        Radio(np.ones((2, 2, 2)), 1.0, 1.0, 1.0, 1.0),
    )
    selection = np.array([[False, True], [True, False]])
    allocation = np.zeros((2, 2, 2), dtype=bool)
    allocation[0, 1, 0] = True
    assert round_violations(data, selection, allocation) == [
        "link 1 -> 0 (C4): carries 1 tokens without a subcarrier that works"
    ]
    allocation[1, 0, 0] = True
    assert round_violations(data, selection, allocation) == [
        "subcarrier 0 (C3): serves more than one link: 0 -> 1, 1 -> 0"
    ]
    allocation[1, 0] = [False, True]
    assert round_violations(data, selection, allocation) == []
    allocation[0, 0, 0], allocation[0, 1, 0] = True, False
    assert "a link to itself" in round_violations(data, selection, allocation)[0]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("method", [name for name in ALL if name not in ("pyomo", "cvxpy")])
@pytest.mark.parametrize("gain", [0.0, 1e-300, 1.0, 1e300])
@pytest.mark.parametrize(
    ("experts", "tokens", "carriers"), [(1, 2, 1), (3, 1, 1), (3, 4, 2), (3, 6, 6)]
)
def test_odd_radios(method: str, gain: float, experts: int, tokens: int, carriers: int) -> None:
    """Equal gains, dead and perfect links, one node, one token, one subcarrier: a right status, no warning, no NaN."""
    rng = np.random.default_rng(1)
    for threshold in (0.0, 0.9):
        radio = Radio(np.full((experts, experts, carriers), gain), 1e6, 1e-2, 1e-3, 1e4)
        scores = rng.random((tokens, experts))
        data = Instance(
            np.zeros(tokens, dtype=int), scores, threshold, 2, np.full(experts, 1e-3), radio
        )
        result = solve(data, "jesa", method)
        assert check(data, result) == []
        assert result.objective_j is None or np.isfinite(result.objective_j)
        if threshold == 0.0 and method != "topk":  # nobody needs an expert
            assert (result.status, result.objective_j) == (Status.OPTIMAL, 0.0)


@pytest.mark.parametrize("problem", ["allocation", "jesa"])
def test_needs_a_round(problem: str) -> None:
    """A selection problem has no radio to allocate."""
    data = SelectionProblem(scores=[[1.0]], cost=[[1.0]], threshold=0.5, max_experts=1)
    with pytest.raises(InputError, match=f"problem = '{problem}'; allowed: selection"):
        solve(data, problem)
