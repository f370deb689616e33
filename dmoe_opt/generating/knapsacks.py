"""Covering knapsacks with a cap, in the families of the knapsack literature."""

from __future__ import annotations

from typing import Any

import numpy as np

from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.errors import InputError
from dmoe_opt.generating import gates

COST_UNIT_J = 2.0**-10
"""Joules of a cost of 1: about a millijoule, and a power of two so that sums stay exact."""
FAMILIES = (
    "uncorrelated",
    "weakly-correlated",
    "strongly-correlated",
    "inverse-strongly-correlated",
    "subset-sum",
)


def knapsack(
    rng: np.random.Generator,
    name: str = "",
    meta: dict[str, Any] | None = None,
    *,
    family: str = "uncorrelated",
    num_experts: int = 64,
    num_tokens: int = 32,
    max_experts: int = 8,
    share: float = 0.6,
) -> SelectionProblem:
    """A problem of a family (Pisinger, Computers & OR 32, 2005).

    With R = 1: `uncorrelated` costs; `weakly-correlated` cost in score +- R/10;
    `strongly-correlated` cost = score + R/10; `inverse-strongly-correlated` score = cost + R/10;
    `subset-sum` cost = score. Scores lie on the grid, and costs are grid multiples of 2^-10 J, so
    every sum is exact.

    Raises
    ------
    InputError
        If there is no such family.
    """
    shape = (num_tokens, num_experts)
    whole = round(1 / gates.GRID)
    tenth = whole // 10
    score = rng.integers(1, whole + 1, shape)
    if family == "uncorrelated":
        cost = rng.integers(1, whole + 1, shape)
    elif family == "weakly-correlated":
        cost = np.maximum(1, score + rng.integers(-tenth, tenth + 1, shape))
    elif family == "strongly-correlated":
        cost = score + tenth
    elif family == "inverse-strongly-correlated":
        cost = rng.integers(1, whole - tenth + 1, shape)
        score = cost + tenth
    elif family == "subset-sum":
        cost = score
    else:
        raise InputError(f'family = "{family}"; allowed: {", ".join(FAMILIES)}')
    scores = np.asarray(score * gates.GRID, dtype=np.float64)
    return SelectionProblem(
        scores=scores,
        cost=np.asarray(cost * gates.GRID * COST_UNIT_J, dtype=np.float64),
        threshold=gates.share_threshold(scores, max_experts, share),
        max_experts=max_experts,
        name=name,
        meta=meta or {},
    )
