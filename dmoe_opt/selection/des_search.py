"""Compiled search of DES: reduction by the dual bound, then depth first over what is left."""

from __future__ import annotations

import numpy as np
from numba import njit

from dmoe_opt.selection.des_bound import (
    AT_COST,
    AT_COUNT,
    AT_SCORE,
    BRANCHED,
    CHEAP,
    CHOSEN,
    COARSE,
    COMPLETED,
    CORE,
    CORE_E,
    CORE_G,
    DEAR,
    FOUND,
    INDEX,
    INSIDE,
    LABEL,
    MEMBERS,
    NEGATIVE,
    NODE,
    NONE,
    OUT,
    PENALTY,
    REDUCED,
    SCORE,
    SECOND,
    SEL,
    SHORT,
    SOLUTION,
    TAKEN,
    TIE,
    VAL,
    R,
    negative,
    rounding,
    smallest,
    sums,
)

SOURCES = "40518735fbe1c5d4"
"""Digest of the kernels below. Numba's cache of this module does not notice a change there; this line makes it."""


@njit(cache=True, nogil=True, _nrt=False)
def trusted(bound, lam, best, score, hi):
    """(bound, lam, error): the dual bound as it is, or none at price 0 where rounding would make it useless."""
    err = rounding(best, lam, score, hi)
    if err > COARSE * best:
        return 0.0, 0.0, rounding(best, 0.0, 0.0, hi)
    return bound, lam, err


@njit(cache=True, nogil=True, _nrt=False)
def _complete(g, e, order, n, k, need, best, out):
    """Cheapest completion by at most k = 1 or 2 of the n items in `order` (ascending score), if below `best`.

    One sweep: the better of two scores is at least need / 2, so the other one's partners form a growing suffix.
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
    if least + second < best:
        best = least + second
        out[0] = a
        out[1] = b
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


@njit(cache=True, nogil=True, _nrt=False)
def _tables(g, e, m, lam, hi, w):
    """Per suffix i.. and count k: sums of the k smallest e - lam g, the k smallest e, the k largest g.

    They make every bound of the search one look-up. w.order[i] lists the suffix by ascending score.
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
        v = e[i] - lam * g[i]
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


@njit(cache=True, nogil=True, _nrt=False)
def _note(tree, rows, parent, expert, branch, bound, reason):
    """Append a node to the record if there is room; returns its row."""
    row = rows[0]
    if row < tree.shape[0]:
        tree[row, 0] = parent
        tree[row, 1] = expert
        tree[row, 2] = branch
        tree[row, 3] = bound
        tree[row, 4] = reason
    rows[0] = row + 1
    return row


@njit(cache=True, nogil=True, _nrt=False)
def _search(
    g,
    e,
    m,
    need,
    lo,
    hi,
    lam,
    err,
    best,
    low,
    base_score,
    base_cost,
    limit,
    w,
    pairs,
    stop,
    tree,
    rows,
):
    """Depth-first search over items ordered by what deciding against the relaxation costs, dearest first.

    Returns (best, size, nodes, low, finished): size is -1 if nothing cheaper was found, its members stand in
    w.whole[FOUND]; low is the smallest bound at which a node was cut, less the rounding error err.
    """
    if lo > m:
        return best, -1, 0, low, True
    hi = min(hi, m)
    _tables(g, e, m, lam, hi, w)
    size = -1
    nodes = 0
    i = 0
    w.whole[AT_COUNT, 0] = 0
    w.real[AT_SCORE, 0] = base_score
    w.real[AT_COST, 0] = base_cost
    while i >= 0:
        nodes += 1
        if nodes > limit or (nodes & 255 == 0 and stop[0]):
            return best, size, nodes - 1, low, False
        cost = w.real[AT_COST, i]
        missing = need - w.real[AT_SCORE, i]
        k = hi - w.whole[AT_COUNT, i]
        bound = cost
        extra = 0
        reason = BRANCHED
        if missing <= 0.0:
            reason = SOLUTION
            extra = 1 if cost < best else 0
        elif w.table[SCORE, i, k] < missing:
            reason = SHORT
            bound = np.inf
        else:
            least = max(lo - w.whole[AT_COUNT, i], 0)
            fill = min(max(w.whole[NEGATIVE, i], least), k)
            bound = max(
                cost + lam * missing + w.table[REDUCED, i, fill], cost + w.table[CHEAP, i, least]
            )
            if bound >= best * (1.0 - TIE):
                reason = DEAR
                low = min(low, bound - err)
            elif pairs:
                more = np.inf  # bound of all completions by three experts or more
                if k > 2:
                    fill = max(fill, 3)
                    more = max(
                        cost + lam * missing + w.table[REDUCED, i, fill],
                        cost + w.table[CHEAP, i, 3],
                    )
                if more >= best * (1.0 - TIE):
                    low = min(low, more - err)
                    reason = COMPLETED
                    k = min(k, 2)
                    bound = cost + _complete(
                        g, e, w.order[i], m - i, k, missing, best - cost, w.whole[OUT]
                    )
                    extra = 1 if w.whole[OUT, 0] >= 0 and bound < best else 0
        if tree.shape[0] > 0:
            parent = w.whole[NODE, i - 1] if i > 0 else -1
            expert = w.whole[LABEL, i - 1] if i > 0 else -1
            w.whole[NODE, i] = _note(
                tree, rows, parent, expert, w.whole[TAKEN, i - 1] if i > 0 else -1, bound, reason
            )
        if extra:
            best = bound
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
        if reason == BRANCHED:
            w.whole[TAKEN, i] = w.whole[INSIDE, i]
            w.whole[SECOND, i] = 0
        else:
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
        i += 1
    return best, size, nodes, low, True


