"""All methods for a round: enumeration, agreement with the models, odd radios."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from helpers.drawn import cheapest_allocation, draws, rounds
from hypothesis import given

from dmoe_opt import (
    InputError,
    Instance,
    Radio,
    SelectionProblem,
    Status,
    check,
    clock,
    generate,
    solve,
)
from dmoe_opt.data.instance import as_problem
from dmoe_opt.method_table import METHODS

ALL = list(METHODS["jesa"])


def cheapest(instance: Instance) -> float | None:
    """Enumeration, which shares only the objective with the methods; None if infeasible."""
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


@draws(0.5)
@given(instance=rounds())
def test_against_enumeration(instance: Instance) -> None:
    """Exact methods find the optimum or prove that there is none; others never claim too much."""
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
    """Where neither bound decides, reduction keeps the optimum, and bcd stays within 1 %."""
    data = generate("edge-8x64", seed, num_experts=5, num_tokens=30, num_subcarriers=24)
    exact, whole, bcd = (solve(data, "jesa", m) for m in ("exact", "pyomo", "bcd"))
    assert exact.status == whole.status == Status.OPTIMAL
    assert exact.objective_j == pytest.approx(whole.objective_j, rel=1e-6)
    assert bcd.objective_j is not None
    assert exact.objective_j is not None
    assert exact.objective_j * (1 - 1e-9) <= bcd.objective_j <= exact.objective_j * 1.01


def test_distinct_best_subcarriers_prove_the_optimum() -> None:
    """With many subcarriers the active links' best ones differ, and descent and bound meet."""
    data = generate("edge-8x64", 1, num_experts=3, num_subcarriers=2000, num_tokens=9)
    for method in ("relaxed", "bcd", "exact"):
        assert solve(data, "jesa", method).status == Status.OPTIMAL


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("method", [name for name in ALL if name not in ("pyomo", "cvxpy")])
def test_odd_radios(method: str) -> None:
    """Equal gains, dead and perfect links, one of everything: right status, no warning, no NaN."""
    shapes = [(1, 2, 1), (3, 1, 1), (3, 4, 2), (3, 6, 6)]
    for gain, (experts, tokens, carriers), threshold in itertools.product(
        [0.0, 1e-300, 1.0, 1e300], shapes, (0.0, 0.9)
    ):
        radio = Radio(np.full((experts, experts, carriers), gain), 1e6, 1e-2, 1e-3, 1e4)
        scores = np.random.default_rng(1).random((tokens, experts))
        data = Instance(
            np.zeros(tokens, dtype=int), scores, threshold, 2, np.full(experts, 1e-3), radio
        )
        result = solve(data, "jesa", method)
        case = (gain, data.scores.shape, threshold)
        assert check(data, result) == [], case
        assert result.objective_j is None or np.isfinite(result.objective_j), case
        if threshold == 0.0 and method != "topk":  # nobody needs an expert
            assert (result.status, result.objective_j) == (Status.OPTIMAL, 0.0), case


@pytest.mark.parametrize("problem", ["allocation", "jesa"])
def test_needs_a_round(problem: str) -> None:
    """A selection problem has no radio to allocate."""
    data = SelectionProblem(scores=[[1.0]], cost=[[1.0]], threshold=0.5, max_experts=1)
    with pytest.raises(InputError, match=f"problem = '{problem}'; allowed: selection"):
        solve(data, problem)


def one_subcarrier_that_works() -> Instance:
    """Two nodes that must swap tokens over the only subcarrier that works for either link."""
    gains = np.zeros((2, 2, 2))
    gains[:, :, 0] = 1.0
    return Instance(
        [0, 1], [[0.0, 1.0], [1.0, 0.0]], 0.5, 1, [0.0, 0.0], Radio(gains, 1.0, 1.0, 1.0, 1.0)
    )  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["exact", "pyomo", "cvxpy"])
def test_dead_subcarriers_are_refuted(method: str) -> None:
    """As many subcarriers as links are not enough if the links share those that work."""
    data = one_subcarrier_that_works()
    assert solve(data, "jesa", method).status == Status.INFEASIBLE
    for heuristic in ("bcd", "lagrangian", "topk", "homogeneous"):
        assert solve(data, "jesa", heuristic).objective_j is None


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("method", ["pyomo", "cvxpy"])
def test_weak_links_do_not_blur_the_optimum(method: str, seed: int) -> None:
    """Links at a hundred million times the energy of the answer do not disturb solvers."""
    plain = generate("tiny", seed, num_experts=4, num_tokens=8, num_subcarriers=12)
    energy = plain.link_energy.copy()
    energy[0, 1:] *= 1e8
    data = plain.replace(link_energy=np.minimum(energy, 1e8))
    exact, whole = solve(data, "jesa", "exact"), solve(data, "jesa", method)
    assert exact.status == Status.OPTIMAL
    assert whole.objective_j == pytest.approx(exact.objective_j, rel=1e-6)


@pytest.mark.parametrize("preset", ["scarce-8x48", "contested-4x8", "edge-8x64", "nr-51"])
def test_without_any_time(preset: str) -> None:
    """Where the time is up at once, answers keep the rules, and no bound passes the optimum."""
    data = generate(preset, 3)
    assert isinstance(data, Instance)
    best = solve(data, "jesa", "exact")
    assert best.objective_j is not None
    for method in ("bcd", "lagrangian", "exact", "relaxed", "activation", "topk", "homogeneous"):
        with clock.until(0.0):
            result = solve(data, "jesa", method)
        assert result.bound_j is None or result.bound_j <= best.objective_j * (1 + 1e-9), method
        if method in ("bcd", "lagrangian", "exact"):
            assert result.decision is not None, method
            assert result.decision.energy_j >= best.objective_j * (1 - 1e-9)
