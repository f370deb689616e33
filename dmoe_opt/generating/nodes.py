"""Rounds of a router trace on N nodes, whatever the number of experts: for placements.

Nodes stay where they are, and so do the energies of the experts; fading is drawn for each round.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data import validate
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.radio import Radio
from dmoe_opt.errors import InputError
from dmoe_opt.generating import gates, presets
from dmoe_opt.generating.fading import log_distance_gains, rayleigh_gains
from dmoe_opt.generating.rounds import BITS_PER_NUMBER, NOISE_W, POWER_W
from dmoe_opt.generating.traces import Trace

TOKENS_OF_ROUND = 128


def rounds_on_nodes(
    trace: Trace,
    num_nodes: int,
    *,
    seed: int = 0,
    name: str = "trace",
    num_tokens: int | None = None,
    num_subcarriers: int = 64,
    max_experts: int | None = None,
    hidden_size: int = 4096,
    share: float = 0.7,
    path_loss_exponent: float = 3.0,
    mean_snr_db: float = 10.0,
    compute_j: tuple[float, float] = (5e-5, 5e-4),
) -> list[Instance]:
    """Rounds of up to 128 tokens of one layer each, called NAME-lLAYER-rROUND, in this order.

    `meta["layer"]` has the number of the layer. Tokens belong to the nodes in turn. The rounds have
    a placement in order, which is there to be replaced.

    Parameters
    ----------
    num_nodes
        Nodes N, drawn uniformly in a square.
    num_tokens
        Tokens drawn at random, the same in every layer; by default all.
    max_experts
        The cap D; by default the trace's experts per token.
    seed, num_subcarriers, hidden_size, share, path_loss_exponent, mean_snr_db, compute_j
        As in `rounds.radio_round`.

    Raises
    ------
    InputError
        One line naming option, value and what is allowed.

    Examples
    --------
    >>> import numpy as np
    >>> from dmoe_opt.generating.nodes import rounds_on_nodes
    >>> from dmoe_opt.generating.traces import Trace
    >>> trace = Trace(np.full((2, 130, 6), 0.125), experts_per_token=2)
    >>> [round_.name for round_ in rounds_on_nodes(trace, 4)]
    ['trace-l0-r0', 'trace-l0-r1', 'trace-l1-r0', 'trace-l1-r1']
    """
    _, tokens, experts = trace.scores.shape
    most = trace.experts_per_token if max_experts is None else max_experts
    if most is None:
        allowed = "it must be given, since the trace does not say experts_per_token"
        raise InputError(f"max_experts is missing; allowed: {allowed}")
    checked = {"num_subcarriers": num_subcarriers, "max_experts": most, "share": share}
    for option, value in checked.items():
        presets.check_option(option, value)
    validate.whole("seed", seed, least=0)
    nodes = validate.whole("num_nodes", num_nodes)
    wanted = tokens if num_tokens is None else validate.whole("num_tokens", num_tokens)
    if wanted > tokens:
        raise validate.fail("num_tokens", wanted, f"a whole number from 1 to {tokens}")
    kept = np.random.default_rng([seed]).permutation(tokens)[:wanted]
    rng = np.random.default_rng([seed, 0])
    reference = 10.0 ** (mean_snr_db / 10.0) * NOISE_W / POWER_W
    mean = log_distance_gains(rng, rng.random((nodes, 2)), reference, path_loss_exponent, 0.0)
    rounds = []
    for number, layer in zip(trace.layers, trace.scores, strict=True):
        rng = np.random.default_rng([seed, 1 + number])
        work = np.asarray(rng.uniform(*compute_j, experts))
        for first in range(0, wanted, TOKENS_OF_ROUND):
            scores = gates.to_grid(layer[kept[first : first + TOKENS_OF_ROUND]])
            gains = rayleigh_gains(rng, nodes, num_subcarriers, mean)
            rounds.append(
                Instance(
                    source=np.arange(first, first + len(scores)) % nodes,
                    scores=scores,
                    threshold=gates.share_threshold(scores, most, share),
                    max_experts=most,
                    compute_energy=work,
                    radio=_radio(gains, BITS_PER_NUMBER * hidden_size),
                    name=f"{name}-l{number}-r{first // TOKENS_OF_ROUND}",
                    meta=_meta(trace, seed, number),
                    placement=np.arange(experts) * nodes // experts,
                )
            )
    return rounds


def _radio(gains: NDArray[np.float64], payload_bits: int) -> Radio:
    return Radio(
        gains=gains, bandwidth_hz=1e6, power_w=POWER_W, noise_w=NOISE_W, payload_bits=payload_bits
    )


def _meta(trace: Trace, seed: int, layer: int) -> dict[str, Any]:
    return {"generator": "dmoe-opt", "source": trace.source, "seed": seed, "layer": layer}
