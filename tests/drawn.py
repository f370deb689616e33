"""Instances that Hypothesis draws."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from hypothesis import strategies as st

from dmoe_opt import SelectionProblem


@st.composite
def problems(draw: st.DrawFn, most_experts: int = 6, most_tokens: int = 4, on_grid: bool = True) -> SelectionProblem:
    """Small problems full of ties: zero scores, zero costs, D >= K, thresholds met exactly, shortfalls, T = 0."""
    tokens = draw(st.integers(0, most_tokens))
    experts = draw(st.integers(1, most_experts))
    coarse = draw(st.sampled_from([4, 8, 1024, 2**20]))
    score = st.integers(0, coarse).map(lambda n: n / coarse) if on_grid else st.floats(0, 1)
    price = st.one_of(
        st.integers(0, 4).map(float),
        st.floats(1e-4, 1.0, allow_subnormal=False) if not on_grid else st.integers(0, 2**20).map(lambda n: n / 2**20),
    )

    def table(element: st.SearchStrategy[float]) -> np.ndarray[Any, Any]:
        rows = draw(st.lists(st.lists(element, min_size=experts, max_size=experts), min_size=tokens, max_size=tokens))
        return np.array(rows).reshape(tokens, experts)

    scores = table(score)
    cost = table(price)
    threshold = []
    for row in scores:
        members = draw(st.lists(st.booleans(), min_size=experts, max_size=experts))
        exactly = float(sum(itertools.compress(row, members)))
        threshold.append(draw(st.sampled_from([0.0, exactly, exactly / 2, 1.0, float(experts)])))
    usable = table(st.sampled_from([True, True, True, False])).astype(bool)
    return SelectionProblem(
        scores=scores,
        cost=cost,
        threshold=np.array(threshold),
        max_experts=draw(st.integers(1, most_experts + 1)),
        on_shortfall=draw(st.sampled_from(["top_d", "infeasible"])),
        usable=usable,
    )
