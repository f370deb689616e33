"""Compiled exchanges of DES, step 5: incumbents for hard tokens.

For g, e, m, need, best and w see `des_bound`.
"""

from __future__ import annotations

import numpy as np

from dmoe_opt.compiling import cached
from dmoe_opt.selection.des_bound import (
    MEMBERS,
    NONE,
    OUT,
    PATH,
    SEL,
    TIE,
    VAL,
    R,
    keep,
    relaxed_set,
)
from dmoe_opt.selection.des_search import complete

PAIR = np.int64(2)  # a literal 2 would make numba compile `complete` once more
SOURCES = "3dc799a747e7c0b4"
"""Digest of the kernels that this file calls.

Numba's cache of this file does not notice a change there. This line does.
"""


@cached(nogil=True, _nrt=False)
def _join(g, order, n, j):
    """Put item j into `order`, n items by ascending score."""
    while n > 0 and g[order[n - 1]] > g[j]:
        order[n] = order[n - 1]
        n -= 1
    order[n] = j


@cached(nogil=True, _nrt=False)
def _leave(order, n, j):
    """Take item j out of `order` (n,)."""
    p = n - 1
    last = order[p]
    while last != j:
        p -= 1
        order[p], last = last, order[p]


@cached(nogil=True, _nrt=False)
def exchange(g, e, m, need, lam, n, best, w):
    """Improve the relaxed set of n experts by replacing two members by the best one or two others.

    Returns (best, size), with the members in w.whole[MEMBERS]; size is -1 if nothing better than
    `best` was found.
    """
    members = w.whole[MEMBERS]
    size, score, cost = relaxed_set(g, e, m, lam, n, n, w.real[R], w.whole[SEL], w.real[VAL])
    size = keep(size, g, e, m, lam, w.whole[SEL], members)
    order = w.order[0]
    inside = w.whole[PATH]
    for j in range(m):
        inside[j] = 0
    for k in range(size):
        inside[members[k]] = 1
    left = NONE  # the others by ascending score
    for j in range(m):
        if not inside[j]:
            _join(g, order, left, j)
            left += 1
    least = np.inf  # of the reduced costs of the others
    reached = cost if score >= need else np.inf
    tried = 0  # pairs since the last improvement
    a = 0
    b = 1
    total = size * (size - 1) // 2
    while tried < total:
        if tried == 0:
            least = np.inf
            for k in range(left):
                least = min(least, e[order[k]] - lam * g[order[k]])
        first = members[a]
        second = members[b]
        missing = need - score + g[first] + g[second]
        rest = cost - e[first] - e[second]
        tried += 1
        # Two that others of the least reduced cost could not replace are kept without a sweep.
        if missing > 0.0 and rest + lam * missing + min(least, 2.0 * least) < reached:
            price = complete(g, e, order, left, PAIR, missing, reached - rest, w.whole[OUT])
            if w.whole[OUT, 0] >= 0 and rest + price < reached * (1.0 - TIE):
                reached = rest + price
                _leave(order, left, w.whole[OUT, 0])
                _join(g, order, left - 1, first)
                members[a] = w.whole[OUT, 0]
                if w.whole[OUT, 1] >= 0:
                    _leave(order, left, w.whole[OUT, 1])
                    _join(g, order, left - 1, second)
                    members[b] = w.whole[OUT, 1]
                else:
                    _join(g, order, left, second)
                    left += 1
                    size -= 1
                    members[b] = members[size]
                score = 0.0
                cost = 0.0
                for k in range(size):
                    score += g[members[k]]
                    cost += e[members[k]]
                tried = 0
                total = size * (size - 1) // 2
        b += 1
        if b >= size:
            a += 1
            if a >= size - 1:
                a = 0
            b = a + 1
    if reached < best:
        return reached, size
    return best, -1
