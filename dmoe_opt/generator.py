"""Instances from one numpy Generator: radio rounds shaped like known models, and knapsack families.

Presets take their expert count, experts per token and hidden size (as payload, 16 bits a number) from the model
they are named after; gate logits, radio and energies are drawn (ours). Thresholds are a share of what a token's best
D experts reach, since the raw scores of fine-grained gates rarely sum to a fixed value such as 0.5.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmoe_opt import gates, validate
from dmoe_opt.instance import Instance, SelectionProblem
from dmoe_opt.radio import Radio, rayleigh_gains
from dmoe_opt.validate import InputError

COST_UNIT_J = 2.0**-10
"""Joules of a cost of 1 in the knapsack families: about a millijoule, and a power of two so that sums stay exact."""


def radio_round(
    rng: np.random.Generator,
    *,
    num_experts: int = 8,
    num_tokens: int = 128,
    num_subcarriers: int = 64,
    num_sources: int | None = None,
    max_experts: int = 2,
    hidden_size: int = 4096,
    share: float = 0.7,
    spread: float = 2.0,
    gate: str = "softmax",
    mean_snr_db: float = 10.0,
    compute_j: tuple[float, float] = (5e-5, 5e-4),
) -> Instance:
    """A round on Rayleigh-fading links.

    Tokens belong in turn to the first `num_sources` nodes (default: all). `spread` is the standard deviation of the
    gate logits; `share` the threshold as a share of what the best D experts reach. A subcarrier has 1 MHz, 10 mW and
    the mean signal-to-noise ratio `mean_snr_db`; one token costs an expert between the two `compute_j`.
    """
    logits = gates.random_logits(rng, num_tokens, num_experts, spread)
    squash = {"softmax": gates.softmax, "sigmoid": gates.normalised_sigmoid}
    if gate not in squash:
        raise InputError(f'gate = "{gate}"; allowed: "softmax" or "sigmoid"')
    return round_of_scores(
        rng, squash[gate](logits), num_subcarriers=num_subcarriers, num_sources=num_sources or num_experts,
        max_experts=max_experts, hidden_size=hidden_size, share=share, mean_snr_db=mean_snr_db, compute_j=compute_j,
    )  # fmt: skip


def round_of_scores(
    rng: np.random.Generator,
    scores: NDArray[np.float64],
    *,
    num_subcarriers: int,
    num_sources: int,
    max_experts: int,
    hidden_size: int,
    share: float,
    mean_snr_db: float,
    compute_j: tuple[float, float],
) -> Instance:
    """A round with given gate scores, put on the grid, on a drawn radio; options as in `radio_round`."""
    num_tokens, num_experts = scores.shape
    scores = gates.to_grid(scores)
    noise_w = 1e-3
    power_w = 1e-2
    mean_gain = 10.0 ** (mean_snr_db / 10.0) * noise_w / power_w
    return Instance(
        source=np.arange(num_tokens) % num_sources,
        scores=scores,
        threshold=gates.share_threshold(scores, max_experts, share),
        max_experts=max_experts,
        compute_energy=np.asarray(rng.uniform(*compute_j, num_experts)),
        radio=Radio(
            gains=rayleigh_gains(rng, num_experts, num_subcarriers, mean_gain),
            bandwidth_hz=1e6,
            power_w=power_w,
            noise_w=noise_w,
            payload_bits=16 * hidden_size,
        ),
    )


def knapsack(
    rng: np.random.Generator,
    *,
    family: str = "uncorrelated",
    num_experts: int = 64,
    num_tokens: int = 32,
    max_experts: int = 8,
    share: float = 0.6,
) -> SelectionProblem:
    """Covering knapsacks with a cap, in the families of the knapsack literature (Pisinger, C&OR 32, 2005).

    With R = 1: uncorrelated costs; `weakly-correlated` cost in score +- R/10; `strongly-correlated` cost = score +
    R/10; `inverse-strongly-correlated` score = cost + R/10; `subset-sum` cost = score. Scores lie on the grid, and
    costs are grid multiples of 2^-10 J, so every sum is exact.
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
    )


FAMILIES = ("uncorrelated", "weakly-correlated", "strongly-correlated", "inverse-strongly-correlated", "subset-sum")

PRESETS: dict[str, tuple[Callable[..., Instance | SelectionProblem], dict[str, Any]]] = {
    "tiny": (radio_round, {"num_experts": 3, "num_tokens": 6, "num_subcarriers": 6, "hidden_size": 256}),
    "edge-8x64": (radio_round, {"num_experts": 8, "num_tokens": 128, "num_subcarriers": 64}),
    "mixtral-8": (radio_round, {"num_experts": 8, "max_experts": 2, "hidden_size": 4096}),
    "olmoe-64": (
        radio_round,
        {"num_experts": 64, "max_experts": 8, "hidden_size": 2048, "num_sources": 2, "num_subcarriers": 128},
    ),
    "qwen3-128": (
        radio_round,
        {"num_experts": 128, "max_experts": 8, "hidden_size": 2048, "num_sources": 1, "num_subcarriers": 128},
    ),
    "deepseek-256": (
        radio_round,
        {
            "num_experts": 256, "max_experts": 8, "hidden_size": 7168, "num_sources": 1, "num_subcarriers": 32,
            "gate": "sigmoid",
        },
    ),
    **{family: (knapsack, {"family": family}) for family in FAMILIES},
}  # fmt: skip


def options(preset: str) -> dict[str, Any]:
    """The options of a preset and their values."""
    function, given = _preset(preset)
    defaults = {n: p.default for n, p in inspect.signature(function).parameters.items() if n != "rng"}
    return defaults | given


def _preset(preset: str) -> tuple[Callable[..., Instance | SelectionProblem], dict[str, Any]]:
    if not isinstance(preset, str) or preset not in PRESETS:
        raise InputError(f'preset = "{preset}"; allowed: {", ".join(PRESETS)}')
    return PRESETS[preset]


def _check_option(name: str, value: object) -> None:
    if name == "num_sources" and value is None:
        return
    if name in ("gate", "family"):
        validate.word(name, value)
    elif name == "compute_j":
        low, high = validate.real_array(name, value, (2,))
        if low > high:
            raise validate.fail(name, value, "two energies, the smaller first")
    elif name == "mean_snr_db":
        if not isinstance(value, int | float) or not -200 <= value <= 200:
            raise validate.fail(name, value, "decibels in [-200, 200]")
    elif name in ("share", "spread"):
        validate.real(name, value, positive=False)
    else:
        validate.whole(name, value, least=0 if name == "num_tokens" else 1)


def generate(preset: str, seed: int = 0, **changes: Any) -> Instance | SelectionProblem:
    """An instance of a preset; the same seed and options give the same instance.

    Parameters
    ----------
    preset
        A name in `PRESETS`.
    seed
        Seed of the one numpy Generator that draws everything.
    changes
        Options of the preset to change, see `options(preset)`: for example `num_tokens=1000`.
    """
    function, given = _preset(preset)
    known = options(preset)
    if unknown := sorted(set(changes) - set(known)):
        raise InputError(f"option {unknown[0]} is unknown to preset {preset}; allowed: {', '.join(known)}")
    seed = validate.whole("seed", seed, least=0)
    for name, value in changes.items():
        _check_option(name, value)
    data = function(np.random.default_rng(seed), **(given | changes))
    meta = {"generator": "dmoe-opt", "preset": preset, "seed": seed, "options": known | changes}
    return data.replace(name=f"{preset}-s{seed}", meta=meta)
