"""Rounds on a drawn radio: gate scores, energies of the experts and fading links.

Everything comes from one numpy Generator. The arguments before `*` say what a round is made of and
is called; those after it are the options of the presets, with their default values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data import validate
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.radio import Radio
from dmoe_opt.generating import gates
from dmoe_opt.generating.fading import (
    log_distance_gains,
    rayleigh_gains,
    tapped_gains,
    with_interference,
)

NOISE_W = 1e-3
POWER_W = 1e-2
"""Noise and transmit power of a subcarrier, W; the gains carry the signal-to-noise ratio."""
BITS_PER_NUMBER = 16
"""Size of one number of a hidden state, as models send them in half precision."""
FADING = ("rayleigh", "tapped")


def radio_round(
    rng: np.random.Generator,
    name: str,
    meta: dict[str, Any],
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
    """A round with drawn gate scores on fading links.

    Parameters
    ----------
    rng
        Draws everything.
    name, meta
        As in `Instance`.
    num_experts, num_tokens, num_subcarriers
        Sizes K, T and M.
    num_sources
        Tokens belong in turn to the first so many nodes; default: all.
    max_experts
        Most experts per token, D.
    hidden_size
        Numbers in a hidden state, of 16 bits each.
    share
        Threshold as a share of what the best D experts reach.
    threshold
        One threshold for all tokens in place of the share; it is rounded down to the grid.
    spread
        Standard deviation of the gate logits.
    gate
        `"softmax"` or `"sigmoid"`.
    compute_j
        Least and most energy of an expert for one token, J.
    radio
        Options of `draw_radio`.

    Raises
    ------
    InputError
        If `gate` or `fading` is unknown, or a value is out of range.
    """
    logits = gates.random_logits(rng, num_tokens, num_experts, spread)
    validate.word("gate", gate, tuple(gates.GATES))
    return round_of_scores(
        rng,
        gates.GATES[gate](logits),
        name,
        meta,
        num_subcarriers=num_subcarriers,
        num_sources=num_sources or num_experts,
        max_experts=max_experts,
        hidden_size=hidden_size,
        share=share,
        threshold=threshold,
        compute_j=compute_j,
        **radio,
    )


def round_of_scores(
    rng: np.random.Generator,
    scores: NDArray[np.float64],
    name: str,
    meta: dict[str, Any],
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
    """A round with given gate scores on a drawn radio.

    Parameters
    ----------
    scores
        Gate scores in [0, 1], shape (T, K); they are put on the grid of 2^-20.
    rng, name, meta, num_subcarriers, num_sources, max_experts, hidden_size, share, threshold
        As in `radio_round`.
    compute_j, radio
        As in `radio_round`.

    Raises
    ------
    InputError
        If a value is out of range.
    """
    num_tokens, num_experts = scores.shape
    scores = gates.to_grid(scores)
    if threshold is None:
        thresholds = gates.share_threshold(scores, max_experts, share)
    else:
        thresholds = np.full(num_tokens, gates.floor_to_grid(threshold))
    # The order of the two draws is part of what a seed means.
    compute_energy = np.asarray(rng.uniform(*compute_j, num_experts))
    links = draw_radio(rng, num_experts, num_subcarriers, BITS_PER_NUMBER * hidden_size, **radio)
    return Instance(
        source=np.arange(num_tokens) % num_sources,
        scores=scores,
        threshold=thresholds,
        max_experts=max_experts,
        compute_energy=compute_energy,
        radio=links,
        name=name,
        meta=meta,
    )


def draw_radio(
    rng: np.random.Generator,
    num_experts: int,
    num_subcarriers: int,
    payload_bits: int,
    round_trip: bool = False,
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
    """A radio between K nodes; the models are those of `fading.py`.

    Parameters
    ----------
    rng
        Draws the gains.
    num_experts, num_subcarriers
        Sizes K and M.
    payload_bits
        Size of one hidden state, bits.
    round_trip
        Whether the result comes back too, as in `Radio`. It is no option of the presets.
    mean_snr_db
        Mean signal-to-noise ratio of a subcarrier without interference, dB. With path loss it is
        the ratio of two nodes half a side of the square apart (about the median distance), without
        shadowing.
    bandwidth_hz
        Bandwidth of one subcarrier, Hz.
    fading, taps, tap_decay_db
        `"rayleigh"`: independent over subcarriers. `"tapped"`: a delay line of at most M taps,
        1 / (M `bandwidth_hz`) seconds apart, each `tap_decay_db` weaker than the one before.
    path_loss_exponent
        Exponent of the path loss between nodes placed uniformly in a square; 0 for none.
    shadowing_db
        Standard deviation of the shadowing, dB; 0 for none.
    interference_db
        Mean interference-to-noise ratio of a subcarrier, dB, the same for all links; None for none.

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
    else:
        _check_taps(taps, num_subcarriers)
        gains = tapped_gains(rng, num_experts, num_subcarriers, mean_gain, taps, tap_decay_db)
    if interference_db is not None:
        gains = with_interference(rng, gains, 10.0 ** (interference_db / 10.0))
    return Radio(
        gains=gains,
        bandwidth_hz=bandwidth_hz,
        power_w=POWER_W,
        noise_w=NOISE_W,
        payload_bits=payload_bits,
        round_trip=round_trip,
    )


def _check_taps(taps: int, num_subcarriers: int) -> None:
    if taps > num_subcarriers:
        allowed = f"a whole number from 1 to the number of subcarriers, {num_subcarriers}"
        raise validate.fail("taps", taps, allowed)
