"""Rents on subcarriers inside the enumeration of open links."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmoe_opt import generate, solve
from dmoe_opt.joint.activation import activate, fewest_links
from dmoe_opt.joint.descent import Descent
from dmoe_opt.joint.rented import Point, all_sets, ascend_rented, evaluate


@given(seed=st.integers(0, 1000), scale=st.floats(0, 3), rent=st.floats(0, 0.2))
def test_any_prices_and_rents_bound_the_round(seed: int, scale: float, rent: float) -> None:
    """L is a lower bound everywhere, and the activation bound at least prices without rents."""
    data = generate("contested-4x8", seed)
    optimum = solve(data, "jesa", "exact").objective_j
    if optimum is None:
        return
    needed = fewest_links(data).needed
    spare = data.num_subcarriers - int(needed.sum())
    sets = all_sets(data, needed, spare)
    assert sets is not None
    least = np.where(data.away, data.to_experts(data.best_link_energy), 0.0)
    start = evaluate(data, sets, spare, Point(least, np.zeros(8)))
    assert start.value_j == pytest.approx(activate(data, needed).bound_j, rel=1e-9)
    rng = np.random.default_rng(seed)
    point = Point(least * scale * rng.random(least.shape), rent * optimum * rng.random(8))
    at = evaluate(data, sets, spare, point)
    assert at.value_j <= optimum * (1 + 1e-9)


def test_ascent_closes_in_and_keeps_the_optimum() -> None:
    """The bound passes that of `activation`, never the optimum, whose links may stay open."""
    data = generate("scarce-8x36", 6)
    best = solve(data, "jesa", "exact")
    first = solve(data, "jesa", "activation")
    assert best.objective_j is not None
    assert best.allocation is not None
    assert first.decision is not None
    assert first.bound_j is not None
    answer = Descent(first.decision, [first.decision.energy_j])
    end = ascend_rented(data, fewest_links(data).needed, answer, first.bound_j)
    assert end is not None
    assert first.bound_j < end.bound_j <= best.objective_j * (1 + 1e-9)
    assert end.answer.energy_j >= best.objective_j * (1 - 1e-9)
    assert end.answer.energy_j - end.bound_j < 0.005 * best.objective_j
    assert (best.allocation.any(axis=2) <= end.open_links).all()
