"""Instances from one numpy Generator: radio rounds shaped like known models, and knapsack families.

Presets take their expert count, experts per token and hidden size (as payload, 16 bits a number) from the model
they are named after; gate logits, radio and energies are drawn (ours). Thresholds are a share of what a token's best
D experts reach, since the raw scores of fine-grained gates rarely sum to a fixed value such as 0.5. The `scarce`
presets have fewer subcarriers than the K(K-1) links: of their seeds 0 to 9, `scarce-8x36` has an answer to 9 and
`scarce-8x48` to 8, with at most 5 subcarriers to spare.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data import validate
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.data.radio import Radio
from dmoe_opt.errors import InputError
from dmoe_opt.generating import gates
from dmoe_opt.generating.fading import (
    log_distance_gains,
    rayleigh_gains,
    tapped_gains,
    with_interference,
)

COST_UNIT_J = 2.0**-10
"""Joules of a cost of 1 in the knapsack families; about a millijoule, and a power of two so that sums stay exact."""
NOISE_W = 1e-3
POWER_W = 1e-2
"""Noise and transmit power of one subcarrier; the drawn gains carry the signal-to-noise ratio."""


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
    threshold: float | None = None,
    spread: float = 2.0,
    gate: str = "softmax",
    compute_j: tuple[float, float] = (5e-5, 5e-4),
    **radio: Any,
) -> Instance:
    """A round on fading links.

    Tokens belong in turn to the first `num_sources` nodes (default: all). `spread` is the standard deviation of the
    gate logits; `share` the threshold as a share of what the best D experts reach, unless `threshold` gives one
    number for all tokens, which is rounded down to the grid. One token costs an expert between the two `compute_j`.
    `radio` are the options of `draw_radio`.
    """
    logits = gates.random_logits(rng, num_tokens, num_experts, spread)
    validate.word("gate", gate, tuple(gates.GATES))
    return round_of_scores(
        rng, gates.GATES[gate](logits), num_subcarriers=num_subcarriers, num_sources=num_sources or num_experts,
        max_experts=max_experts, hidden_size=hidden_size, share=share, threshold=threshold, compute_j=compute_j, **radio,
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
    threshold: float | None = None,
    compute_j: tuple[float, float],
    **radio: Any,
) -> Instance:
    """A round with given gate scores, put on the grid, on a drawn radio; options as in `radio_round`."""
    num_tokens, num_experts = scores.shape
    scores = gates.to_grid(scores)
    fixed = None if threshold is None else np.full(num_tokens, gates.floor_to_grid(threshold))
    return Instance(
        source=np.arange(num_tokens) % num_sources,
        scores=scores,
        threshold=gates.share_threshold(scores, max_experts, share) if fixed is None else fixed,
        max_experts=max_experts,
        compute_energy=np.asarray(rng.uniform(*compute_j, num_experts)),
        radio=draw_radio(rng, num_experts, num_subcarriers, 16 * hidden_size, **radio),
    )


def draw_radio(
    rng: np.random.Generator,
    num_experts: int,
    num_subcarriers: int,
    payload_bits: int,
    *,
    mean_snr_db: float = 10.0,
    bandwidth_hz: float = 1e6,
    fading: str = "rayleigh",
    taps: int = 4,
    tap_decay_db: float = 3.0,
    path_loss_exponent: float = 0.0,
    shadowing_db: float = 0.0,
    interference_db: float | None = None,
) -> Radio:
    """A radio of K nodes; the models are those of `fading.py`.

    Parameters
    ----------
    mean_snr_db
        Mean signal-to-noise ratio of a subcarrier without interference. With path loss: that of two nodes half a side
        of the square apart (about the median distance), without shadowing.
    bandwidth_hz
        Of one subcarrier.
    fading, taps, tap_decay_db
        `"rayleigh"`: independent over subcarriers; `"tapped"`: a delay line of at most M taps 1 / (M `bandwidth_hz`)
        seconds apart, each `tap_decay_db` weaker than the one before.
    path_loss_exponent, shadowing_db
        Of nodes placed uniformly in a square; 0 for none. Standard deviation of the shadowing.
    interference_db
        Mean interference-to-noise ratio of a subcarrier, the same for all links; None for none.

    Raises
    ------
    InputError
        If `fading` is unknown, or there are more taps than subcarriers.
    """
    validate.word("fading", fading, FADING)
    reference_gain = 10.0 ** (mean_snr_db / 10.0) * NOISE_W / POWER_W
    mean_gain: float | NDArray[np.float64] = reference_gain
    if path_loss_exponent or shadowing_db:
        positions = rng.random((num_experts, 2))
        mean_gain = log_distance_gains(
            rng, positions, reference_gain, path_loss_exponent, shadowing_db
        )
    if fading == "rayleigh":
        gains = rayleigh_gains(rng, num_experts, num_subcarriers, mean_gain)
    elif taps > num_subcarriers:
        raise validate.fail(
            "taps", taps, f"a whole number from 1 to the number of subcarriers, {num_subcarriers}"
        )
    else:
        gains = tapped_gains(rng, num_experts, num_subcarriers, mean_gain, taps, tap_decay_db)
    if interference_db is not None:
        gains = with_interference(rng, gains, 10.0 ** (interference_db / 10.0))
    return Radio(
        gains=gains,
        bandwidth_hz=bandwidth_hz,
        power_w=POWER_W,
        noise_w=NOISE_W,
        payload_bits=payload_bits,
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


FADING = ("rayleigh", "tapped")
FAMILIES = (
    "uncorrelated",
    "weakly-correlated",
    "strongly-correlated",
    "inverse-strongly-correlated",
    "subset-sum",
)

NR = {"bandwidth_hz": 360e3, "fading": "tapped", "path_loss_exponent": 3.0, "shadowing_db": 6.0}
"""5G New Radio at 30 kHz; a resource block of 12 subcarriers counts as one; 51, 133 and 273 of them fill 20, 50 and
100 MHz (3GPP TS 38.101-1, table 5.3.2-1). Path loss and shadowing are ours."""

PRESETS: dict[str, tuple[Callable[..., Instance | SelectionProblem], dict[str, Any]]] = {
    "tiny": (radio_round, {"num_experts": 3, "num_tokens": 6, "num_subcarriers": 6, "hidden_size": 256}),
    "edge-8x64": (radio_round, {"num_experts": 8, "num_tokens": 128, "num_subcarriers": 64}),
    "edge-12x132": (radio_round, {"num_experts": 12, "num_tokens": 96, "num_subcarriers": 132}),
    "edge-16x240": (radio_round, {"num_experts": 16, "num_tokens": 128, "num_subcarriers": 240}),
    "correlated-8x64": (radio_round, {"num_subcarriers": 64, "fading": "tapped"}),
    "interference-8x64": (radio_round, {"num_subcarriers": 64, "interference_db": 5.0}),
    "scarce-8x36": (radio_round, {"num_tokens": 64, "num_subcarriers": 36, "share": 0.65}),
    "scarce-8x48": (radio_round, {"num_tokens": 256, "num_subcarriers": 48, "share": 0.63, "spread": 1.0}),
    "scarce-16x150": (
        radio_round,
        {"num_experts": 16, "num_tokens": 512, "num_subcarriers": 150, "max_experts": 8, "threshold": 0.5},
    ),
    "wide-32x1024": (
        radio_round,
        {
            "num_experts": 32, "num_tokens": 1024, "num_subcarriers": 1024, "fading": "tapped",
            "path_loss_exponent": 3.0,
        },
    ),
    "nr-51": (radio_round, {"num_experts": 6, "num_tokens": 96, "num_subcarriers": 51} | NR),
    "nr-133": (radio_round, {"num_experts": 12, "num_tokens": 256, "num_subcarriers": 133} | NR),
    "nr-273": (radio_round, {"num_experts": 16, "num_tokens": 512, "num_subcarriers": 273} | NR),
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
    """The options of a preset and their values.

    Examples
    --------
    >>> from dmoe_opt.generating import presets
    >>> known = presets.options("edge-8x64")
    >>> known["num_tokens"], known["max_experts"], known["fading"]
    (128, 2, 'rayleigh')
    """
    function, given = _preset(preset)
    drawn = _defaults(draw_radio) if function is radio_round else {}
    return _defaults(function) | drawn | given


@cache
def _defaults(function: Callable[..., Any]) -> dict[str, Any]:
    return {
        n: p.default
        for n, p in inspect.signature(function).parameters.items()
        if p.kind is p.KEYWORD_ONLY
    }


def _preset(preset: str) -> tuple[Callable[..., Instance | SelectionProblem], dict[str, Any]]:
    if not isinstance(preset, str) or preset not in PRESETS:
        raise InputError(f'preset = "{preset}"; allowed: {", ".join(PRESETS)}')
    return PRESETS[preset]


OPTIONAL = ("num_sources", "threshold", "interference_db")
RANGES = {
    "mean_snr_db": (-200, 200),
    "interference_db": (-200, 200),
    "tap_decay_db": (0, 200),
    "shadowing_db": (0, 100),
    "path_loss_exponent": (0, 10),
    "threshold": (0, 10**6),
}


def check_radio(radio: Mapping[str, Any]) -> None:
    """Check options of `draw_radio`; raises `InputError`."""
    known = _defaults(draw_radio)
    for name, value in radio.items():
        if name not in known:
            raise InputError(f"option {name} is unknown to the radio; allowed: {', '.join(known)}")
        check_option(name, value)


def check_option(name: str, value: object) -> None:
    """Raise `InputError` if an option of a preset cannot have this value."""
    if name in OPTIONAL and value is None:
        return
    if name in ("gate", "family", "fading"):
        validate.word(name, value)
    elif name == "compute_j":
        low, high = validate.real_array(name, value, (2,))
        if low > high:
            raise validate.fail(name, value, "two energies, the smaller first")
    elif name in RANGES:
        least, most = RANGES[name]
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not least <= value <= most
        ):
            raise validate.fail(
                name,
                value,
                f"{'decibels' if name.endswith('_db') else 'a number'} in [{least}, {most}]",
            )
    elif name in ("share", "spread", "bandwidth_hz"):
        validate.real(name, value, positive=name == "bandwidth_hz")
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

    Examples
    --------
    >>> import dmoe_opt
    >>> dmoe_opt.generate("edge-8x64", seed=7, num_tokens=16)
    <Instance edge-8x64-s7: 16 tokens, 8 experts, 64 subcarriers>
    """
    function, given = _preset(preset)
    known = options(preset)
    if unknown := sorted(set(changes) - set(known)):
        raise InputError(
            f"option {unknown[0]} is unknown to preset {preset}; allowed: {', '.join(known)}"
        )
    seed = validate.whole("seed", seed, least=0)
    for name, value in changes.items():
        check_option(name, value)
    data = function(np.random.default_rng(seed), **(given | changes))
    meta = {"generator": "dmoe-opt", "preset": preset, "seed": seed, "options": known | changes}
    return data.replace(name=f"{preset}-s{seed}", meta=meta)
