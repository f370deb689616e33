"""The bound at prices on links."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmoe_opt import generate, solve
from dmoe_opt.joint.exact import dual
from dmoe_opt.joint.prices import evaluate_at


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
