"""Compiled sets of a given size, for step 5 of DES: which items they need, and their bound.

For g, e, m, need, best, size and w see `des_bound`.
"""

from __future__ import annotations

import numpy as np

from dmoe_opt.compiling import cached
from dmoe_opt.selection.des_bound import (
    ANSWER,
    BEST,
    INDEX,
    NONE,
    PATH,
    SEL,
    VAL,
    R,
    best_dual,
    smallest,
    sums,
)

SOURCES = "4e8972cc5561e11b"
"""Digest of the kernels that this file calls.

Numba's cache of this file does not notice a change there. This line does.
"""
NOTHING = np.int64(-1)
PEAK = 2.0  # a best score above this many times the mean of the best ones is decided first
FINEST = 2.0**-40  # remainders of costs up to 1 below this are rounding


@cached(nogil=True, _nrt=False)
def common_unit(values, m, least):
    """Greatest number of which all values are multiples, but for remainders below `least`.

    Returns (unit, error), where error is the largest distance of a value from a multiple.
    """
    unit = 0.0
    highest = 0.0
    for j in range(m):
        highest = max(highest, values[j])
        other = values[j]
        while other > least:
            rest = unit % other if unit > 0.0 else 0.0
            unit = other
            other = rest if other - rest > least else 0.0
    if unit == 0.0:
        return 0.0, 0.0
    unit = highest / np.rint(highest / unit)
    error = 0.0
    for j in range(m):
        error = max(error, abs(values[j] - np.rint(values[j] / unit) * unit))
    return unit, error


@cached(nogil=True, _nrt=False)
def note_answer(first, members, found, depth, w):
    """Make the taken items of the path and `members`, numbered from item `first` on, the answer.

    Returns its size. The answer has the numbers of experts, since items change places.
    """
    size = 0
    for p in range(depth):
        if w.whole[PATH, p]:
            w.whole[ANSWER, size] = w.whole[INDEX, p]
            size += 1
    for k in range(found):
        w.whole[ANSWER, size] = w.whole[INDEX, first + members[k]]
        size += 1
    return size


@cached(nogil=True, _nrt=False)
def swap(g, e, index, a, b):
    """Let two items change places."""
    g[a], g[b] = g[b], g[a]
    e[a], e[b] = e[b], e[a]
    index[a], index[b] = index[b], index[a]


@cached(nogil=True, _nrt=False)
def settle(g, e, first, m, missing, rest, w):
    """Sort the items from `first` on into certain ones, open ones and impossible ones.

    They are about sets of `rest` of these items that reach `missing`. Returns the places where the
    open items begin and end.
    """
    index = w.whole[INDEX]
    value = w.real[VAL]
    left = m - first
    for j in range(left):
        w.real[R, j] = -g[first + j]
    n = smallest(w.real[R], left, min(rest + 1, left), np.inf, w.whole[SEL], value)
    slack = -missing
    if n < rest:
        return first, m
    for k in range(rest):
        slack -= value[k]
    if slack < 0.0:
        return first, m
    most = slack - value[rest] if n > rest else -1.0  # without an item above, the others miss
    least = -value[rest - 1] - slack  # with an item below, the best others miss
    begin = first
    for j in range(first, m):
        if g[j] > most:
            swap(g, e, index, begin, j)
            begin += 1
    end = m
    j = begin
    while j < end:
        if g[j] < least:
            end -= 1
            swap(g, e, index, j, end)
        else:
            j += 1
    return begin, end


@cached(nogil=True, _nrt=False)
def bound_size(g, e, m, need, n, best, size, w):
    """Bound and price of the sets of n items; returns (bound, lam, best, size)."""
    begin, end = settle(g, e, NONE, m, need, n, w)
    score, cost = sums(g, e, begin)
    for p in range(begin):
        w.whole[PATH, p] = 1
    if score >= need or begin == n:
        if score >= need and cost < best:
            best = cost
            size = note_answer(begin, w.whole[BEST], NONE, begin, w)
        return (cost if score >= need else np.inf), 0.0, best, size
    rest = n - begin
    bound, lam, near, found = best_dual(
        g[begin:], e[begin:], end - begin, need - score, rest, rest, best - cost, NOTHING, w
    )
    if found >= 0 and cost + near < best:
        best = cost + near
        size = note_answer(begin, w.whole[BEST], found, begin, w)
    return cost + bound, lam, best, size


@cached(nogil=True, _nrt=False)
def is_peaked(g, m, hi, w):
    """Whether the best score is more than PEAK times the mean of the hi best."""
    r = w.real[R]
    for j in range(m):
        r[j] = -g[j]
    n = smallest(r, m, hi, np.inf, w.whole[SEL], w.real[VAL])
    score = 0.0
    for k in range(n):
        score -= w.real[VAL, k]
    return -w.real[VAL, 0] * n > PEAK * score
