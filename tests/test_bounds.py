"""Bounds of a round: prices on links, activation, fewest links; each against enumeration or a decision it must allow."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from helpers.drawn import rounds
from hypothesis import given
from hypothesis import strategies as st

from dmoe_opt import Instance, Radio, Status, check, generate, solve
from dmoe_opt.answer.objective import round_energy_j
from dmoe_opt.data.instance import as_problem
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.joint.activation import activate, fewest_links
from dmoe_opt.joint.exact import dual, reduce
from dmoe_opt.joint.lagrangian import as_descent, ascend, evaluate_at


def served(problem: SelectionProblem, usable: np.ndarray) -> bool:
    """Whether every token reaches its need with its best D usable experts."""
    best = -np.sort(-np.where(usable, problem.usable_units, 0.0), axis=1)[:, : problem.max_experts]
    return bool((best.sum(axis=1) >= problem.need_units).all())


def link_sets(instance: Instance) -> list[tuple[int, np.ndarray]]:
    """Every set of links as its size and the experts (T, K) that tokens reach over it, if they serve every token."""
    problem = as_problem(instance)
    links = np.argwhere(~np.eye(instance.num_experts, dtype=bool)).tolist()
    found = []
    for size in range(len(links) + 1):
        for chosen in itertools.combinations(links, size):
            reach = np.eye(instance.num_experts, dtype=bool)
            for i, j in chosen:
                reach[i, j] = True
            usable = problem.usable & reach[instance.source]
            if served(problem, usable):
                found.append((size, usable))
    return found


@given(instance=rounds())
def test_activation_against_enumeration(instance: Instance) -> None:
    """Fewest links and the activation bound are what trying every set of links gives."""
    problem = as_problem(instance)
    if problem.infeasibility():
        return
    sets = link_sets(instance)
    least = min(size for size, _ in sets)
    fewest = fewest_links(instance)
    assert fewest.needed.sum() == least == fewest.open_links.sum()
    result = solve(instance, "jesa", "activation")
    if least > instance.num_subcarriers:
        assert result.status == Status.INFEASIBLE
        assert f"at least {least} links must be active" in result.message
        return
    energies = [
        solve(
            problem.replace(
                usable=usable, on_shortfall="infeasible", threshold=problem.effective_threshold
            )
        ).objective_j
        for size, usable in sets
        if size <= instance.num_subcarriers
    ]
    bound = min(energy for energy in energies if energy is not None)
    assert activate(instance, fewest.needed).bound_j == pytest.approx(bound, rel=1e-9, abs=1e-12)
    assert result.bound_j == pytest.approx(bound, rel=1e-9, abs=1e-12)


@given(seed=st.integers(0, 1000), carriers=st.integers(2, 8), scale=st.floats(0, 4))
def test_any_prices_bound_the_round(seed: int, carriers: int, scale: float) -> None:
    """L is a lower bound at any prices, and so is its dual, which is never above it."""
    data = generate("tiny", seed, num_subcarriers=carriers)
    optimum = solve(data, "jesa", "exact").objective_j
    if optimum is None:
        return
    prices = np.random.default_rng(seed).random(data.scores.shape) * scale * optimum
    prices[np.arange(data.num_tokens), data.source] = 0.0
    value = evaluate_at(data, prices).value_j
    assert value <= optimum * (1 + 1e-9)
    assert dual(data, prices).value_j == pytest.approx(value, rel=1e-9, abs=1e-9 * optimum)


@pytest.mark.parametrize(
    "preset", ["edge-8x64", "scarce-8x36", "scarce-8x48", "nr-51", "interference-8x64"]
)
@pytest.mark.parametrize("slack", [0.0, 0.01])
def test_reduction_keeps_the_optimum(preset: str, slack: float) -> None:
    """What is thrown away is in no answer within the given energy: the optimum stays, whole."""
    data = generate(preset, 0)
    best = solve(data, "jesa", "exact")
    assert best.selection is not None
    assert best.allocation is not None
    assert best.objective_j is not None
    prices = ascend(data, as_descent(best), 0.0).prices
    for at in (prices, prices * 0.0, data.best_link_energy[data.source]):
        left = reduce(data, at, best.objective_j * (1 + slack))
        assert left is not None
        assert (best.selection <= left.possible).all()
        assert (left.certain <= best.selection).all()
        assert (best.allocation <= left.subcarriers).all()


@pytest.mark.parametrize(
    "preset",
    ["edge-8x64", "correlated-8x64", "scarce-8x36", "scarce-8x48", "nr-51", "interference-8x64"],
)
@pytest.mark.parametrize("seed", range(3))
def test_exact_and_its_log(preset: str, seed: int) -> None:
    """Proven or refuted on every family; the rows of the log close in, and heuristics keep their bounds."""
    data = generate(preset, seed)
    rows: list[tuple[float | None, float]] = []
    exact = solve(data, "jesa", "exact", log=lambda *row: rows.append(row))
    assert exact.status in (Status.OPTIMAL, Status.INFEASIBLE)
    bounds = [bound for _, bound in rows]
    energies = [np.inf if energy is None else energy for energy, _ in rows]
    assert bounds == sorted(bounds)
    assert energies == sorted(energies, reverse=True)
    for method in ("bcd", "lagrangian", "activation"):
        result = solve(data, "jesa", method)
        assert check(data, result) == []
        if exact.objective_j is None:
            assert result.status == Status.INFEASIBLE
            continue
        assert result.objective_j is not None
        assert result.bound_j is not None
        assert result.bound_j <= exact.objective_j * (1 + 1e-9)
        assert result.objective_j >= exact.objective_j * (1 - 1e-6)
        if method == "lagrangian":
            assert result.gap is not None
            assert result.gap < 0.01


def test_scarce_and_large() -> None:
    """512 tokens with up to 8 of 16 experts on 150 subcarriers: an answer within 1 %, or the number of links needed."""
    data = generate("scarce-16x150", 0)
    refuted = solve(data, "jesa", "exact")
    assert refuted.status == Status.INFEASIBLE
    assert (
        refuted.message
        == "at least 178 links must be active (9 to 12 from each node) and 150 subcarriers exist"
    )
    answered = solve(generate("scarce-16x150", 0, spread=1.0), "jesa", "activation")
    assert answered.gap is not None
    assert answered.gap < 0.01


def test_stops_at_the_limit_with_answer_and_bound() -> None:
    """A search that is stopped keeps what it has."""
    data = generate("scarce-8x48", 0)
    result = solve(data, "jesa", "exact", time_limit=1e-3)
    assert result.status == Status.FEASIBLE
    assert result.gap is not None
    assert 1e-6 < result.gap < 0.1


def test_restarts() -> None:
    """Restarts never lose, help somewhere, and are the same for the same seed."""
    better = 0
    for seed in range(6):
        data = generate("scarce-8x36", seed, share=0.5)
        plain, again, other = (solve(data, "jesa", "bcd", restarts=n, seed=3) for n in (0, 8, 8))
        assert plain.objective_j is not None
        assert again.objective_j is not None
        assert again.objective_j <= plain.objective_j
        assert again.objective_j == other.objective_j
        better += again.objective_j < plain.objective_j * (1 - 1e-9)
    assert better


def test_homogeneous_reaches_the_largest_threshold() -> None:
    """Every token gets what the most demanding one asks for, or its best D."""
    data = generate("edge-8x64", 2)
    result = solve(data, "jesa", "homogeneous")
    assert result.selection is not None
    assert result.allocation is not None
    assert result.objective_j == pytest.approx(
        round_energy_j(data, result.selection, result.allocation), rel=1e-12
    )
    wanted = data.replace(
        threshold=float(data.threshold.max()), on_shortfall="top_d"
    ).selection_problem()
    reached = (data.scores * result.selection).sum(axis=1)
    assert (reached >= wanted.effective_threshold - 1e-9).all()
    bcd = solve(data, "jesa", "bcd")
    assert bcd.objective_j is not None
    assert result.objective_j > bcd.objective_j


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


def test_links_that_cost_nothing() -> None:
    """Best subcarriers at 0 J leave prices nothing to scale by; the optimum is the dear second one."""
    energy = np.zeros((2, 2, 2))
    energy[:, :, 1] = 1.0
    data = Instance([0, 1], [[0.0, 1.0], [1.0, 0.0]], 0.5, 1, [0.0, 0.0], link_energy=energy)  # type: ignore[arg-type]
    for method in ("exact", "lagrangian"):
        result = solve(data, "jesa", method)
        assert (result.status, result.objective_j) == (Status.OPTIMAL, 1.0), method


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("method", ["pyomo", "cvxpy"])
def test_weak_links_do_not_blur_the_optimum(method: str, seed: int) -> None:
    """Links a hundred million times as dear as the answer leave solvers as exact as without them."""
    plain = generate("tiny", seed, num_experts=4, num_tokens=8, num_subcarriers=12)
    energy = plain.link_energy.copy()
    energy[0, 1:] *= 1e8
    data = plain.replace(link_energy=np.minimum(energy, 1e8))
    exact, whole = solve(data, "jesa", "exact"), solve(data, "jesa", method)
    assert exact.status == Status.OPTIMAL
    assert whole.objective_j == pytest.approx(exact.objective_j, rel=1e-6)


def test_fewest_links_stopped_early() -> None:
    """A search that is cut short still gives lower bounds, and links that serve every token."""
    for seed in range(5):
        data = generate("scarce-8x48", seed)
        true = fewest_links(data).needed
        for limit in (0, 1, 500, 5_000):
            cut = fewest_links(data, limit)
            assert (cut.needed <= true).all()
            assert (cut.open_links.sum(axis=1) >= true).all()
