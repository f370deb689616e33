"""Subcarriers under a deadline (P3 with C7): a transport problem whose routes are taken whole.

A subcarrier serves one link and sends at most U of its tokens in time, so a link may need several.
Here is the quick way, a fill and exchanges; `joint.program` is exact.

1. Every link asks for as few subcarriers as could do, each for an equal share of its load.
2. An assignment gives them out; tokens that do not fit cost more than any that do.
3. Links that are still short ask for one more, and 2 is repeated.
4. Tokens fill the cheapest subcarriers first. Subcarriers are assigned again for the loads that
   they then carry, and filled again, as long as this saves energy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.allocation.least_cost import assign
from dmoe_opt.answer.bill import sent_tokens
from dmoe_opt.answer.objective import Allocation
from dmoe_opt.data.instance import Instance

MOST_EXCHANGES = 20
SAVING = 1e-12  # relative, below which exchanges end
LATE = 1e3  # a token that does not fit, in units of the most expensive one that does


def fill(instance: Instance, load: NDArray[np.int64]) -> Allocation | None:
    """Subcarriers for loads (N, N) of the links under a deadline; None if none were found."""
    assert instance.air_tokens is not None
    links = np.argwhere(load)
    i, n = links.T
    room = np.minimum(instance.air_tokens[i, n], load[i, n, None])
    energy = np.where(room > 0, instance.link_energy[i, n], np.inf)
    chosen = _shared_out(load[i, n], room, energy)
    if chosen is None:
        return None
    allocation = np.zeros(instance.link_energy.shape, dtype=bool)
    allocation[i, n] = chosen
    return _exchanged(instance, load, allocation) if len(links) else allocation


def fewest(load: NDArray[np.int64], room: NDArray[np.int64]) -> NDArray[np.int64]:
    """Subcarriers that each link needs at least, from loads (n,) and room (n, M).

    It is M + 1 where all together cannot send the load.
    """
    most = np.sort(room, axis=1)[:, ::-1].cumsum(axis=1)
    return np.asarray((most < load[:, None]).sum(axis=1) + 1)


def _shared_out(
    load: NDArray[np.int64], room: NDArray[np.int64], energy: NDArray[np.float64]
) -> NDArray[np.bool_] | None:
    """Steps 1 to 3: True where a link (n,) gets a subcarrier (n, M)."""
    asked = fewest(load, room)
    chosen = np.zeros(room.shape, dtype=bool)
    finite = energy[np.isfinite(energy)]
    late_j = LATE * float(finite.max(initial=0.0)) or 1.0
    while asked.sum() <= room.shape[1]:
        link = np.repeat(np.arange(len(load)), asked)
        share = -(-load // np.maximum(asked, 1))[link, None]
        sent = np.minimum(room[link], share)
        cost = np.where(sent > 0, np.where(sent > 0, energy[link], 0.0) * sent, np.inf)
        column = assign(cost + late_j * (share - sent))
        chosen[:] = False
        chosen[link[column >= 0], column[column >= 0]] = True
        short = np.where(chosen, room, 0).sum(axis=1) < load
        if not short.any():
            return chosen
        asked = asked + short
    return None


def _exchanged(instance: Instance, load: NDArray[np.int64], allocation: Allocation) -> Allocation:
    """Step 4: the allocation after exchanges, without subcarriers that carry nothing."""
    assert instance.air_tokens is not None
    energy_j = np.inf
    best = allocation
    for _ in range(MOST_EXCHANGES):
        sent = sent_tokens(instance, allocation, load)
        i, n, m = np.nonzero(sent)
        spent_j = float((sent[i, n, m] * instance.link_energy[i, n, m]).sum())
        if spent_j >= energy_j * (1 - SAVING):
            break
        energy_j, best = spent_j, sent > 0
        carried = sent[i, n, m][:, None]
        fits = instance.air_tokens[i, n] >= carried
        cost = np.where(fits, carried * np.where(fits, instance.link_energy[i, n], 0.0), np.inf)
        column = assign(cost)
        allocation = np.zeros(allocation.shape, dtype=bool)
        allocation[i, n, column] = True
    return best
