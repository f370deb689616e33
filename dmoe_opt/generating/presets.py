"""Instances from one numpy Generator, by the name of a preset.

Presets take their number of experts, experts per token and hidden size from the model that they are
named after. Gate logits, radio and energies are drawn (ours). Thresholds are a share of what the
best D experts of a token reach, since the raw scores of fine-grained gates rarely sum to a fixed
value such as 0.5. The `scarce` presets have fewer subcarriers than the K(K-1) links: of their seeds
0 to 9, `scarce-8x36` has an answer to 9 and `scarce-8x48` to 8, with at most 5 subcarriers to
spare. In the small `contested` rounds, strong interference leaves the same few good subcarriers to
all links; in the `heavy-tailed` ones links are weak and shadowed as well, so that their energies
differ by orders of magnitude. `deadline`, `capacity`, `wake` and `rich` rounds have optional rules.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np

from dmoe_opt.data import validate
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.errors import InputError
from dmoe_opt.generating.knapsacks import FAMILIES, GATED, gated_knapsack, knapsack
from dmoe_opt.generating.rounds import draw_radio, radio_round

NR = {"bandwidth_hz": 360e3, "fading": "tapped", "path_loss_exponent": 3.0, "shadowing_db": 6.0}
"""5G New Radio at 30 kHz: a resource block of 12 subcarriers counts as one; 51, 133 and 273 of them
fill 20, 50 and 100 MHz (3GPP TS 38.101-1, table 5.3.2-1). Path loss and shadowing are ours."""

CONTESTED = {"interference_db": 30.0}
HEAVY_TAILED = {"interference_db": 20.0, "mean_snr_db": -10.0, "shadowing_db": 12.0}

LATE = {"air_deadline_s": 0.06}
LIMITED = {"capacity": 32, "wake_energy": 2e-3, "drop_price": 1e-3} | LATE

PRESETS: dict[str, tuple[Callable[..., Instance | SelectionProblem], dict[str, Any]]] = {
    "tiny": (
        radio_round,
        {"num_experts": 3, "num_tokens": 6, "num_subcarriers": 6, "hidden_size": 256},
    ),
    "edge-8x64": (radio_round, {"num_experts": 8, "num_tokens": 128, "num_subcarriers": 64}),
    "edge-12x132": (radio_round, {"num_experts": 12, "num_tokens": 96, "num_subcarriers": 132}),
    "edge-16x240": (radio_round, {"num_experts": 16, "num_tokens": 128, "num_subcarriers": 240}),
    "correlated-8x64": (radio_round, {"num_subcarriers": 64, "fading": "tapped"}),
    "interference-8x64": (radio_round, {"num_subcarriers": 64, "interference_db": 5.0}),
    "scarce-8x36": (radio_round, {"num_tokens": 64, "num_subcarriers": 36, "share": 0.65}),
    "scarce-8x48": (
        radio_round,
        {"num_tokens": 256, "num_subcarriers": 48, "share": 0.63, "spread": 1.0},
    ),
    "contested-3x4": (
        radio_round,
        {"num_experts": 3, "num_tokens": 9, "num_subcarriers": 4, "share": 0.6} | CONTESTED,
    ),
    "contested-4x8": (
        radio_round,
        {"num_experts": 4, "num_tokens": 16, "num_subcarriers": 8, "share": 0.5} | CONTESTED,
    ),
    "contested-6x20": (
        radio_round,
        {"num_experts": 6, "num_tokens": 24, "num_subcarriers": 20} | CONTESTED,
    ),
    "heavy-tailed-4x8": (
        radio_round,
        {"num_experts": 4, "num_tokens": 16, "num_subcarriers": 8, "share": 0.5} | HEAVY_TAILED,
    ),
    "heavy-tailed-6x20": (
        radio_round,
        {"num_experts": 6, "num_tokens": 24, "num_subcarriers": 20} | HEAVY_TAILED,
    ),
    "scarce-16x150": (
        radio_round,
        {
            "num_experts": 16,
            "num_tokens": 512,
            "num_subcarriers": 150,
            "max_experts": 8,
            "threshold": 0.5,
        },
    ),
    "wide-32x1024": (
        radio_round,
        {
            "num_experts": 32,
            "num_tokens": 1024,
            "num_subcarriers": 1024,
            "fading": "tapped",
            "path_loss_exponent": 3.0,
        },
    ),
    "deadline-8x64": (radio_round, LATE),
    "capacity-8x64": (radio_round, {"capacity": 32}),
    "wake-12x132": (
        radio_round,
        {"num_experts": 12, "num_tokens": 96, "num_subcarriers": 132, "wake_energy": 2e-3},
    ),
    "rich-8x64": (radio_round, LIMITED),
    "rich-16x273": (
        radio_round,
        {"num_experts": 16, "num_tokens": 512, "num_subcarriers": 273} | LIMITED | {"capacity": 64},
    ),
    "nr-51": (radio_round, {"num_experts": 6, "num_tokens": 96, "num_subcarriers": 51} | NR),
    "nr-133": (radio_round, {"num_experts": 12, "num_tokens": 256, "num_subcarriers": 133} | NR),
    "nr-273": (radio_round, {"num_experts": 16, "num_tokens": 512, "num_subcarriers": 273} | NR),
    "mixtral-8": (radio_round, {"num_experts": 8, "max_experts": 2, "hidden_size": 4096}),
    "olmoe-64": (
        radio_round,
        {
            "num_experts": 64,
            "max_experts": 8,
            "hidden_size": 2048,
            "num_sources": 2,
            "num_subcarriers": 128,
        },
    ),
    "qwen3-128": (
        radio_round,
        {
            "num_experts": 128,
            "max_experts": 8,
            "hidden_size": 2048,
            "num_sources": 1,
            "num_subcarriers": 128,
        },
    ),
    "deepseek-256": (
        radio_round,
        {
            "num_experts": 256,
            "max_experts": 8,
            "hidden_size": 7168,
            "num_sources": 1,
            "num_subcarriers": 32,
            "gate": "sigmoid",
        },
    ),
    "mixtral-8-on-4": (
        radio_round,
        {"num_experts": 8, "experts_per_node": 2, "max_experts": 2, "hidden_size": 4096},
    ),
    "olmoe-64-on-8": (
        radio_round,
        {"num_experts": 64, "experts_per_node": 8, "max_experts": 8, "hidden_size": 2048},
    ),
    "qwen3-128-on-16": (
        radio_round,
        {
            "num_experts": 128,
            "experts_per_node": 8,
            "max_experts": 8,
            "hidden_size": 2048,
            "num_subcarriers": 273,
        },
    ),
    "deepseek-256-on-16": (
        radio_round,
        {
            "num_experts": 256,
            "experts_per_node": 16,
            "max_experts": 8,
            "hidden_size": 7168,
            "num_subcarriers": 273,
            "gate": "sigmoid",
        },
    ),
    **{family: (knapsack, {"family": family}) for family in FAMILIES},
    **{family: (gated_knapsack, {"family": family}) for family in GATED},
}


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
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}


def _preset(preset: str) -> tuple[Callable[..., Instance | SelectionProblem], dict[str, Any]]:
    if not isinstance(preset, str) or preset not in PRESETS:
        raise InputError(f'preset = "{preset}"; allowed: {", ".join(PRESETS)}')
    return PRESETS[preset]


LIMITS = ("drop_price", "capacity", "wake_energy", "air_deadline_s")
OPTIONAL = ("experts_per_node", "num_sources", "threshold", "interference_db", *LIMITS)
FLAGS = ("send_once",)
WORDS = ("gate", "family", "fading")
NUMBERS = ("share", "spread", "noise", "bandwidth_hz", *LIMITS)
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
    if name in WORDS:
        validate.word(name, value)
    elif name in FLAGS:
        validate.flag(name, value)
    elif name == "compute_j":
        low, high = validate.real_array(name, value, (2,))
        if low > high:
            raise validate.fail(name, value, "two energies, the smaller first")
    elif name in RANGES:
        _check_range(name, value)
    elif name in NUMBERS and name != "capacity":
        validate.real(name, value, positive=name == "bandwidth_hz")
    else:
        validate.whole(name, value, least=0 if name in ("num_tokens", "capacity") else 1)


def _check_range(name: str, value: object) -> None:
    least, most = RANGES[name]
    number = validate.scalar(value)
    if isinstance(number, int | float) and not isinstance(number, bool) and least <= number <= most:
        return
    kind = "decibels" if name.endswith("_db") else "a number"
    raise validate.fail(name, value, f"{kind} in [{least}, {most}]")


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
        option = f"option {unknown[0]} is unknown to preset {preset}"
        raise InputError(f"{option}; allowed: {', '.join(known)}")
    seed = validate.whole("seed", seed, least=0)
    for name, value in changes.items():
        check_option(name, value)
    absent = [name for name in LIMITS if (known | changes).get(name) is None]
    told = {name: value for name, value in (known | changes).items() if name not in absent}
    meta = {"generator": "dmoe-opt", "preset": preset, "seed": seed, "options": told}
    rng = np.random.default_rng(seed)
    return function(rng, f"{preset}-s{seed}", meta, **(given | changes))
