"""Compiled search of DES, step 4: depth first over the experts that the reduction leaves open.

For g, e, m, need, lo, hi, best and w see `des_bound`.
"""

from __future__ import annotations

import numpy as np

from dmoe_opt.compiling import cached
from dmoe_opt.selection.des_bound import (
    AT_COST,
    AT_COUNT,
    AT_SCORE,
    AT_VALUE,
    BRANCHED,
    CHEAP,
    COMPLETED,
    CUT,
    FOUND,
    INSIDE,
    LABEL,
    NEGATIVE,
    NODE,
    OUT,
    REDUCED,
    SCORE,
    SECOND,
    SHORT,
    SOLUTION,
    TAKEN,
    cut_from,
)

SOURCES = "4e8972cc5561e11b"
"""Digest of the kernels that this file calls.

Numba's cache of this file does not notice a change there. This line does.
"""


@cached(nogil=True, _nrt=False)
def complete(g, e, order, n, k, need, best, out):
    """Cheapest completion by at most k = 1 or 2 of the n items in `order`, if it is below `best`.

    order (n,) lists the items by ascending score. One sweep is enough: the better of two scores is
    at least need / 2, so the partners of the other one are a growing suffix. Returns the cost and
    writes the items to out (2,), -1 for none.
    """
    out[0] = -1
    out[1] = -1
    least = np.inf
    second = np.inf
    a = -1
    b = -1
    half = n
    while half > 0 and k * g[order[half - 1]] >= need:
        half -= 1
        j = order[half]
        v = e[j]
        if v < best and g[j] >= need:
            best = v
            out[0] = j
            out[1] = -1
        if v < least:
            second = least
            b = a
            least = v
            a = j
        elif v < second:
            second = v
            b = j
    if k == 1:
        return best
    # Step 4: two from the better half always reach the need, so its two cheapest are the best pair.
    if least + second < best:
        best = least + second
        out[0] = a
        out[1] = b
    # One from each half: as x grows in score, more partners suffice; their cheapest is kept.
    y = n - 1
    least = np.inf
    for x in range(half):
        i = order[x]
        while y >= half and g[order[y]] >= need - g[i]:
            if e[order[y]] < least:
                a = order[y]
                least = e[a]
            y -= 1
        if e[i] + least < best:
            best = e[i] + least
            out[0] = i
            out[1] = a
    return best


@cached(nogil=True, _nrt=False)
def tables(g, e, r, m, hi, w):
    """Fill the tables of the search: they make every bound one look-up.

    For each suffix i, ..., m - 1 of the items and each count k <= hi, w.table[REDUCED], [CHEAP] and
    [SCORE] hold the sums of the k smallest r, the k smallest e and the k largest g, shape
    (m + 1, hi + 1). w.whole[NEGATIVE, i] counts the negative r of the suffix, and
    w.order[i] lists the suffix by ascending score.
    """
    reduced = w.table[REDUCED]
    cheap = w.table[CHEAP]
    score = w.table[SCORE]
    for k in range(hi + 1):
        reduced[m, k] = np.inf if k else 0.0
        cheap[m, k] = np.inf if k else 0.0
        score[m, k] = 0.0
    w.whole[NEGATIVE, m] = 0
    for i in range(m - 1, -1, -1):
        v = r[i]
        w.whole[NEGATIVE, i] = w.whole[NEGATIVE, i + 1] + (1 if v < 0.0 else 0)
        reduced[i, 0] = 0.0
        cheap[i, 0] = 0.0
        score[i, 0] = 0.0
        for k in range(hi):  # the best k + 1 either leave item i out or join it to the best k
            reduced[i, k + 1] = min(reduced[i + 1, k + 1], reduced[i + 1, k] + v)
            cheap[i, k + 1] = min(cheap[i + 1, k + 1], cheap[i + 1, k] + e[i])
            score[i, k + 1] = max(score[i + 1, k + 1], score[i + 1, k] + g[i])
        n = m - 1 - i
        p = 0
        while p < n and g[w.order[i + 1, p]] < g[i]:
            w.order[i, p] = w.order[i + 1, p]
            p += 1
        w.order[i, p] = i
        for q in range(p, n):
            w.order[i, q + 1] = w.order[i + 1, q]


@cached(nogil=True, _nrt=False)
def _note(tree, rows, parent, expert, branch, bound, reason):
    """Append a node to the record `tree` (rows, 5) if there is room; returns its row."""
    row = rows[0]
    if row < tree.shape[0]:
        tree[row, 0] = parent
        tree[row, 1] = expert
        tree[row, 2] = branch
        tree[row, 3] = bound
        tree[row, 4] = reason
    rows[0] = row + 1
    return row


