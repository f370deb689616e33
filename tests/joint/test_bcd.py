"""The method `bcd`: its trace, its steps of the ascent where it is stuck, its restarts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dmoe_opt import Instance, Status, generate, load, solve
from dmoe_opt.joint.bcd import FAR
from dmoe_opt.joint.lagrangian import QUICK, Ascent, close_in


@pytest.mark.parametrize("seed", range(10))
def test_trace_never_rises(seed: int) -> None:
    """Each step of the descent keeps or lowers the energy, and the last one is the answer's."""
    result = solve(generate("edge-8x64", seed, num_subcarriers=56, num_tokens=48), "jesa", "bcd")
    trace = result.stats["trace"]
    assert all(after <= before * (1 + 1e-12) for before, after in itertools.pairwise(trace))
    assert result.objective_j == pytest.approx(trace[-1], rel=1e-12)


@pytest.mark.parametrize("preset", ["contested-4x8", "heavy-tailed-6x20"])
def test_close_to_the_optimum_where_links_contest_subcarriers(preset: str) -> None:
    """Mostly the optimum, never 5 % above it; without an ascent the worst is 10 to 100 % off."""
    above = []
    for seed in range(10):
        data = generate(preset, seed)
        best, result = (solve(data, "jesa", method) for method in ("exact", "bcd"))
        if best.status == Status.INFEASIBLE:
            assert result.status == Status.INFEASIBLE
            continue
        assert result.objective_j is not None
        assert best.objective_j is not None
        above.append(result.objective_j / best.objective_j - 1)
    assert np.median(above) < 1e-6
    assert np.mean(above) < 0.003
    assert max(above) < 0.05


def test_restarts() -> None:
    """Restarts never lose, help somewhere, and are the same for the same seed."""
    better = 0
    for seed in (4, 9, 22):
        data = generate("edge-8x64", seed)
        plain, again, other = (solve(data, "jesa", "bcd", restarts=n, seed=3) for n in (0, 8, 8))
        assert plain.objective_j is not None
        assert again.objective_j is not None
        assert again.objective_j <= plain.objective_j
        assert again.objective_j == other.objective_j
        better += again.objective_j < plain.objective_j * (1 - 1e-9)
    assert better


def test_steps_end_where_an_answer_is_near_its_bound() -> None:
    """If the descent was good and only its bound was bad, the steps end before the last."""
    data = load("interference-8x64-s1")
    assert isinstance(data, Instance)
    end = close_in(data, "bcd", far=FAR, effort=QUICK)
    assert isinstance(end, Ascent)
    assert end.answer is not None
    assert 0 < end.iterations < QUICK.steps
    assert end.answer.energy_j * (1 - FAR) <= end.bound_j
