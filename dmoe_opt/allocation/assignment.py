"""Subcarrier allocation (P3): links to subcarriers at least energy, a minimum-cost assignment.

One subcarrier per link is optimal: power is paid per subcarrier, so a set S costs
s0 q P0 / mean(r over S), never less than its best member alone. See docs/problems/allocation.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import Allocation, Selection
from dmoe_opt.data.instance import Instance

DEAD = 1e15  # stands for a subcarrier that a link cannot use, next to costs scaled to at most 1


def assign(cost: NDArray[np.float64]) -> NDArray[np.int64]:
    """Column of every row, each column used once, at least total cost.

    `cost` (rows, columns) is finite and >= 0, or inf where a row cannot use a column. The column is
    -1 where a row gets none that works. With more rows than columns the cheapest rows are served.

    Examples
    --------
    >>> import numpy as np
    >>> from dmoe_opt.allocation.assignment import assign
    >>> assign(np.array([[1.0, 2.0], [1.0, 9.0]])).tolist()
    [1, 0]
    """
    from scipy.optimize import linear_sum_assignment  # half a second, and experts alone need none

    columns = np.full(cost.shape[0], -1)
    finite = np.isfinite(cost)
    if not finite.any():
        return columns
    scale = float(cost[finite].max()) or 1.0
    rows, chosen = linear_sum_assignment(np.where(finite, cost / scale, DEAD))
    columns[rows] = np.where(finite[rows, chosen], chosen, -1)
    return columns


def allocate(instance: Instance, load: NDArray[np.int64]) -> Allocation | None:
    """Optimal allocation for loads q (N, N) of the links; None if not all of them can be served."""
    links = np.argwhere(load)
    if len(links) > instance.num_subcarriers:
        return None
    i, j = links.T
    columns = assign(load[i, j, None] * instance.link_energy[i, j])
    if (columns < 0).any():
        return None
    allocation = np.zeros(instance.link_energy.shape, dtype=bool)
    allocation[i, j, columns] = True
    return allocation


def serve(instance: Instance, selection: Selection) -> Decision | None:
    """A selection with the optimal allocation of its links; None if they cannot all be served."""
    decision = Decision(instance, selection)
    allocation = allocate(instance, decision.loads)
    return None if allocation is None else decision.with_allocation(allocation)
