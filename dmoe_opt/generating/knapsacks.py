"""Covering knapsacks with a cap, in the families of the knapsack literature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.errors import InputError
from dmoe_opt.generating import gates

COST_UNIT_J = 2.0**-10
"""Joules of a cost of 1: about a millijoule, and a power of two so that sums stay exact."""
WHOLE = round(1 / gates.GRID)
TENTH = WHOLE // 10
RANGE, STEP = 1000, WHOLE // 1024
"""Where the literature's range of 1000 matters, a score of 1 of its units is STEP of the grid."""
SHARPEST = 10**9
"""Largest whole score of `chvatal`: beyond, scores would be finer than the tolerance of 10^-9."""

Numbers = NDArray[np.int64]
Shape = tuple[int, int]


def _uncorrelated(rng: np.random.Generator, shape: Shape) -> tuple[Numbers, Numbers]:
    score = rng.integers(1, WHOLE + 1, shape)
    return score, rng.integers(1, WHOLE + 1, shape)


def _weakly_correlated(rng: np.random.Generator, shape: Shape) -> tuple[Numbers, Numbers]:
    score = rng.integers(1, WHOLE + 1, shape)
    return score, np.maximum(1, score + rng.integers(-TENTH, TENTH + 1, shape))


def _strongly_correlated(rng: np.random.Generator, shape: Shape) -> tuple[Numbers, Numbers]:
    score = rng.integers(1, WHOLE + 1, shape)
    return score, score + TENTH


def _inverse_strongly_correlated(rng: np.random.Generator, shape: Shape) -> tuple[Numbers, Numbers]:
    rng.integers(1, WHOLE + 1, shape)  # keeps the draws of earlier versions
    cost = rng.integers(1, WHOLE - TENTH + 1, shape)
    return cost + TENTH, cost


def _subset_sum(rng: np.random.Generator, shape: Shape) -> tuple[Numbers, Numbers]:
    score = rng.integers(1, WHOLE + 1, shape)
    return score, score


