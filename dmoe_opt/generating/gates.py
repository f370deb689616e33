"""Gate scores of the experts in a mixture, and the importance factor over its layers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

GRID = 2.0**-20
"""Scores and thresholds of generated instances are multiples of this: their sums are exact."""


def to_grid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round to the grid on which sums of scores are exact in float64."""
    return np.asarray(np.rint(values / GRID) * GRID)


def floor_to_grid(values: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """Round down to the grid.

    This is for thresholds, which must not rise above a sum that the scores can reach.
    """
    return np.asarray(np.floor(values / GRID) * GRID)


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Softmax over the last axis, as in Mixtral, OLMoE and Qwen3."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def normalised_sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sigmoid of every logit, divided by their sum, as in DeepSeek-V3."""
    # As the softmax of log-sigmoids, since a sum of tiny sigmoids would vanish.
    return softmax(-np.logaddexp(0.0, -logits))


GATES = {"softmax": softmax, "sigmoid": normalised_sigmoid}


def random_logits(
    rng: np.random.Generator, num_tokens: int, num_experts: int, spread: float
) -> NDArray[np.float64]:
    """Normal logits with standard deviation `spread`, shape (T, K).

    Every expert has a bias of its own, since gates have favourites.
    """
    bias = rng.normal(0.0, spread / 4.0, num_experts)
    return np.asarray(rng.normal(0.0, spread, (num_tokens, num_experts)) + bias)


def best_sum(scores: NDArray[np.float64], max_experts: int) -> NDArray[np.float64]:
    """Sum of the `max_experts` largest scores of every token, shape (T,)."""
    experts = scores.shape[1]
    others = experts - min(max_experts, experts)
    best = np.partition(scores, others, axis=1)[:, others:]
    return np.asarray(best.sum(axis=1))


def share_threshold(
    scores: NDArray[np.float64], max_experts: int, share: float
) -> NDArray[np.float64]:
    """Thresholds at a share of the sum of the best `max_experts` scores, shape (T,).

    They are rounded down to the grid.
    """
    return floor_to_grid(best_sum(scores, max_experts) * share)


def importance(layers: int, gamma0: float) -> NDArray[np.float64]:
    """Importance factor gamma^(l) = gamma0^l of layers l = 1..L, shape (L,).

    See docs/problems/layers.md.

    Examples
    --------
    >>> from dmoe_opt.generating.gates import importance
    >>> importance(3, 0.5).tolist()
    [0.5, 0.25, 0.125]
    """
    return np.asarray(gamma0 ** np.arange(1, layers + 1))
