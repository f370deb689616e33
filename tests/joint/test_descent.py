"""The descent: its trace and its restarts."""

from __future__ import annotations

import itertools

import pytest

from dmoe_opt import generate, solve


@pytest.mark.parametrize("seed", range(10))
def test_trace_never_rises(seed: int) -> None:
    """Each step of the descent keeps or lowers the energy, and the last one is the answer's."""
    result = solve(generate("edge-8x64", seed, num_subcarriers=56, num_tokens=48), "jesa", "bcd")
    trace = result.stats["trace"]
    assert all(after <= before * (1 + 1e-12) for before, after in itertools.pairwise(trace))
    assert result.objective_j == pytest.approx(trace[-1], rel=1e-12)


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
