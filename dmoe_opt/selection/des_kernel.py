"""Compiled entry of DES: every token of an instance, easy ones and hard ones (step 5).

For g, e, m, need, best and w see `des_bound`. A kernel compiles everything that it calls once more,
so long ones that are called from one place are inlined, here and in `des_split` and `des_nodes`.
"""

from __future__ import annotations

import math

import numpy as np

from dmoe_opt.compiling import cached
from dmoe_opt.selection.des_bound import (
    BEST,
    CLOSE,
    INDEX,
    MEMBERS,
    NONE,
    REALS,
    TABLES,
    TIE,
    WHOLES,
    E,
    G,
    H,
    Work,
    best_dual,
    copy_members,
    repair,
    rounding,
    sums,
    trade,
)
from dmoe_opt.selection.des_reduce import reduce_and_search, shrink, trusted
from dmoe_opt.selection.des_rounded import rounded_dual
from dmoe_opt.selection.des_split import split

EASY_NODES = 300  # nodes spent before scores are rounded, or the search is split by size
ROUNDED_NODES = 1_000  # with rounded scores
NARROWER = 0.5  # of the gap, which rounded scores must leave to be worth a search
SOURCES = "701c55ad5a34e910"
"""Digest of the kernels that this file calls.

Numba's cache of this file does not notice a change there. This line does.
"""


@cached(nogil=True, _nrt=False, inline="always")
def solve_token(g, e, m, need, cap, limit, w, store, reduce, pairs, stop, tree, rows):
    """Solve one token; returns (best, size, nodes, bound), with the chosen items in w.whole[BEST].

    cap is D; limit is in nodes. best and bound are inf if `need` is out of reach.
    """
    if need <= 0.0:
        return 0.0, 0, 0, 0.0
    if m == 0:
        return np.inf, 0, 0, np.inf
    hi = min(cap, m)
    # Step 1: the dual bound; the sets met on the way give the first incumbent.
    bound, lam, best, size = best_dual(g, e, m, need, NONE, hi, np.inf, NONE, w)
    if bound == np.inf:
        return np.inf, 0, 0, np.inf
    low = np.inf
    total, _ = sums(g, e, m)
    bound, lam, err = trusted(bound, lam, best, need + total, hi)
    if reduce:  # step 3, a first time: it makes step 2 and all that follows cheaper
        m, least = shrink(g, e, m, lam, best * (1.0 - TIE) - bound, size, w)
        low = min(low, bound + least - err)
        hi = min(hi, m)
        # Step 2: a repair only where the incumbent is poor, trades until it is close.
        if best > bound * CLOSE:
            best, size = repair(g, e, m, need, hi, best, size, w)
        best, size = trade(g, e, m, need, lam, bound * CLOSE, best, size, w)
    else:
        best = np.inf
    dropped = low
    floor = bound - err
    dual = (bound, lam, need)
    worth = g
    nodes = 0
    patience = EASY_NODES if pairs else limit
    while True:
        # Steps 3 and 4, up to the nodes that an easy token takes.
        best, found, spent, low, finished = reduce_and_search(
            g,
            worth,
            e,
            NONE,
            m,
            need,
            NONE,
            hi,
            dual,
            best,
            dropped,
            min(limit - nodes, patience),
            0.0,
            0.0,
            w,
            reduce,
            pairs,
            stop,
            tree,
            rows,
        )
        nodes += spent
        if found >= 0:
            size = copy_members(w.whole[MEMBERS], found, w.whole[BEST])
        if finished:
            return best, size, nodes, min(best, low)
        if nodes >= limit or stop[0]:
            return best, size, nodes, min(best, floor, dropped)
        if patience != EASY_NODES or not reduce:
            break
        # Step 5: once more with rounded scores, if they leave little of the gap.
        asked = best - NARROWER * (best - bound)
        dual = rounded_dual(g, e, m, need, hi, lam, asked, w)
        if dual[0] < asked:
            break
        worth = w.real[H]
        total, _ = sums(worth, e, m)
        floor = max(floor, dual[0] - rounding(best, 1.0, dual[2] + total, hi))
        patience = ROUNDED_NODES
    return split(
        g,
        e,
        m,
        need,
        hi,
        lam,
        best,
        size,
        floor,
        dropped,
        nodes,
        limit,
        w,
        store,
        reduce,
        pairs,
        stop,
        tree,
        rows,
    )


@cached(is_entry=True, nogil=True, _nrt=False)
def solve_tokens(
    scores,
    cost,
    usable,
    need,
    unit,
    cap,
    limit,
    reduce,
    pairs,
    stop,
    chosen,
    bound,
    nodes,
    w,
    store,
    tree,
    rows,
):
    """Solve tokens one after the other.

    scores (T, K); cost (T, K) in J; usable (T, K) bool; need (T,) in units of 1/unit; limit is in
    nodes per token. reduce and pairs switch step 3 and the sweep of step 4 on.

    Writes chosen (T, K) bool, bound (T,) in J and nodes (T,). The nodes themselves go to tree
    (rows, 5), their number to rows (1,). A token that cannot reach its need is left unchosen with
    bound inf. Setting stop[0] ends the search early with valid bounds.
    """
    tokens, experts = scores.shape
    g = w.real[G]
    e = w.real[E]
    for t in range(tokens):
        m = NONE
        highest = 0.0
        for j in range(experts):
            g[m] = np.rint(scores[t, j] * unit)
            e[m] = cost[t, j]
            w.whole[INDEX, m] = j
            if usable[t, j] and g[m] > 0.0:
                highest = max(highest, e[m])
                m += 1
        scale = 1.0  # a power of two brings the costs of the token near 1, exactly
        if highest > 0.0:
            scale = 2.0 ** min(-math.frexp(highest)[1], 1000)
            for j in range(m):
                e[j] *= scale
        most = NONE if stop[0] else limit
        _, size, visited, low = solve_token(
            g, e, m, need[t], cap, most, w, store, reduce, pairs, stop, tree, rows
        )
        for k in range(size):
            chosen[t, w.whole[INDEX, w.whole[BEST, k]]] = True
        nodes[t] = visited
        bound[t] = low / scale
        for row in range(min(rows[0], tree.shape[0])):
            tree[row, 3] /= scale


def workspace(experts: int, cap: int) -> Work:
    """Scratch for `solve_tokens` with up to this many experts and this cap.

    Each running call needs its own.
    """
    k = max(experts, 4) + 2  # rows for the simplex method of `des_rounded`, however few experts
    c = min(experts, cap) + 2
    return Work(
        np.empty((REALS, k)),
        np.empty((WHOLES, k), np.int32),
        np.empty((TABLES, k, c)),
        np.empty((k, k), np.int32),
    )
