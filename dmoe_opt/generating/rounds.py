"""Rounds drawn at random: gate scores on fading links."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data import validate
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.radio import Radio
from dmoe_opt.errors import InputError
from dmoe_opt.generating import gates
from dmoe_opt.generating.fading import (
    log_distance_gains,
    rayleigh_gains,
    tapped_gains,
    with_interference,
)

FADING = ("rayleigh", "tapped")
NOISE_W = 1e-3
POWER_W = 1e-2
"""Noise and transmit power of one subcarrier; drawn gains carry the signal-to-noise ratio."""
BITS_PER_NUMBER = 16
"""Of the hidden state that is sent."""


def radio_round(
    rng: np.random.Generator,
    name: str = "",
    meta: dict[str, Any] | None = None,
    *,
    num_experts: int = 8,
    experts_per_node: int | None = None,
    send_once: bool = False,
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
    drop_price: float | None = None,
    capacity: int | None = None,
    wake_energy: float | None = None,
    air_deadline_s: float | None = None,
    **radio: Any,
) -> Instance:
    """A round on fading links.

    Parameters
    ----------
    name, meta
        As in `Instance`.
    experts_per_node
        Experts are dealt to nodes in order, so many to each; None for one expert per node and no
        `placement`.
    send_once
        As in `Instance`.
    num_sources
        Tokens belong in turn to the first nodes, so many of them; by default all.
    hidden_size
        Numbers of 16 bits that are sent per token.
    share
        The threshold as a share of what the best D experts of a token reach.
    threshold
        One threshold for all tokens in place of `share`; it is rounded down to the grid.
    spread, gate
        Standard deviation of the gate logits, and a name in `gates.GATES`.
    compute_j
        The least and the largest energy of an expert for one token, J.
    drop_price, capacity, wake_energy, air_deadline_s
        As in `Instance`, the same for all tokens or experts; None for none.
    radio
        Options of `draw_radio`.
    """
    logits = gates.random_logits(rng, num_tokens, num_experts, spread)
    validate.word("gate", gate, tuple(gates.GATES))
    round_ = round_of_scores(
        rng,
        gates.GATES[gate](logits),
        name,
        meta,
        num_subcarriers=num_subcarriers,
        num_sources=num_sources,
        max_experts=max_experts,
        hidden_size=hidden_size,
        share=share,
        threshold=threshold,
        compute_j=compute_j,
        experts_per_node=experts_per_node,
        send_once=send_once,
        **radio,
    )
    rules = {
        "drop_price": drop_price,
        "capacity": None if capacity is None else np.full(num_experts, capacity),
        "wake_energy": None if wake_energy is None else np.full(num_experts, float(wake_energy)),
        "air_deadline_s": air_deadline_s,
    }
    given = {name: rule for name, rule in rules.items() if rule is not None}
    return round_.replace(**given) if given else round_


def round_of_scores(
    rng: np.random.Generator,
    scores: NDArray[np.float64],
    name: str = "",
    meta: dict[str, Any] | None = None,
    *,
    num_subcarriers: int,
    num_sources: int | None = None,
    max_experts: int,
    hidden_size: int,
    share: float,
    threshold: float | None = None,
    compute_j: tuple[float, float],
    experts_per_node: int | None = None,
    send_once: bool = False,
    **radio: Any,
) -> Instance:
    """A round with given gate scores (T, K), put on the grid, on a drawn radio.

    The options are those of `radio_round`.
    """
    if send_once and experts_per_node is None:
        raise InputError("send_once is given without experts_per_node; allowed: both, or none")
    num_tokens, num_experts = scores.shape
    scores = gates.to_grid(scores)
    if threshold is None:
        thresholds = gates.share_threshold(scores, max_experts, share)
    else:
        thresholds = np.full(num_tokens, gates.floor_to_grid(threshold))
    payload_bits = BITS_PER_NUMBER * hidden_size
    placement = None if experts_per_node is None else np.arange(num_experts) // experts_per_node
    num_nodes = num_experts if placement is None else int(placement[-1]) + 1
    return Instance(
        source=np.arange(num_tokens) % (num_sources or num_nodes),
        scores=scores,
        threshold=thresholds,
        max_experts=max_experts,
        compute_energy=np.asarray(rng.uniform(*compute_j, num_experts)),
        radio=draw_radio(rng, num_nodes, num_subcarriers, payload_bits, **radio),
        name=name,
        meta=meta or {},
        placement=placement,
        send_once=send_once,
    )


def draw_radio(
    rng: np.random.Generator,
    num_nodes: int,
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
    """A radio of N nodes; the models are those of `fading`.

    Parameters
    ----------
    payload_bits, round_trip
        As in `Radio`.
    mean_snr_db
        Mean signal-to-noise ratio of a subcarrier without interference. With path loss it is the
        ratio of two nodes half a side of the square apart (about the median distance), without
        shadowing.
    bandwidth_hz
        Of one subcarrier.
    fading, taps, tap_decay_db
        `"rayleigh"` is independent over subcarriers; `"tapped"` is a delay line of at most M taps
        1 / (M `bandwidth_hz`) seconds apart, each `tap_decay_db` weaker than the one before.
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
    if fading == "tapped" and taps > num_subcarriers:
        allowed = f"a whole number from 1 to the number of subcarriers, {num_subcarriers}"
        raise validate.fail("taps", taps, allowed)
    reference_gain = 10.0 ** (mean_snr_db / 10.0) * NOISE_W / POWER_W
    mean_gain: float | NDArray[np.float64] = reference_gain
    if path_loss_exponent or shadowing_db:
        positions = rng.random((num_nodes, 2))
        mean_gain = log_distance_gains(
            rng, positions, reference_gain, path_loss_exponent, shadowing_db
        )
    if fading == "rayleigh":
        gains = rayleigh_gains(rng, num_nodes, num_subcarriers, mean_gain)
    else:
        gains = tapped_gains(rng, num_nodes, num_subcarriers, mean_gain, taps, tap_decay_db)
    if interference_db is not None:
        gains = with_interference(rng, gains, 10.0 ** (interference_db / 10.0))
    gains.flags.writeable = False  # the radio shares such an array, and these are large
    return Radio(
        gains=gains,
        bandwidth_hz=bandwidth_hz,
        power_w=POWER_W,
        noise_w=NOISE_W,
        payload_bits=payload_bits,
        round_trip=round_trip,
    )