def _even_odd(rng: np.random.Generator, shape: Shape) -> tuple[Numbers, Numbers]:
    score = 2 * rng.integers(1, WHOLE // 2 + 1, shape)
    return score, score + TENTH


def _spanner(rng: np.random.Generator, shape: Shape) -> tuple[Numbers, Numbers]:
    """Multiples of two strongly correlated experts per token: span(2, 10)."""
    first = rng.integers(1, RANGE + 1, (shape[0], 2))
    score, cost = (-(-2 * value // 10) for value in (first, first + RANGE // 10))
    kind = rng.integers(0, 2, shape)
    factor = rng.integers(1, 11, shape)
    row = np.arange(shape[0])[:, None]
    return factor * score[row, kind] * (STEP // 4), factor * cost[row, kind] * (STEP // 4)


def _circle(rng: np.random.Generator, shape: Shape) -> tuple[Numbers, Numbers]:
    score = rng.integers(1, RANGE + 1, shape)
    arc = 2 / 3 * np.sqrt(4 * RANGE**2 - (score - 2.0 * RANGE) ** 2)
    return score * STEP, np.rint(arc).astype(np.int64) * STEP


def _profit_ceiling(rng: np.random.Generator, shape: Shape) -> tuple[Numbers, Numbers]:
    score = rng.integers(1, RANGE + 1, shape)
    return score * STEP, 3 * -(-score // 3) * STEP


def _coarse_scores(rng: np.random.Generator, shape: Shape) -> tuple[Numbers, Numbers]:
    score = rng.integers(1, 17, shape)
    cost = np.maximum(1, score + rng.integers(-1, 2, shape))
    return score * (WHOLE // 16), cost * (WHOLE // 16)


DRAWS: dict[str, Callable[[np.random.Generator, Shape], tuple[Numbers, Numbers]]] = {
    "uncorrelated": _uncorrelated,
    "weakly-correlated": _weakly_correlated,
    "strongly-correlated": _strongly_correlated,
    "inverse-strongly-correlated": _inverse_strongly_correlated,
    "subset-sum": _subset_sum,
    "even-odd": _even_odd,
    "spanner": _spanner,
    "circle": _circle,
    "profit-ceiling": _profit_ceiling,
    "coarse-scores": _coarse_scores,
}
FAMILIES = (*DRAWS, "chvatal")
GATED = ("softmax-correlated", "softmax-priced")


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
    `subset-sum` cost = score; `even-odd` is strongly correlated, with even scores and an odd
    threshold; `coarse-scores` (ours) has scores and costs in sixteenths, at most one apart.

    With R = 1000: `spanner` has multiples up to 10 of two strongly correlated experts per token; in
    `circle` the costs lie on an arc over the scores; `profit-ceiling` costs are scores rounded up
    to multiples of 3.

    `chvatal` is a subset sum with scores in 1 to 10^(K/2), at most 10^9 (Chvatal, Operations
    Research 28, 1980). Its scores lie on a grid of 2^-30, all others on the grid 2^-20. Costs are
    multiples of it, times 2^-10 J, so every sum is exact.

    Raises
    ------
    InputError
        If there is no such family.
    """
    shape = (num_tokens, num_experts)
    if family == "chvatal":
        scores = cost = _chvatal(rng, shape)
    elif family in DRAWS:
        score, price = DRAWS[family](rng, shape)
        scores, cost = np.asarray(score * gates.GRID), np.asarray(price * gates.GRID)
    else:
        raise InputError(f'family = "{family}"; allowed: {", ".join(FAMILIES)}')
    threshold = gates.share_threshold(scores, max_experts, share)
    if family == "even-odd":
        threshold = 2 * gates.floor_to_grid(threshold / 2) + gates.GRID
    return SelectionProblem(
        scores=scores,
        cost=cost * COST_UNIT_J,
        threshold=threshold,
        max_experts=max_experts,
        name=name,
        meta=meta or {},
    )


def _chvatal(rng: np.random.Generator, shape: Shape) -> NDArray[np.float64]:
    """Whole numbers up to 10^(K/2), scaled by a power of two to scores up to 1."""
    most = min(10 ** -(-shape[1] // 2), SHARPEST)
    return np.asarray(rng.integers(1, most + 1, shape) * 2.0 ** -most.bit_length())


def gated_knapsack(
    rng: np.random.Generator,
    name: str = "",
    meta: dict[str, Any] | None = None,
    *,
    family: str = "softmax-correlated",
    num_experts: int = 64,
    num_tokens: int = 32,
    max_experts: int = 8,
    share: float = 0.6,
    spread: float = 2.0,
    noise: float = 0.1,
) -> SelectionProblem:
    """Softmax gates of normal logits with standard deviation `spread`, and costs that follow them.

    `softmax-correlated`: cost = score plus up to `noise` times the mean score 1/K.
    `softmax-priced`: cost = the price of an expert, the same for all tokens, plus as much. Prices
    rise where more tokens choose an expert than on average, as those of links in a joint solve.
    Scores and costs lie on the grids of `knapsack`.

    Raises
    ------
    InputError
        If there is no such family.
    """
    if family not in GATED:
        raise InputError(f'family = "{family}"; allowed: {", ".join(GATED)}')
    logits = gates.random_logits(rng, num_tokens, num_experts, spread)
    scores = gates.to_grid(gates.softmax(logits))
    threshold = gates.share_threshold(scores, max_experts, share)
    price = _prices(scores, threshold) if family == "softmax-priced" else scores
    extra = noise / max(num_experts, 1) * rng.random(scores.shape)
    return SelectionProblem(
        scores=scores,
        cost=np.maximum(gates.to_grid(price + extra), gates.GRID) * COST_UNIT_J,
        threshold=threshold,
        max_experts=max_experts,
        name=name,
        meta=meta or {},
    )


def _prices(scores: NDArray[np.float64], threshold: NDArray[np.float64]) -> NDArray[np.float64]:
    """Prices after a few steps of an ascent, shape (K,), with a mean of 1/K.

    In each step the tokens take experts by price per score up to their threshold, and the prices of
    crowded experts rise.
    """
    experts = scores.shape[1]
    price: NDArray[np.float64] = np.ones(experts)
    for _ in range(30):
        order = np.argsort(price / np.maximum(scores, gates.GRID), axis=1, kind="stable")
        sums = np.cumsum(np.take_along_axis(scores, order, axis=1), axis=1)
        before = np.concatenate([np.zeros((len(sums), 1)), sums[:, :-1]], axis=1)
        load = np.bincount(order[before < threshold[:, None]], minlength=experts)
        crowd = load / max(load.mean(), gates.GRID)
        price *= np.clip(crowd, 0.5, 2.0) ** 0.2
    return np.asarray(price / price.sum())
