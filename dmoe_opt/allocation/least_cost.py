"""The least-cost assignment of rows to columns, which all allocations of subcarriers use."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.allocation.augmenting import augment
from dmoe_opt.clock import NO_LIMIT, flag, is_over
from dmoe_opt.compiling import call

DEAD = 1e15  # stands for a subcarrier that a link cannot use, next to costs scaled to at most 1
LARGE = 2**18  # costs that are assigned in less than about 0.1 s, whatever the limit
LITTLE = 2**12  # costs that Python alone assigns in less than about 0.1 s


def assign(cost: NDArray[np.float64]) -> NDArray[np.int64]:
    """Column of every row, each column used once, at least total cost.

    `cost` (rows, columns) is finite and >= 0, or inf where a row cannot use a column. The column is
    -1 where a row gets none that works. With more rows than columns the cheapest rows are served.
    Where the time is up, rows that were not reached have -1, too.

    Examples
    --------
    >>> import numpy as np
    >>> from dmoe_opt.allocation.least_cost import assign
    >>> assign(np.array([[1.0, 2.0], [1.0, 9.0]])).tolist()
    [1, 0]
    """
    columns = np.full(cost.shape[0], -1)
    rows, chosen = match(_scaled(cost))
    columns[rows] = np.where(np.isfinite(cost[rows, chosen]), chosen, -1)
    return columns


def _scaled(cost: NDArray[np.float64]) -> NDArray[np.float64]:
    """Costs of at most 1, and `DEAD` for inf, one copy in the order in which `match` reads them.

    Few passes, as costs may fill 100 MB.
    """
    most = float(cost.max(initial=0.0))
    is_finite = math.isfinite(most)
    if not is_finite:
        most = float(cost.max(where=np.isfinite(cost), initial=0.0))
    turned = cost.shape[0] > cost.shape[1]
    scaled = np.divide(cost, most or 1.0, order="F" if turned else "C")
    return scaled if is_finite else np.minimum(scaled, DEAD, out=scaled)


def match(cost: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of an assignment at least total cost, as of scipy's function.

    `cost` (rows, columns) is finite. Where the time is up during a large assignment, some pairs are
    missing.
    """
    large = cost.size > LARGE
    if large and is_over():
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    stop = flag() if large else NO_LIMIT.flag
    turned = cost.shape[0] > cost.shape[1]
    costs = np.ascontiguousarray(cost.T if turned else cost)
    columns = np.full(len(costs), -1)
    call(augment, costs, stop, columns, little=cost.size <= LITTLE)
    rows = np.flatnonzero(columns >= 0)
    columns = columns[rows]
    if not turned:
        return rows, columns
    order = np.argsort(columns)
    return columns[order], rows[order]


def matching(works: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Subcarrier of every link in a largest matching (Hopcroft-Karp), shape (n,).

    It is -1 for a link without one.
    """
    from scipy.sparse import csr_array  # half a second, and few rounds need it
    from scipy.sparse.csgraph import maximum_bipartite_matching

    partner = maximum_bipartite_matching(csr_array(works), perm_type="column")
    return np.asarray(partner, dtype=np.int64)
