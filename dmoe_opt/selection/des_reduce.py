"""Compiled reduction of DES, step 3: bound and incumbent decide experts before the search.

For g, e, m, need, lo, hi, best and w see `des_bound`. Three parts of `reduce_and_search` are
inlined, because calls with the many arrays of w took up to 6 % of the time of a token.
"""

from __future__ import annotations

import numpy as np

from dmoe_opt.compiling import cached
from dmoe_opt.selection.des_bound import (
    BEST,
    CHOSEN,
    COARSE,
    CORE,
    CORE_E,
    CORE_G,
    CORE_R,
    FOUND,
    INDEX,
    INSIDE,
    LABEL,
    MEMBERS,
    NONE,
    PENALTY,
    SEL,
    VAL,
    R,
    cut_from,
    negative,
    rounding,
    smallest,
    sums,
)
from dmoe_opt.selection.des_search import search

SOURCES = "3dc799a747e7c0b4"
"""Digest of the kernels that this file calls.

Numba's cache of this file does not notice a change there. This line does.
"""


@cached(nogil=True, _nrt=False)
def trusted(bound, lam, best, score, hi):
    """The dual bound with its price and rounding error: (bound, lam, error).

    Where rounding makes the bound useless, it is 0 at price 0, and the search does without it.
    `score` is the need plus the sum of all scores.
    """
    err = rounding(best, lam, score, hi)
    if err > COARSE * best:
        return 0.0, 0.0, rounding(best, 0.0, 0.0, hi)
    return bound, lam, err


@cached(nogil=True, _nrt=False, fastmath={"reassoc", "nsz", "nnan"}, error_model="numpy")
def _least_beyond(g, e, m, lam, room):
    """Least reduced cost that is at least `room`."""
    least = np.inf
    for j in range(m):
        v = e[j] - lam * g[j]
        beyond = v if v >= room else np.inf
        least = beyond if beyond < least else least
    return least


@cached(nogil=True, _nrt=False)
def shrink(g, e, m, lam, room, size, w):
    """Drop the experts whose reduced cost is at least `room`, but no member of the incumbent.

    g, e and w.whole[INDEX] are compressed in place. Returns the number of experts that stay and the
    least reduced cost beyond the room.
    """
    index = w.whole[INDEX]
    members = w.whole[BEST]
    member = w.whole[CHOSEN]
    least = _least_beyond(g, e, m, lam, room)
    for j in range(m):
        member[j] = 0
    for k in range(size):
        member[members[k]] = 1
    kept = w.whole[CORE]
    left = NONE
    # Step 3: an expert whose reduced cost exceeds the gap is in no better set.
    for j in range(m):
        kept[left] = j
        left += int((e[j] - lam * g[j] < room) | (member[j] != 0))  # no branch to mispredict
    n = 0
    for k in range(left):
        j = kept[k]
        g[k] = g[j]
        e[k] = e[j]
        index[k] = index[j]
        if member[j]:
            members[n] = k
            n += 1
    return left, least


@cached(nogil=True, _nrt=False, inline="always")
def _penalties(g, e, r, chosen, m, before, after, room):
    """Turn reduced costs r (m,) into penalties: the cost of deciding against the relaxation.

    A chosen expert that leaves lets one of reduced cost `after` enter; an expert that enters makes
    one of reduced cost `before` leave. Returns the least penalty beyond the room, and the number,
    score, cost and reduced cost of the experts that are fixed in: their penalty exceeds the room.
    """
    least = np.inf
    count = 0
    score = 0.0
    cost = 0.0
    reduced = 0.0
    for j in range(m):
        v = after - r[j] if chosen[j] else r[j] - before
        beyond = v if v >= room else np.inf
        least = beyond if beyond < least else least
        inside = chosen[j] and v >= room
        count += 1 if inside else 0
        score += g[j] if inside else 0.0
        cost += e[j] if inside else 0.0
        reduced += r[j] if inside else 0.0
        r[j] = v
    return least, count, score, cost, reduced


