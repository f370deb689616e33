"""Compiled search of DES for hard tokens, steps 5 and 6.

For g, e, m, need, best, size and w see `des_bound`.
"""

from __future__ import annotations

import numpy as np

from dmoe_opt.compiling import cached
from dmoe_opt.selection.des_bound import (
    ANSWER,
    BEST,
    COARSE,
    FOUND,
    INDEX,
    MEMBERS,
    NONE,
    PATH,
    SIZE_BOUND,
    SIZE_LAM,
    TIE,
    TURNED,
    UNIT_SLACK,
    best_dual,
    cut_from,
    rounding,
    sums,
)
from dmoe_opt.selection.des_exchange import exchange
from dmoe_opt.selection.des_pareto import MOST_STATES, pareto
from dmoe_opt.selection.des_reduce import reduce_and_search
from dmoe_opt.selection.des_sizes import (
    FINEST,
    NOTHING,
    bound_size,
    common_unit,
    is_peaked,
    note_answer,
    settle,
    swap,
)

SOURCES = "8374c58d63105ac1"
"""Digest of the kernels that this file calls.

Numba's cache of this file does not notice a change there. This line does.
"""
FIRST_NODES = 1_000  # of a subproblem before it is branched with prices of its own
SHARE = 0.25  # of the nodes so far, which a later subproblem may take
PEAKED_NODES = 20_000  # that one may take where scores are peaked, and branches differ most
PARETO_NODES = 10_000  # of a size, before the dynamic program is tried
LONG_NODES = 5_000_000  # of a token; from here on an incumbent that is ENOUGH is the answer
STEPS_PER_NODE = 8  # of exchanges, which take no more time than the search
ENOUGH = 1e-8  # gap (relative) of such an incumbent


@cached(nogil=True, _nrt=False, inline="always")
def _solve_size(
    g, e, m, need, n, best, size, low, limit, weight, unit, done, w, reduce, pairs, stop, tree, rows
):
    """Search the sets of n experts: a tree of subproblems, each with a price of its own.

    Items before `depth` are decided. Returns (best, size, nodes, low, finished), with the experts
    of the incumbent in w.whole[ANSWER].
    """
    path = w.whole[PATH]
    turned = w.whole[TURNED]
    index = w.whole[INDEX]
    nodes = 0
    depth = NONE
    end = m
    while True:
        score = 0.0
        cost = 0.0
        count = 0
        for p in range(depth):
            if path[p]:
                score += g[p]
                cost += e[p]
                count += 1
        missing = need - score
        rest = n - count
        closed = True
        lam = 0.0
        nodes += 1
        if missing <= 0.0:
            if cost < best:
                best = cost
                size = note_answer(depth, w.whole[BEST], NONE, depth, w)
        elif rest > 0 and m - depth >= rest and cost < best:
            begin, end = settle(g, e, depth, m, missing, rest, w)
            if begin > depth:
                for p in range(depth, begin):
                    path[p] = 1
                    turned[p] = 1
                depth = begin
                continue
            left = end - depth
            near = best - cost
            bound, lam, near, found = best_dual(
                g[depth:], e[depth:], left, missing, rest, rest, near, NOTHING, w
            )
            if found >= 0 and cost + near < best:
                best = cost + near
                size = note_answer(depth, w.whole[BEST], found, depth, w)
            if bound < np.inf:
                share = SHARE * (done + nodes)
                if weight > 0.0:
                    share = min(share, PEAKED_NODES)
                most = min(limit - nodes, np.int64(max(FIRST_NODES, share)))
                near, found, spent, deep, closed = reduce_and_search(
                    g[depth:],
                    g[depth:],
                    e[depth:],
                    depth,
                    left,
                    missing,
                    rest,
                    rest,
                    (bound, lam, missing),
                    best - cost,
                    np.inf,
                    most,
                    1.0 if depth > 0 else weight,
                    unit,
                    w,
                    reduce,
                    pairs,
                    stop,
                    tree,
                    rows,
                )
                nodes += spent
                if found >= 0 and cost + near < best:
                    best = cost + near
                    size = note_answer(depth, w.whole[MEMBERS], found, depth, w)
                if closed:
                    low = min(low, cost + deep)
        if not closed:
            if nodes >= limit or stop[0]:
                return best, size, nodes, low, False
            # Branch on the item that changes the rest most, by score and by reduced cost.
            most_j = depth
            worth = -np.inf
            for j in range(depth, end):
                v = abs(e[j] - lam * g[j]) + lam * g[j]
                if v > worth:
                    worth = v
                    most_j = j
            swap(g, e, index, depth, most_j)
            path[depth] = 1
            turned[depth] = 0
            depth += 1
            continue
        depth -= 1
        while depth >= 0 and turned[depth]:
            depth -= 1
        if depth < 0:
            return best, size, nodes, low, True
        turned[depth] = 1
        path[depth] = 1 - path[depth]
        depth += 1


