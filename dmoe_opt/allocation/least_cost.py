"""The least-cost assignment of rows to columns, which all allocations of subcarriers use."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DEAD = 1e15  # stands for a subcarrier that a link cannot use, next to costs scaled to at most 1


def assign(cost: NDArray[np.float64]) -> NDArray[np.int64]:
    """Column of every row, each column used once, at least total cost.

    `cost` (rows, columns) is finite and >= 0, or inf where a row cannot use a column. The column is
    -1 where a row gets none that works. With more rows than columns the cheapest rows are served.

    Examples
    --------
    >>> import numpy as np
    >>> from dmoe_opt.allocation.least_cost import assign
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