@cached(nogil=True, _nrt=False, inline="always")
def _relax(h, e, m, lam, lo, hi, w):
    """Mark the experts of the relaxed set at the price lam per worth h in w.whole[CHOSEN].

    The reduced costs go to w.real[R]. Returns (before, after): the reduced cost that leaves when
    another expert enters, and the one that enters when an expert leaves.
    """
    r = w.real[R]
    _, _, n = negative(h, e, m, lam)
    for j in range(m):
        r[j] = e[j] - lam * h[j]
    if lo == 0 and n < hi:  # the cap does not bind: each expert is decided by its sign alone
        for j in range(m):
            w.whole[CHOSEN, j] = 1 if r[j] < 0.0 else 0
        return 0.0, 0.0
    listed = smallest(r, m, min(hi + 1, m), np.inf, w.whole[SEL], w.real[VAL])
    n = min(listed, hi)
    before = w.real[VAL, n - 1]
    after = w.real[VAL, n] if n < listed else np.inf
    if lo == 0:  # the place of an expert that leaves may stay empty
        after = min(after, 0.0)
    for j in range(m):
        w.whole[CHOSEN, j] = 0
    for k in range(n):
        w.whole[CHOSEN, w.whole[SEL, k]] = 1
    return before, after


@cached(nogil=True, _nrt=False, inline="always")
def _order_core(g, h, e, first, m, lam, room, weight, w):
    """List the undecided experts by penalty + weight lam h, the largest first; returns how many.

    An expert is undecided if its penalty in w.real[R] is below the room. Their numbers go to
    w.whole[CORE], their scores, costs and reduced costs to w.real[CORE_G], [CORE_E], [CORE_R].
    """
    r = w.real[R]
    size = NONE
    for j in range(m):
        w.whole[CORE, size] = j
        size += 1 if r[j] < room else 0
    for p in range(size):
        j = w.whole[CORE, p]
        v = r[j] + weight * lam * h[j]
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
        w.real[CORE_R, p] = e[j] - lam * h[j]
        w.whole[INSIDE, p] = w.whole[CHOSEN, j]
        w.whole[LABEL, p] = w.whole[INDEX, first + j]
    return size


@cached(nogil=True, _nrt=False)
def reduce_and_search(
    g,
    h,
    e,
    first,
    m,
    need,
    lo,
    hi,
    dual,
    best,
    low,
    limit,
    weight,
    unit,
    w,
    reduce,
    pairs,
    stop,
    tree,
    rows,
):
    """Decide experts by the dual bound and the incumbent, then search the undecided ones.

    dual is (bound, lam, goal): all sets that reach the need have a worth h of at least `goal`, and
    lam prices it; h may be g. Items are decided by penalty + weight lam h, the largest first; their
    numbers begin at `first`, for the record. All costs are multiples of unit, or it is 0. Returns
    the results of `search`, with the members in w.whole[MEMBERS].
    """
    bound, lam, goal = dual
    r = w.real[R]
    total, _ = sums(h, e, m)
    bound, lam, err = trusted(bound, lam, best, goal + total, hi)
    cut = cut_from(best, unit, err)
    if bound >= cut:  # step 1: the incumbent is optimal
        return best, -1, 0, min(low, bound - err), True
    before, after = _relax(h, e, m, lam, lo, hi, w)
    # Step 3: where a penalty exceeds the gap, the relaxation decides.
    room = cut - bound if reduce else np.inf
    least, fixed, score, cost, value = _penalties(g, e, r, w.whole[CHOSEN], m, before, after, room)
    low = min(low, bound + least - err)
    # Step 4: large penalties first, so that the second branch of a node is cut early. With peaked
    # scores the relaxation splits the best expert, whose penalty is 0: there the score counts too.
    size = _order_core(g, h, e, first, m, lam, room, weight, w)
    best, found, nodes, low, finished = search(
        w.real[CORE_G],
        w.real[CORE_E],
        w.real[CORE_R],
        size,
        need,
        max(0, lo - fixed),
        hi - fixed,
        err,
        best,
        low,
        (score, cost, lam * goal + value),
        limit,
        unit,
        w,
        pairs,
        stop,
        tree,
        rows,
    )
    if found >= 0:
        for k in range(found):
            w.whole[MEMBERS, k] = w.whole[CORE, w.whole[FOUND, k]]
        for j in range(m):
            if w.whole[CHOSEN, j] and r[j] >= room:
                w.whole[MEMBERS, found] = j
                found += 1
    return best, found, nodes, low, finished
