"""The bound at prices on links."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmoe_opt import generate, solve
from dmoe_opt.joint.activation import fewest_links
from dmoe_opt.joint.exact import dual
from dmoe_opt.joint.lagrangian import ascend
from dmoe_opt.joint.prices import evaluate_at
from dmoe_opt.joint.steps import Effort


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


@pytest.mark.parametrize("seed", [0, 3])
def test_scarce_spectrum_is_filled_up(seed: int) -> None:
    """Few links that serve all tokens, and those that earn most, make an answer within 1 %.

    Without them the tokens choose more links than there are subcarriers, and no answer is found.
    """
    data = generate("scarce-8x48", seed)
    effort = Effort(20, 5, 1)
    assert ascend(data, None, 0.0, effort=effort).answer is None
    end = ascend(data, None, 0.0, effort=effort, fewest=fewest_links(data).open_links)
    assert end.answer is not None
    assert not end.answer.decision.violations
    assert end.answer.energy_j <= 1.01 * end.bound_j
