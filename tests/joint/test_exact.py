"""The exact search: its reduction, log, limits and proofs."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from dmoe_opt import Instance, Result, Status, check, clock, generate, solve
from dmoe_opt.joint.bcd import solve_bcd
from dmoe_opt.joint.exact import reduce
from dmoe_opt.joint.lagrangian import as_descent, ascend


@pytest.mark.parametrize("preset", ["edge-8x64", "scarce-8x36", "nr-51", "interference-8x64"])
def test_reduction_keeps_the_optimum(preset: str) -> None:
    """What is thrown away is in no answer within the given energy: the optimum stays, whole."""
    data = generate(preset, 0)
    best = solve(data, "jesa", "exact")
    assert best.selection is not None
    assert best.allocation is not None
    assert best.objective_j is not None
    prices = ascend(data, as_descent(best), 0.0).prices
    places = (prices, prices * 0.0, data.best_link_energy[data.source])
    for at, slack in itertools.product(places, (0.0, 0.01)):
        left = reduce(data, at, best.objective_j * (1 + slack))
        assert left is not None
        assert (best.selection <= left.possible).all()
        assert (left.certain <= best.selection).all()
        assert (best.allocation <= left.subcarriers).all()


@pytest.mark.parametrize(
    ("preset", "seed"),
    [
        ("edge-8x64", 0),
        ("correlated-8x64", 1),
        ("scarce-8x36", 0),
        ("scarce-8x36", 1),
        ("scarce-8x48", 2),
        ("nr-51", 0),
        ("interference-8x64", 2),
    ],
)
def test_exact_and_its_log(preset: str, seed: int) -> None:
    """Proven or refuted on every family; the log closes in, and heuristics keep their bounds."""
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
    """Up to 8 of 16 experts on 150 subcarriers: an answer within 1 %, or the links needed."""
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
    """A search that is stopped keeps what it has; how much that is depends on the machine."""
    data = generate("scarce-8x48", 0)
    result = solve(data, "jesa", "exact", time_limit=1e-3)
    assert result.status == Status.FEASIBLE
    assert check(data, result) == []
    assert result.gap is not None
    assert result.gap > 1e-6


def test_default_with_a_limit_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who names neither method nor limit gets the exact search, and it will end."""
    left_s = []

    def close_at_once(instance: Instance, method: str, **_: object) -> Result:
        left_s.append(clock.left_s())
        return replace(solve_bcd(instance), method=method)

    monkeypatch.setattr("dmoe_opt.joint.exact.close_in", close_at_once)
    data = generate("tiny", 0)
    for limit in (None, 1e5):
        assert solve(data, "jesa", time_limit=limit).method == "exact"
    assert left_s[0] <= 60.0 < left_s[1]


def test_links_that_cost_nothing() -> None:
    """Best subcarriers at 0 J leave prices nothing to scale by; the optimum is the second one."""
    energy = np.zeros((2, 2, 2))
    energy[:, :, 1] = 1.0
    scores = [[0.0, 1.0], [1.0, 0.0]]
    data = Instance([0, 1], scores, 0.5, 1, [0.0, 0.0], link_energy=energy)
    for method in ("exact", "lagrangian"):
        result = solve(data, "jesa", method)
        assert (result.status, result.objective_j) == (Status.OPTIMAL, 1.0), method
