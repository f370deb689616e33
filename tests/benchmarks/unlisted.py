"""Families of tokens that no list of the literature has, drawn to find what DES is bad at.

Each entry of `DRAWS` draws scores in [0, 1] and costs in mJ, both (T, K). They lie on no grid,
unless the family is about one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dmoe_opt import SelectionProblem

Numbers = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, int]], tuple[Numbers, Numbers]]


def _two_clusters(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Numbers, Numbers]:
    big = rng.random(shape) < 0.5
    score = np.where(big, 0.4, 0.02) * rng.uniform(0.95, 1.05, shape)
    return score, score * rng.uniform(0.98, 1.02, shape)


def _geometric(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Numbers, Numbers]:
    power = rng.permuted(np.tile(np.arange(shape[1]), (shape[0], 1)), axis=1)
    score = 0.5 * 0.9**power
    return score, score * rng.uniform(0.9, 1.1, shape)


def _reciprocal(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Numbers, Numbers]:
    score = rng.uniform(0.01, 1.0, shape)
    return score, 1 / score


def _zipf_ties(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Numbers, Numbers]:
    rank = rng.zipf(1.6, shape).clip(1, 64)
    return 1.0 / rank, 1.0 / rank + rng.uniform(0, 0.05, shape)


def _half_free(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Numbers, Numbers]:
    score = rng.random(shape)
    return score, np.where(rng.random(shape) < 0.5, 0.0, score + 0.1)


def _three_scores(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Numbers, Numbers]:
    score = rng.choice([0.17, 0.31, 0.53], shape)
    return score, score + rng.uniform(0, 0.05, shape)


def _square_root(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Numbers, Numbers]:
    score = rng.random(shape)
    return score, np.sqrt(score)


def _square(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Numbers, Numbers]:
    score = rng.random(shape)
    return score, score**2


def _equal_costs(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Numbers, Numbers]:
    return rng.random(shape), np.ones(shape)


def _two_costs(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Numbers, Numbers]:
    return rng.random(shape), rng.choice([1.0, np.sqrt(2.0)], shape)


def _wide(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Numbers, Numbers]:
    score = 10 ** rng.uniform(-6, 0, shape)
    return score, score * 10 ** rng.uniform(-1, 1, shape)


def _nearly_equal(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Numbers, Numbers]:
    return 1 / shape[1] * rng.uniform(1, 1.0001, shape), rng.uniform(1, 1.0001, shape)


def _opposed(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Numbers, Numbers]:
    score = rng.random(shape)
    return score, 1 - score


def _steps(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Numbers, Numbers]:
    score = rng.integers(1, 1001, shape) / 1024
    return score, score + np.where(rng.integers(0, 6, shape) == 0, 0.3, 0.2)


def _fine_sums(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Numbers, Numbers]:
    score = rng.random(shape)
    return score, score * rng.uniform(1, 1.0001, shape)


def _coarse_costs(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Numbers, Numbers]:
    score = rng.random(shape)
    return score, np.ceil(8 * score) / 8


def _dear_giant(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Numbers, Numbers]:
    score = rng.uniform(0.01, 0.1, shape)
    score[:, 0] = 0.9
    cost = score + 0.01
    cost[:, 0] = 0.95
    return score, cost


def _softmax_square(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Numbers, Numbers]:
    score = np.exp(2 * rng.standard_normal(shape))
    score /= score.sum(axis=1, keepdims=True)
    return score, np.sqrt(score) * rng.uniform(0.95, 1.05, shape)


def _spikes(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Numbers, Numbers]:
    score = rng.uniform(0.001, 0.01, shape)
    spike = rng.random(shape) < 0.03
    score = np.where(spike, rng.uniform(0.5, 1, shape), score)
    return score, score * rng.uniform(0.9, 1.1, shape)


def _avis(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Numbers, Numbers]:
    """A subset sum (Avis, in Chvatal, Operations Research 28, 1980)."""
    number = shape[1]
    rank = rng.permuted(np.tile(np.arange(1, number + 1), (shape[0], 1)), axis=1)
    score = number * (number + 1) + rank
    score = score / score.max()
    return score, score.copy()


def _fibonacci(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Numbers, Numbers]:
    numbers = [1, 2]
    while len(numbers) < 20:
        numbers.append(numbers[-1] + numbers[-2])
    score = rng.choice(np.array(numbers), shape) / numbers[-1]
    return score, score * rng.choice([1.0, 1.01, 1.02], shape)


def _multi_group(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Numbers, Numbers]:
    """Noisy groups, each half the one before (Jooken, Leyman, De Causmaecker, EJOR 301, 2022)."""
    score = 0.5 ** rng.integers(1, 7, shape) + rng.integers(0, 300, shape) / 2**20
    return score, score + rng.integers(0, 300, shape) / 2**20


def _stairs(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Numbers, Numbers]:
    score = rng.random(shape)
    return score, np.floor(5 * score) / 5 + 0.2 + 0.05 * score


def _near_ties(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Numbers, Numbers]:
    score = rng.choice(np.linspace(0.1, 1, 10), shape) - rng.uniform(0, 1e-6, shape)
    return score, score + rng.uniform(0, 1e-6, shape) + 0.1


def _inverse_noise(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Numbers, Numbers]:
    cost = rng.random(shape)
    return 0.9 * cost + 0.1, cost + rng.uniform(0, 0.002, shape)


def _four_clusters(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Numbers, Numbers]:
    score = rng.choice([0.9, 0.3, 0.1, 0.03], shape) * rng.uniform(0.97, 1.03, shape)
    return score, score * rng.choice([1, 1.03], shape) * rng.uniform(0.99, 1.01, shape)


DRAWS: dict[str, Draw] = {
    "two-clusters": _two_clusters,
    "geometric": _geometric,
    "reciprocal": _reciprocal,
    "zipf-ties": _zipf_ties,
    "half-free": _half_free,
    "three-scores": _three_scores,
    "square-root": _square_root,
    "square": _square,
    "equal-costs": _equal_costs,
    "two-costs": _two_costs,
    "wide": _wide,
    "nearly-equal": _nearly_equal,
    "opposed": _opposed,
    "steps": _steps,
    "fine-sums": _fine_sums,
    "coarse-costs": _coarse_costs,
    "dear-giant": _dear_giant,
    "softmax-square": _softmax_square,
    "spikes": _spikes,
    "avis": _avis,
    "fibonacci": _fibonacci,
    "multi-group": _multi_group,
    "stairs": _stairs,
    "near-ties": _near_ties,
    "inverse-noise": _inverse_noise,
    "four-clusters": _four_clusters,
}


def draw(family: str, experts: int, cap: int, tokens: int, share: float) -> SelectionProblem:
    """Tokens (seed 5) whose thresholds are a share of their best `cap` scores."""
    score, cost = DRAWS[family](np.random.default_rng(5), (tokens, experts))
    best = np.sort(score, axis=1)[:, -cap:].sum(axis=1)
    return SelectionProblem(scores=score, cost=cost * 1e-3, threshold=share * best, max_experts=cap)
