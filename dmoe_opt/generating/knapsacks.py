"""Expert-selection problems from the families of the knapsack literature."""

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
    name: str,
    meta: dict[str, Any],
    *,
    family: str = "uncorrelated",
    num_experts: int = 64,
    num_tokens: int = 32,
    max_experts: int = 8,
    share: float = 0.6,
) -> SelectionProblem:
    """Covering knapsacks with a cap.

    Scores lie in (0, R] with R = 1. The costs of the families, before they become joules:

    - `uncorrelated`: drawn like the scores;
    - `weakly-correlated`: in score - R/10 .. score + R/10;
    - `strongly-correlated`: score + R/10;
    - `inverse-strongly-correlated`: drawn, and score = cost + R/10;
    - `subset-sum`: the score.

    Scores lie on the grid of 2^-20, and costs are grid multiples of 2^-10 J, so every sum is exact.
    Source: D. Pisinger, "Where are the hard knapsack problems?", C&OR 32, 2005.

    Parameters
    ----------
    rng
        Draws everything.
    name, meta
        As in `SelectionProblem`.
    family
        A name in `FAMILIES`.
    num_experts, num_tokens
        Sizes K and T.
    max_experts
        Most experts per token, D.
    share
        Threshold as a share of what the best D experts reach.

    Raises
    ------
    InputError
        If the family is unknown.
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
        meta=meta,
    )