@cached(nogil=True, _nrt=False)
def search(
    g,
    e,
    r,
    m,
    need,
    lo,
    hi,
    err,
    best,
    low,
    base,
    limit,
    unit,
    w,
    pairs,
    stop,
    tree,
    rows,
):
    """Depth-first search over the items in their order, see `reduce_and_search`.

    The penalty of an item is the cost of deciding it against the relaxation. r are reduced costs,
    err is the rounding error of a bound. base has the score and cost of the experts that are fixed
    in, and the bound less the reduced costs of the others. limit is in nodes; all costs are
    multiples of unit, or it is 0; pairs switches the sweep over pairs on.

    Returns (best, size, nodes, low, finished): size is -1 if nothing cheaper was found, otherwise
    the members stand in w.whole[FOUND]. low is the least bound at which a node was cut, less err.
    """
    if lo > m:
        return best, -1, 0, low, True
    hi = min(hi, m)
    tables(g, e, r, m, hi, w)
    size = -1
    nodes = 0
    i = 0
    cut = cut_from(best, unit, err)
    w.whole[AT_COUNT, 0] = 0
    w.real[AT_SCORE, 0], w.real[AT_COST, 0], w.real[AT_VALUE, 0] = base
    while i >= 0:
        nodes += 1
        if nodes > limit or (nodes & 255 == 0 and stop[0]):
            return best, size, nodes - 1, low, False
        cost = w.real[AT_COST, i]
        value = w.real[AT_VALUE, i]
        missing = need - w.real[AT_SCORE, i]
        k = hi - w.whole[AT_COUNT, i]
        bound = cost
        extra = 0
        reason = BRANCHED
        # Step 4: a node ends if its set reaches the need, if nothing below it can reach the need,
        # if its bound is no better than the incumbent, or if one sweep completes it.
        if missing <= 0.0:
            reason = SOLUTION
            extra = 1 if cost < best else 0
        elif w.table[SCORE, i, k] < missing:
            reason = SHORT
            bound = np.inf
        else:
            # The relaxation takes all negative reduced costs, within the limits on the count.
            least = max(lo - w.whole[AT_COUNT, i], 0)
            fill = min(max(w.whole[NEGATIVE, i], least), k)
            bound = max(value + w.table[REDUCED, i, fill], cost + w.table[CHEAP, i, least])
            if bound >= cut:
                reason = CUT
                low = min(low, bound - err)
            elif pairs:
                more = np.inf  # bound of all completions by three experts or more
                if k > 2:
                    fill = max(fill, 3)
                    more = max(value + w.table[REDUCED, i, fill], cost + w.table[CHEAP, i, 3])
                if more >= cut:  # only one or two more experts can pay
                    low = min(low, more - err)
                    reason = COMPLETED
                    k = min(k, 2)
                    bound = cost + complete(
                        g, e, w.order[i], m - i, k, missing, best - cost, w.whole[OUT]
                    )
                    extra = 1 if w.whole[OUT, 0] >= 0 and bound < best else 0
        if tree.shape[0] > 0:
            parent = w.whole[NODE, i - 1] if i > 0 else -1
            expert = w.whole[LABEL, i - 1] if i > 0 else -1
            w.whole[NODE, i] = _note(
                tree, rows, parent, expert, w.whole[TAKEN, i - 1] if i > 0 else -1, bound, reason
            )
        if extra:  # the node has a cheaper set: the new incumbent
            best = bound
            cut = cut_from(best, unit, err)
            size = 0
            for p in range(i):
                if w.whole[TAKEN, p]:
                    w.whole[FOUND, size] = p
                    size += 1
            if reason == COMPLETED:
                for p in range(2):
                    if w.whole[OUT, p] >= 0:
                        w.whole[FOUND, size] = w.whole[OUT, p]
                        size += 1
        if reason == BRANCHED:  # first as the relaxation decides, which leads to good sets early
            w.whole[TAKEN, i] = w.whole[INSIDE, i]
            w.whole[SECOND, i] = 0
        else:  # back to the last item that has been tried one way only
            i -= 1
            while i >= 0 and w.whole[SECOND, i]:
                i -= 1
            if i < 0:
                break
            w.whole[SECOND, i] = 1
            w.whole[TAKEN, i] = 1 - w.whole[TAKEN, i]
        w.whole[AT_COUNT, i + 1] = w.whole[AT_COUNT, i] + w.whole[TAKEN, i]
        w.real[AT_SCORE, i + 1] = w.real[AT_SCORE, i] + (g[i] if w.whole[TAKEN, i] else 0.0)
        w.real[AT_COST, i + 1] = w.real[AT_COST, i] + (e[i] if w.whole[TAKEN, i] else 0.0)
        w.real[AT_VALUE, i + 1] = w.real[AT_VALUE, i] + (r[i] if w.whole[TAKEN, i] else 0.0)
        i += 1
    return best, size, nodes, low, True