@njit(cache=True, nogil=True, _nrt=False, fastmath={"reassoc", "nsz", "nnan"}, error_model="numpy")
def _penalties(g, e, r, chosen, m, before, after, room):
    """Turn reduced costs into what deciding against the relaxation costs.

    Returns the least penalty beyond the room, and number, score and cost of the experts that are thereby fixed in.
    """
    least = np.inf
    count = 0
    score = 0.0
    cost = 0.0
    for j in range(m):
        v = after - r[j] if chosen[j] else r[j] - before
        r[j] = v
        beyond = v if v >= room else np.inf
        least = beyond if beyond < least else least
        inside = chosen[j] and v >= room
        count += 1 if inside else 0
        score += g[j] if inside else 0.0
        cost += e[j] if inside else 0.0
    return least, count, score, cost


@njit(cache=True, nogil=True, _nrt=False)
def reduce_and_search(
    g, e, m, need, lo, hi, dual, best, low, limit, w, reduce, pairs, stop, tree, rows
):
    """Fix what the dual bound and the incumbent decide, then search the rest; results as `_search`, in w.whole[MEMBERS]."""
    bound, lam = dual
    r = w.real[R]
    total, _ = sums(g, e, m)
    bound, lam, err = trusted(bound, lam, best, need + total, hi)
    cut = best * (1.0 - TIE)
    if bound >= cut:
        return best, -1, 0, min(low, bound - err), True
    before = (
        0.0  # reduced cost that leaves when another expert enters, and that enters when one leaves
    )
    after = 0.0
    _, _, n = negative(g, e, m, lam)
    for j in range(m):
        r[j] = e[j] - lam * g[j]
    if lo == 0 and n < hi:
        for j in range(m):
            w.whole[CHOSEN, j] = 1 if r[j] < 0.0 else 0
    else:
        listed = smallest(r, m, min(hi + 1, m), np.inf, w.whole[SEL], w.real[VAL])
        n = min(listed, hi)
        before = w.real[VAL, n - 1]
        after = w.real[VAL, n] if n < listed else np.inf
        if lo == 0:
            after = min(after, 0.0)
        for j in range(m):
            w.whole[CHOSEN, j] = 0
        for k in range(n):
            w.whole[CHOSEN, w.whole[SEL, k]] = 1
    room = cut - bound if reduce else np.inf
    least, fixed, score, cost = _penalties(g, e, r, w.whole[CHOSEN], m, before, after, room)
    low = min(low, bound + least - err)
    size = NONE
    for j in range(m):
        w.whole[CORE, size] = j
        size += 1 if r[j] < room else 0
    for p in range(size):
        j = w.whole[CORE, p]
        v = r[j]
        q = p
        while q > 0 and w.real[PENALTY, q - 1] < v:
            w.real[PENALTY, q] = w.real[PENALTY, q - 1]
            w.whole[CORE, q] = w.whole[CORE, q - 1]
            q -= 1
        w.real[PENALTY, q] = v
        w.whole[CORE, q] = j
    for p in range(size):
        j = w.whole[CORE, p]
        w.real[CORE_G, p] = g[j]
        w.real[CORE_E, p] = e[j]
        w.whole[INSIDE, p] = w.whole[CHOSEN, j]
        w.whole[LABEL, p] = w.whole[INDEX, j]
    best, found, nodes, low, finished = _search(
        w.real[CORE_G], w.real[CORE_E], size, need, max(0, lo - fixed), hi - fixed, lam, err, best, low,
        score, cost, limit, w, pairs, stop, tree, rows,
    )  # fmt: skip
    if found >= 0:
        for k in range(found):
            w.whole[MEMBERS, k] = w.whole[CORE, w.whole[FOUND, k]]
        for j in range(m):
            if w.whole[CHOSEN, j] and r[j] >= room:
                w.whole[MEMBERS, found] = j
                found += 1
    return best, found, nodes, low, finished
