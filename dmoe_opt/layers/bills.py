"""The cost of a round of the protocol, by layer and by token."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.bill import tokens_per_joule
from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import Allocation
from dmoe_opt.data.radio import Radio
from dmoe_opt.errors import InputError
from dmoe_opt.joint.passages import passed, to_passages

COMPUTE_W = 1.0
"""Power of a node while its experts compute, one after another, W (our choice).

The computing time of a token is its computing energy over this power.
"""


@dataclass(frozen=True)
class LayerBill:
    """Cost and outcome of one round: times in s, energies in J, counts over all its tokens.

    Parameters
    ----------
    layer
        Number of the layer, from 1.
    threshold
        Relevance wanted per token.
    accuracy
        Share of the tokens that are classified right if the network ends after this layer; None
        without a task.
    energy_j
        The sum of communication, computation, waking experts and dropping tokens.
    latency_s
        Time on air of the slowest link, there and back (`air_s`), plus the computing time of the
        slowest node (`computing_s`).
    air_deadline_s, on_time
        Time by which every subcarrier should have sent its tokens, and whether all did; None
        without a deadline.
    dropped
        Tokens that are dropped, and go on to the next layer as they are.
    experts
        Visits of tokens to experts; `chosen` counts them for each expert.
    relevance
        Mean over the tokens of the sum of their chosen scores.
    shortfalls
        Tokens whose best D scores miss the threshold.
    gap
        Relative gap between energy and bound on the channel that the scheduler knew; None without
        a bound.
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
    waking_j: float = 0.0
    dropping_j: float = 0.0
    dropped: int = 0
    air_deadline_s: float | None = None
    on_time: bool | None = None


@dataclass(frozen=True)
class TokenBill:
    """Cost and outcome of one token in one round: its experts, and the energy of its visits, J.

    `experts` lists their numbers with spaces between them; a dropped token has none.
    """

    layer: int
    token: int
    source: int
    experts: str
    communication_j: float
    computation_j: float
    relevance: float
    shortfall: bool
    dropped: bool = False


def layer_bill(
    layer: int,
    decision: Decision,
    gap: float | None = None,
    accuracy: float | None = None,
    air_deadline_s: float | None = None,
) -> LayerBill:
    """The bill of a decision, over the channel of its round.

    `air_deadline_s` is the deadline of the layer; it was missed if the round is without one.

    Raises
    ------
    InputError
        If the round has no radio, and so no times on air.

    Examples
    --------
    >>> import dmoe_opt
    >>> from dmoe_opt.layers.bills import layer_bill
    >>> answer = dmoe_opt.solve(dmoe_opt.load("tiny-s1"), "jesa")
    >>> bill = layer_bill(1, answer.decision)
    >>> bill.tokens, bill.experts, bill.energy_j == answer.objective_j
    (6, 9, True)
    """
    instance = decision.instance
    chosen = decision.selection.sum(axis=0)
    _allocation_of(decision)
    bill = decision.bill
    at_nodes = np.bincount(instance.node_of, chosen * instance.compute_energy)
    computing_s = float(at_nodes.max() / COMPUTE_W)
    air_s = _slowest_link_s(decision)
    return LayerBill(
        layer=layer,
        threshold=float(instance.threshold.max(initial=0.0)),
        accuracy=accuracy,
        energy_j=decision.energy_j,
        communication_j=bill.sending_j,
        computation_j=bill.computing_j,
        latency_s=air_s + computing_s,
        air_s=air_s,
        computing_s=computing_s,
        rounds=1,
        tokens=instance.num_tokens,
        experts=int(chosen.sum()),
        relevance=float(decision.relevance.mean()),
        shortfalls=int(decision.problem.shortfall.sum()),
        gap=gap,
        chosen=tuple(chosen.tolist()),
        waking_j=bill.waking_j,
        dropping_j=bill.dropping_j,
        dropped=int(decision.dropped.sum()),
        air_deadline_s=air_deadline_s,
        on_time=None if air_deadline_s is None else instance.air_deadline_s is not None,
    )


def token_bills(layer: int, decision: Decision) -> list[TokenBill]:
    """The bill of a round by tokens.

    A token pays its share of the energy of every link that it uses, q tokens sharing equally.
    Waking experts and dropping tokens is not shared out.

    Examples
    --------
    >>> import dmoe_opt
    >>> from dmoe_opt.layers.bills import token_bills
    >>> answer = dmoe_opt.solve(dmoe_opt.load("tiny-s1"), "jesa")
    >>> [bill.experts for bill in token_bills(1, answer.decision)]
    ['1', '0 1', '0 2', '1', '0', '1 2']
    """
    instance = decision.instance
    price_j = to_passages(instance, _link_prices_j(decision))
    sending_j = np.where(passed(instance, decision.selection), price_j, 0.0).sum(axis=1)
    computing_j = decision.selection @ instance.compute_energy
    shortfall = decision.problem.shortfall
    bills = []
    for t in range(instance.num_tokens):
        experts = np.flatnonzero(decision.selection[t])
        bill = TokenBill(
            layer=layer,
            token=t,
            source=int(instance.source[t]),
            experts=" ".join(str(j) for j in experts),
            communication_j=float(sending_j[t]),
            computation_j=float(computing_j[t]),
            relevance=float(decision.relevance[t]),
            shortfall=bool(shortfall[t]),
            dropped=bool(decision.dropped[t]),
        )
        bills.append(bill)
    return bills


def _link_prices_j(decision: Decision) -> NDArray[np.float64]:
    """Energy that each link in use takes per token, J, shape (N, N); 0 for the others.

    On n subcarriers that is n / sum(1 / c), with c the energy of one token on one subcarrier; under
    a deadline, where subcarriers are filled in turn, the mean of c over the tokens.
    """
    allocation = _allocation_of(decision)
    i, j = np.nonzero(decision.loads)
    if decision.instance.air_tokens is not None:
        sent = decision.sent
        energy = np.where(sent > 0, decision.instance.link_energy, 0.0)
        price_j = np.zeros(decision.loads.shape)
        price_j[i, j] = (energy * sent).sum(axis=2)[i, j] / decision.loads[i, j]
        return price_j
    used = allocation[i, j].sum(axis=1)
    price_j = np.zeros(decision.loads.shape)
    price_j[i, j] = used / tokens_per_joule(decision.instance, allocation, i, j)
    return price_j


def _slowest_link_s(decision: Decision) -> float:
    """Time on air of the link that takes longest, there and back, s."""
    instance = decision.instance
    radio = instance.radio
    if not isinstance(radio, Radio):
        raise InputError(
            f"{instance.name}: has no radio; allowed: a round with one, for times on air"
        )
    ways = 2.0 if radio.round_trip else 1.0
    if instance.air_tokens is not None:
        sent = decision.sent
        used = sent > 0
        on_air_s = ways * radio.payload_bits * sent[used] / radio.rate_bit_s()[used]
        return float(on_air_s.max(initial=0.0))
    rates = np.where(_allocation_of(decision), radio.rate_bit_s(), 0.0).sum(axis=2)
    used = decision.loads > 0
    times_s = ways * radio.payload_bits * decision.loads[used] / rates[used]
    return float(times_s.max(initial=0.0))


def _allocation_of(decision: Decision) -> Allocation:
    if decision.allocation is None:
        raise InputError("the decision has no allocation; allowed: one that has, for a bill")
    return decision.allocation
