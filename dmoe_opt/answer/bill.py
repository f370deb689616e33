"""What a round costs, by cause: the objective of every method, in one place."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data.instance import Instance

Selection = NDArray[np.bool_]
Allocation = NDArray[np.bool_]


class Bill(NamedTuple):
    """Energies of a round, J: experts, waking them, links, and the prices of dropped tokens.

    Examples
    --------
    >>> import dmoe_opt
    >>> answer = dmoe_opt.solve(dmoe_opt.load("tiny-s1"), "jesa")
    >>> bill = answer.decision.bill
    >>> bill.total_j == answer.objective_j, bill.waking_j, bill.dropping_j
    (True, 0.0, 0.0)
    """

    computing_j: float
    waking_j: float
    sending_j: float
    dropping_j: float

    @property
    def total_j(self) -> float:
        """The objective, J."""
        return self.computing_j + self.sending_j + self.waking_j + self.dropping_j

    @property
    def apart_from_sending_j(self) -> float:
        """What the choice of experts alone decides, J."""
        return self.computing_j + self.waking_j + self.dropping_j


def bill_of(
    instance: Instance, selection: Selection, allocation: Allocation, load: NDArray[np.int64]
) -> Bill:
    """The bill of a decision whose links have these loads (N, N); inf where a link cannot send.

    Without a deadline a link with load q and n subcarriers costs P0 n s0 q / (sum of their rates).
    In terms of c, the energy of one token on one subcarrier, that is q n / sum(1 / c). Under a
    deadline its tokens fill its cheapest subcarriers first, up to U tokens each.
    """
    sending = _shared if instance.air_tokens is None else _filled
    waking_j = dropping_j = 0.0
    if instance.wake_energy is not None:
        waking_j = float(selection.any(axis=0) @ instance.wake_energy)
    if instance.drop_price is not None:
        dropping_j = float(dropped(instance, selection) @ instance.drop_price)
    return Bill(
        computing_j=float(selection.sum(axis=0) @ instance.compute_energy),
        waking_j=waking_j,
        sending_j=sending(instance, allocation, load),
        dropping_j=dropping_j,
    )


def dropped(instance: Instance, selection: Selection) -> NDArray[np.bool_]:
    """Tokens that are dropped, (T,): no experts, and a need for some; none without prices."""
    if instance.drop_price is None:
        return np.zeros(instance.num_tokens, dtype=bool)
    return np.asarray(~selection.any(axis=1) & (instance.selection_problem().need_units > 0))


def sent_tokens(
    instance: Instance, allocation: Allocation, load: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Tokens on every subcarrier under a deadline, the cheapest of a link first, (N, N, M).

    A link that cannot send its whole load in time sends what it can.
    """
    assert instance.air_tokens is not None
    used = allocation & (load > 0)[:, :, None]
    i, j, m = np.nonzero(used)
    order = np.lexsort((instance.link_energy[i, j, m], i * len(load) + j))
    i, j, m = i[order], j[order], m[order]
    room = instance.air_tokens[i, j, m]
    before = room.cumsum() - room
    first = np.append(True, (np.diff(i) != 0) | (np.diff(j) != 0))[: len(i)]
    before -= np.maximum.accumulate(np.where(first, before, 0))
    sent = np.zeros(allocation.shape, dtype=np.int64)
    sent[i, j, m] = np.clip(load[i, j] - before, 0, room)
    return sent


def _filled(instance: Instance, allocation: Allocation, load: NDArray[np.int64]) -> float:
    sent = sent_tokens(instance, allocation, load)
    if (sent.sum(axis=2) < load).any():
        return float("inf")
    used = sent > 0
    return float((sent[used] * instance.link_energy[used]).sum())


def _shared(instance: Instance, allocation: Allocation, load: NDArray[np.int64]) -> float:
    i, j = np.nonzero(load)
    rates = tokens_per_joule(instance, allocation, i, j)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        used = allocation[i, j].sum(axis=1)
        return float(np.where(rates > 0, load[i, j] * used / rates, np.inf).sum())


def tokens_per_joule(
    instance: Instance, allocation: Allocation, i: NDArray[np.int64], j: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Sum of 1/c over the subcarriers of links i[n] -> j[n]; 0 for a link without one that works.

    c is the energy of one token on one subcarrier, J.
    """
    link, m = np.nonzero(allocation[i, j])  # few of all
    with np.errstate(divide="ignore", over="ignore"):
        rates = 1.0 / instance.link_energy[i[link], j[link], m]
    return np.asarray(np.bincount(link, rates, len(i)), dtype=np.float64)
