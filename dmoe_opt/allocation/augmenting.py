"""Shortest augmenting paths for assignments, which a time limit can end.

The steps and the ties are those of scipy's `linear_sum_assignment`, after D. F. Crouse, On
implementing 2D rectangular assignment algorithms, IEEE Transactions on Aerospace and Electronic
Systems 52, 2016. So the answer is the same, and compiled it takes as long; but scipy takes half a
second to import, and cannot be interrupted.
"""

from __future__ import annotations

import numpy as np

from dmoe_opt.compiling import cached


@cached(is_entry=True, nogil=True)
def augment(cost, stop, column_of):  # type: ignore[no-untyped-def]
    """Least-cost columns of the rows of `cost` (n, m), finite and n <= m, into `column_of` (n,).

    One row after the other gets a column, along the path on which the total rises least. When
    `stop` (1,) is set, the rows that are left keep their -1.
    """
    rows, columns = cost.shape
    u = np.zeros(rows)
    v = np.zeros(columns)
    shortest = np.empty(columns)
    path = np.full(columns, -1, np.int64)
    row_of = np.full(columns, -1, np.int64)
    remaining = np.empty(columns, np.int64)
    on_path = np.zeros(rows, np.bool_)
    left_behind = np.zeros(columns, np.bool_)
    for first in range(rows):
        # 1. Dijkstra's search from this row to a free column.
        least = 0.0
        shortest[:] = np.inf
        on_path[:] = False
        left_behind[:] = False
        for n in range(columns):
            remaining[n] = columns - n - 1
        count = columns
        i = first
        sink = -1
        while sink == -1:
            if stop[0]:
                return
            on_path[i] = True
            lowest = np.inf
            place = -1
            for n in range(count):
                j = remaining[n]
                reached = least + cost[i, j] - u[i] - v[j]
                if reached < shortest[j]:
                    path[j] = i
                    shortest[j] = reached
                if shortest[j] < lowest or (shortest[j] == lowest and row_of[j] == -1):
                    lowest = shortest[j]
                    place = n
            least = lowest
            j = remaining[place]
            if row_of[j] == -1:
                sink = j
            else:
                i = row_of[j]
            left_behind[j] = True
            count -= 1
            remaining[place] = remaining[count]
        # 2. The dual prices, so that no reduced cost is negative.
        u[first] += least
        for i in range(rows):
            if on_path[i] and i != first:
                u[i] += least - shortest[column_of[i]]
        for j in range(columns):
            if left_behind[j]:
                v[j] -= least - shortest[j]
        # 3. Exchange columns along the path.
        j = sink
        while True:
            i = path[j]
            row_of[j] = i
            j, column_of[i] = column_of[i], j
            if i == first:
                break
