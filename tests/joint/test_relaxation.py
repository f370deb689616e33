"""The linear relaxation over listed sets: valid prices and bounds, and the optimum is kept."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.enumerated import drawn, drawn_on_nodes, optimum

from dmoe_opt import Instance, generate, solve
from dmoe_opt.joint import program, relaxation
from dmoe_opt.joint.highs import factor_of
from dmoe_opt.joint.multipliers import evaluate, frame_of
from dmoe_opt.joint.open_part import everything, listed, stranded
from dmoe_opt.joint.program import solve_open
from dmoe_opt.joint.relaxation import relax


@pytest.mark.parametrize("draw", [drawn, drawn_on_nodes])
def test_relaxation_keeps_the_optimum(draw) -> None:  # type: ignore[no-untyped-def]
    """Bound and prices stay below it; what is left has it, beside the optimum or a poor answer."""
    kept = []
    for seed in range(18):
        data = draw(seed)
        best_j = None if stranded(data) else optimum(data)
        if best_j is None:
            continue
        for known_j in (best_j, 1.2 * best_j + 1e-9, np.inf):
            relaxed = relax(data, listed(data), known_j)
            if relaxed is None:
                continue
            assert relaxed.bound_j <= best_j * (1 + 1e-9) + 1e-12
            at = evaluate(frame_of(data), relaxed.point)
            assert at.value_j <= best_j * (1 + 1e-9) + 1e-12
            assert relaxed.part is not None, (seed, known_j)
            left = solve_open(data, relaxed.part, factor_of(data, best_j))
            assert left.decision is not None, (seed, known_j)
            assert left.decision.energy_j == pytest.approx(best_j, rel=1e-6, abs=1e-12)
            kept.append(relaxed.part.subcarriers.sum() < everything(data).subcarriers.sum())
    assert len(kept) > 20
    assert any(kept)


def test_any_duals_bound_the_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """Duals that HiGHS got wrong weaken the bound, and never break it."""
    rng = np.random.default_rng(0)
    exact = relaxation.duals
    data = generate("rich-8x64", 0, num_tokens=24, num_subcarriers=32)
    assert isinstance(data, Instance)
    best = solve(data, "jesa", "exact")
    assert best.objective_j is not None

    def wrong(*given):  # type: ignore[no-untyped-def]
        dual = exact(*given)
        return dual * rng.uniform(0.5, 1.5, dual.shape) + rng.normal(0, 1e-3, dual.shape)

    right = relax(data, listed(data), best.objective_j)
    monkeypatch.setattr(relaxation, "duals", wrong)
    for _ in range(8):
        relaxed = relax(data, listed(data), best.objective_j)
        assert relaxed is not None
        assert relaxed.bound_j < right.bound_j
        assert relaxed.part is not None
        i, n, m = np.nonzero(best.decision.allocation)
        assert relaxed.part.subcarriers[i, n, m].all()
    assert right.bound_j > 0.97 * best.objective_j


def test_counting_subcarriers_raises_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Links that take two subcarriers for one and a half cost the relaxation less without that."""
    data = generate("deadline-8x64", 0)
    assert isinstance(data, Instance)
    best = solve(data, "jesa", "exact")
    assert best.objective_j is not None
    with_rows = relax(data, listed(data), best.objective_j)
    monkeypatch.setattr(program, "_add_needed", lambda *given: None)
    without = relax(data, listed(data), best.objective_j)
    gap = 1 - with_rows.bound_j / best.objective_j
    assert 0 <= gap < 0.9 * (1 - without.bound_j / best.objective_j)
