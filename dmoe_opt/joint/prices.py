"""The Lagrangian of a round (P2) at prices on links.

Let token t of node i pay lambda[t, j] for passing the link i -> j, and let the link earn it. Then

    L(lambda) = sum_t DES_t(a + lambda)
                - max over matchings m of sum_ij sum_t (lambda[t, j] - c[i, j, m(i, j)])^+

bounds every round from below: tokens choose experts at these prices, links choose subcarriers (C3)
for what they earn, and nothing else ties the two together.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt import clock
from dmoe_opt.allocation.least_cost import match
from dmoe_opt.answer.objective import Allocation, Selection
from dmoe_opt.compiling import cached, call
from dmoe_opt.data.instance import Instance
from dmoe_opt.selection import des

LITTLE = 2**14  # prices times subcarriers that Python alone adds up while numba would load


class PricedRound(NamedTuple):
    """L at some prices.

    `value_j` is L; `selection` the experts that tokens choose, `allocation` the subcarriers that
    links take, `passes` (T, K) who may pass. `bounds` (T,) are those of DES and `earned` (N, N, M)
    what each link would earn on each subcarrier, J.
    """

    value_j: float
    selection: Selection
    allocation: Allocation
    passes: Selection
    bounds: NDArray[np.float64]
    earned: NDArray[np.float64]


@cached(is_entry=True, nogil=True)
def _earnings(  # type: ignore[no-untyped-def]
    order, first, node_of, prices, link_energy, best, stop, earned
):
    """What every link i -> n would earn on every subcarrier, added to `earned` (N, N, M).

    The tokens of node i are order[first[i]:first[i+1]].
    """
    for i in range(best.shape[0]):
        for j in range(len(node_of)):
            n = node_of[j]
            if n == i or stop[0]:
                continue
            for place in range(first[i], first[i + 1]):
                price = prices[order[place], j]
                if price > best[i, n]:
                    for m in range(link_energy.shape[2]):
                        earned[i, n, m] += max(price - link_energy[i, n, m], 0.0)


def earnings(instance: Instance, prices: NDArray[np.float64]) -> NDArray[np.float64]:
    """What every link would earn on every subcarrier at prices (T, K), J, shape (N, N, M).

    It raises `TimeUp` where the time is up before.
    """
    order = np.argsort(instance.source, kind="stable")
    first = np.searchsorted(instance.source[order], np.arange(instance.num_nodes + 1))
    earned = np.zeros(instance.link_energy.shape)
    energies = instance.link_energy, instance.best_link_energy
    stop = clock.flag()
    little = prices.shape[0] * earned[0].size <= LITTLE
    call(_earnings, order, first, instance.node_of, prices, *energies, stop, earned, little=little)
    clock.check()
    return earned


def evaluate_at(instance: Instance, prices: NDArray[np.float64]) -> PricedRound:
    """L and its parts at prices (T, K); own experts are priced 0.

    It raises `TimeUp` where the time is up before.

    Examples
    --------
    At the least prices the bound is the relaxed one:

    >>> import dmoe_opt
    >>> from dmoe_opt.selection.relaxed import relaxed_bound
    >>> from dmoe_opt.joint import prices
    >>> round_ = dmoe_opt.load("tiny-s1")
    >>> priced = prices.evaluate_at(round_, round_.to_experts(round_.best_link_energy))
    >>> round(priced.value_j / relaxed_bound(round_)[1], 9)
    1.0
    """
    problem = instance.selection_problem()
    # Prices can make costs follow scores, the hard case of DES: its bound is enough here.
    selection, bounds = des.choose(
        problem, instance.compute_energy + prices, problem.usable, des.QUICK_NODES
    )
    earned = earnings(instance, prices)
    i, j = np.nonzero(earned.max(axis=2, initial=0.0) > 0)
    lost = earned[i, j]  # can be as large as the gains of the round: no second copy
    rows, columns = match(np.negative(lost, out=lost))
    clock.check()
    i, j = i[rows], j[rows]
    taken = earned[i, j, columns] > 0
    i, j, columns = i[taken], j[taken], columns[taken]
    allocation = np.zeros(earned.shape, dtype=bool)
    allocation[i, j, columns] = True
    cost = np.full(earned.shape[:2], np.inf)
    cost[i, j] = instance.link_energy[i, j, columns]
    value_j = float(bounds.sum() - earned[i, j, columns].sum())
    passes = prices > instance.to_experts(cost)
    return PricedRound(value_j, selection, allocation, passes, bounds, earned)


def rents_of(earned: NDArray[np.float64], allocation: Allocation) -> NDArray[np.float64]:
    """Least dual prices of the subcarriers (M,) of a matching of links (.., .., M).

    They are longest paths of exchanges, found by the method of Bellman and Ford. It raises `TimeUp`
    where the time is up before.
    """
    served = allocation.any(axis=2)
    rent = np.asarray(earned[~served].max(axis=0, initial=0.0))
    i, j, m = np.nonzero(allocation)
    asks = earned[i, j] - earned[i, j, m][:, None]
    for _ in range(len(m)):
        clock.check()
        raised = np.maximum((asks + rent[m][:, None]).max(axis=0, initial=0.0), rent)
        if (raised == rent).all():
            break
        rent = raised
    return rent