@cached(nogil=True, _nrt=False, inline="always")
def _by_size(
    g,
    e,
    m,
    need,
    hi,
    price,
    best,
    size,
    floor,
    nodes,
    limit,
    unit,
    is_coarse,
    w,
    store,
    reduce,
    pairs,
    stop,
    tree,
    rows,
):
    """Search the sets of each size, and decide by a dynamic program if that takes long.

    floor is a bound of all sets.
    Returns (best, size, nodes, low), with the experts of the incumbent in w.whole[ANSWER].
    """
    total, _ = sums(g, e, m)
    for n in range(1, hi + 1):
        bound, lam, best, size = bound_size(g, e, m, need, n, best, size, w)
        err = rounding(best, lam, need + total, n)
        coarse = err > COARSE * best and bound < np.inf
        w.real[SIZE_BOUND, n] = 0.0 if coarse else bound - err
        w.real[SIZE_LAM, n] = 0.0 if coarse else lam
    w.real[SIZE_BOUND, 0] = np.inf
    weight = 1.0 if is_peaked(g, m, hi, w) else 0.0
    patience = np.int64(FIRST_NODES)
    rested = nodes
    low = np.inf
    while True:
        # The size with the least bound comes first: its sets are the most likely incumbents.
        n = NONE
        for k in range(1, hi + 1):
            if w.real[SIZE_BOUND, k] < w.real[SIZE_BOUND, n]:
                n = k
        bound = max(w.real[SIZE_BOUND, n], floor)
        close = best * (1.0 - ENOUGH) if nodes >= LONG_NODES else np.inf
        if bound >= min(cut_from(best, unit, 0.0), close) or nodes >= limit or stop[0]:
            return best, size, nodes, min(low, bound)
        if patience > FIRST_NODES and nodes >= rested:
            rested = nodes + n * n * m // STEPS_PER_NODE
            near, found = exchange(g, e, m, need, w.real[SIZE_LAM, n], n, best, w)
            if found >= 0:
                best = near
                size = note_answer(NONE, w.whole[MEMBERS], found, NONE, w)
        most = min(limit - nodes, patience)
        best, size, spent, deep, finished = _solve_size(
            g,
            e,
            m,
            need,
            n,
            best,
            size,
            low,
            most,
            weight,
            unit,
            nodes,
            w,
            reduce,
            pairs,
            stop,
            tree,
            rows,
        )
        nodes += spent
        if finished:
            low = deep
            w.real[SIZE_BOUND, n] = np.inf
        elif nodes >= limit or stop[0]:
            continue
        elif patience == FIRST_NODES:
            patience = np.int64(PARETO_NODES) if is_coarse else np.int64(LONG_NODES)
        elif patience >= LONG_NODES:
            patience *= 2
        else:
            patience = np.int64(LONG_NODES)
            err = rounding(best, price, need + total, hi)
            near, found, deep, finished = pareto(
                g, e, m, need, hi, price, err, best, unit, w, store, stop
            )
            if finished:
                if found >= 0:
                    best = near
                    size = note_answer(NONE, w.whole[FOUND], found, NONE, w)
                return best, size, nodes, min(low, deep)


@cached(nogil=True, _nrt=False)
def split(
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
):
    """Solve a hard token by its number of experts; floor is a bound of all sets.

    Returns (best, size, nodes, bound), with the chosen items in w.whole[BEST].
    """
    divisor, _ = common_unit(g, m, 0.5)
    need = np.ceil(need / divisor) * divisor  # no sum of scores lies between
    unit, error = common_unit(e, m, FINEST)
    if unit < COARSE * best or hi * error > min(0.25 * UNIT_SLACK * unit, TIE * best):
        unit = 0.0
    for k in range(size):
        w.whole[ANSWER, k] = w.whole[INDEX, w.whole[BEST, k]]
    # Step 6 is for few sums of scores: it keeps at most one state for each of them and each size.
    is_coarse = need <= divisor * MOST_STATES
    best, size, nodes, low = _by_size(
        g,
        e,
        m,
        need,
        hi,
        lam,
        best,
        size,
        floor,
        nodes,
        limit,
        unit,
        is_coarse,
        w,
        store,
        reduce,
        pairs,
        stop,
        tree,
        rows,
    )
    low = min(best, max(low, floor))
    if unit > 0.0 and low < np.inf:  # costs are whole multiples, and so is the optimum
        low = min(best, np.ceil(low / unit - 0.5 * UNIT_SLACK) * unit - hi * error)
    low = min(low, dropped)
    for k in range(size):
        w.whole[INDEX, k] = w.whole[ANSWER, k]
        w.whole[BEST, k] = k
    return best, size, nodes, low
