"""What a round of the protocol costs, by layer and by token."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dmoe_opt.answer.objective import (
    Allocation,
    Selection,
    loads,
    relevance,
    round_energy_j,
    tokens_per_joule,
)
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.radio import Radio
from dmoe_opt.errors import InputError

COMPUTE_W = 1.0
"""Power of a node while its expert computes (ours); the time of a token is its energy over this."""


@dataclass(frozen=True)
class LayerBill:
    """What one round cost and reached. Times in s, energies in J; counts are over all tokens of the round.

    `accuracy` is that of the classifier read off after this layer, None without a task. `latency_s` is the slowest link
    (there and back) plus the slowest node; `gap` what the scheduler left unproven on the channel that it knew; `chosen`
    how many tokens used each expert.
    """

    layer: int
    threshold: float
    accuracy: float | None
    energy_j: float
    communication_j: float
    computation_j: float
    latency_s: float
    air_s: float
    computing_s: float
    rounds: int
    tokens: int
    experts: int
    relevance: float
    shortfalls: int
    gap: float | None
    chosen: tuple[int, ...]


@dataclass(frozen=True)
class TokenBill:
    """What one token cost and reached in one round: its experts, and the energy of its visits, J."""

    layer: int
    token: int
    source: int
    experts: str
    communication_j: float
    computation_j: float
    relevance: float
    shortfall: bool


def layer_bill(
    layer: int,
    true: Instance,
    selection: Selection,
    allocation: Allocation,
    gap: float | None,
    accuracy: float | None,
) -> LayerBill:
    """What the round costs over the true channel."""
    problem = true.selection_problem()
    energy_j = round_energy_j(true, selection, allocation)
    computation_j = float(selection.sum(axis=0) @ true.compute_energy)
    air_s = _slowest_link_s(true, selection, allocation)
    computing_s = float((selection.sum(axis=0) * true.compute_energy).max() / COMPUTE_W)
    return LayerBill(
        layer=layer,
        threshold=float(true.threshold.max(initial=0.0)),
        accuracy=accuracy,
        energy_j=energy_j,
        communication_j=energy_j - computation_j,
        computation_j=computation_j,
        latency_s=air_s + computing_s,
        air_s=air_s,
        computing_s=computing_s,
        rounds=1,
        tokens=true.num_tokens,
        experts=int(selection.sum()),
        relevance=float(relevance(problem, selection).mean()),
        shortfalls=int(problem.shortfall.sum()),
        gap=gap,
        chosen=tuple(selection.sum(axis=0).tolist()),
    )


def token_bills(
    layer: int, true: Instance, selection: Selection, allocation: Allocation
) -> list[TokenBill]:
    """The bill of a round by tokens: on a link with several subcarriers each token pays an equal share."""
    problem = true.selection_problem()
    i, j = np.nonzero(loads(true, selection))
    price = np.zeros((true.num_experts, true.num_experts))
    price[i, j] = allocation[i, j].sum(axis=1) / tokens_per_joule(true, allocation, i, j)
    sending = np.where(selection, price[true.source], 0.0).sum(axis=1).tolist()
    computing = (selection @ true.compute_energy).tolist()
    reached, short = relevance(problem, selection).tolist(), problem.shortfall.tolist()
    return [
        TokenBill(
            layer, t, int(true.source[t]), " ".join(map(str, np.flatnonzero(selection[t]))), *values
        )
        for t, values in enumerate(zip(sending, computing, reached, short, strict=True))
    ]


def _slowest_link_s(true: Instance, selection: Selection, allocation: Allocation) -> float:
    """Time on air of the link that takes longest, there and back, s."""
    if not isinstance(true.radio, Radio):
        raise InputError(f"{true.name}: has no radio; allowed: a round with one, for times on air")
    rates = np.where(allocation, true.radio.rate_bit_s(), 0.0).sum(axis=2)
    load = loads(true, selection)
    ways = 2.0 if true.radio.round_trip else 1.0
    used = load > 0
    return float((ways * true.radio.payload_bits * load[used] / rates[used]).max(initial=0.0))
