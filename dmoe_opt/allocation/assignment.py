"""Subcarrier allocation (P3): links to subcarriers at least energy, a minimum-cost assignment.

One subcarrier per link is optimal: power is paid per subcarrier, so a set S costs
s0 q P0 / mean(r over S), never less than its best member alone. See docs/problems/allocation.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.allocation.least_cost import assign as assign  # also a name of this module
from dmoe_opt.allocation.least_cost import matching
from dmoe_opt.allocation.transport import fill
from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import Allocation, Selection
from dmoe_opt.clock import is_over
from dmoe_opt.data.instance import Instance


def allocate(instance: Instance, load: NDArray[np.int64]) -> Allocation | None:
    """Optimal allocation for loads q (N, N) of the links; None if not all of them can be served.

    Under a deadline it is a good one, and None if none was found. Where the time is up, links that
    were not reached get the best subcarriers that are left.
    """
    if instance.air_tokens is not None:
        return fill(instance, load)
    links = np.argwhere(load)
    if len(links) > instance.num_subcarriers:
        return None
    i, j = links.T
    cost = load[i, j, None] * instance.link_energy[i, j]
    columns = assign(cost)
    if (columns < 0).any() and is_over():
        columns = completed(cost, columns)
    if (columns < 0).any():
        return None
    allocation = np.zeros(instance.link_energy.shape, dtype=bool)
    allocation[i, j, columns] = True
    return allocation


def completed(cost: NDArray[np.float64], columns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Columns (n,) where each row without one takes the cheapest that is free.

    If that does not serve all rows, any columns that do.
    """
    columns = columns.copy()
    taken = np.zeros(cost.shape[1], dtype=bool)
    taken[columns[columns >= 0]] = True
    for row in np.flatnonzero(columns < 0):
        free = np.where(taken, np.inf, cost[row])
        column = int(free.argmin())
        if not np.isfinite(free[column]):
            return matching(np.isfinite(cost))
        columns[row] = column
        taken[column] = True
    return columns


def serve(instance: Instance, selection: Selection) -> Decision | None:
    """A selection with the allocation of its links by `allocate`; None if it has none."""
    decision = Decision(instance, selection)
    allocation = allocate(instance, decision.loads)
    return None if allocation is None else decision.with_allocation(allocation)
