"""Compiled DES where a token pays once for each node on which it uses an expert.

min sum_j e_j x_j + sum_n p_n y_n  subject to (C1), (C2), x_j <= y_n for every j on n, all binary.

1. *Bound.* Prices mu of the covering row and v of the cap leave one choice per node: with
   s_n = sum over its experts of min(0, e_j - mu g_j + v), node n adds min(0, p_n + s_n). So
   mu need - v D + sum_n min(0, p_n + s_n) is a bound. Cutting planes find the best mu for a v, and
   the best v around them. A node whose opposite decision lifts the bound above the incumbent, by
   |p_n + s_n|, is decided.
2. *Shares.* The experts of an undecided node share its p_n, so that the bound stays as it is.
3. *Experts.* Plain DES at these costs is a stronger bound, since its experts are whole, and a set.
4. *Nodes first.* The search branches on the used node whose experts bear least of its p_n. If they
   bear all of it, the set of step 3 is the best one.

Experts come in the order of their nodes: those of node n are first[n] to first[n + 1] - 1. For g,
e, need, cap and w see `des_bound`, for s and a state `des_nodes_bound`.
"""

from __future__ import annotations

import math

import numpy as np

from dmoe_opt.compiling import cached
from dmoe_opt.selection.des_bound import BEST, INDEX, NONE, ROUNDING, TIE, E, G, smallest
from dmoe_opt.selection.des_kernel import solve_token
from dmoe_opt.selection.des_nodes_bound import CLOSED, OPEN, UNDECIDED, best_prices, choice

SOURCES = "ffd48a833c8599e9"
"""Digest of the kernels that this file calls; see `des_kernel`."""
ALL = np.bool_(True)  # a literal True would make numba compile all of DES once more


@cached(nogil=True, _nrt=False)
def _share(s, state, dual):
    """Step 2: share p_n of UNDECIDED nodes over their experts; s.share (K,) gets the shares.

    Shares of a node sum to at most p_n, so to pay them instead is a relaxation. They keep the bound
    at the prices of `dual`, (bound, mu, v), whose choice s.earned describes.
    """
    _, mu, v = dual
    for n in range(len(state)):
        number = s.first[n + 1] - s.first[n]
        earned = s.earned[n]
        opening = s.opening[n] if state[n] == UNDECIDED else 0.0
        for j in range(s.first[n], s.first[n + 1]):
            r = s.cost[j] - mu * s.score[j] + v
            if opening == 0.0:
                s.share[j] = 0.0
            elif earned < 0.0:  # the experts that the node is opened for bear all of it
                s.share[j] = opening * min(r, 0.0) / (earned - opening)
            else:  # an expert is made to earn nothing, and what is left goes to all
                s.share[j] = max(-r, 0.0) + earned / number


@cached(nogil=True, _nrt=False, inline="always")
def _solve_shared(s, state, dual, need, cap, limit, best, size, w, store, stop, tree, rows):
    """Step 3, plain DES where shares are paid; returns (best, size, nodes, bound, branch).

    A better set replaces the incumbent s.best[:size]. Experts that lift the bound above the
    incumbent are left out. `branch` is the used node that its experts pay least of, or -1.
    """
    bound, mu, v = dual
    room = best * (1.0 - TIE) - bound
    g = w.real[G]
    e = w.real[E]
    m = NONE
    opened = 0.0
    for n in range(len(state)):
        if state[n] == CLOSED:
            continue
        if state[n] == OPEN:
            opened += s.opening[n]
        for j in range(s.first[n], s.first[n + 1]):
            paid = s.cost[j] + s.share[j]
            if paid - mu * s.score[j] + v < room:
                g[m] = s.score[j]
                e[m] = paid
                w.whole[INDEX, m] = j
                m += 1
    _, found, nodes, low = solve_token(
        g, e, m, need, cap, limit, w, store, ALL, ALL, stop, tree, rows
    )
    if low == np.inf:
        return best, size, nodes, low, -1
    cost = 0.0
    branch = -1
    most = TIE * best
    for n in range(len(state)):  # a node that is open but not used is not paid for
        used = False
        missing = s.opening[n]
        for k in range(found):
            j = w.whole[INDEX, w.whole[BEST, k]]
            if s.first[n] <= j < s.first[n + 1]:
                used = True
                cost += s.cost[j]
                missing -= s.share[j]
        if used:
            cost += s.opening[n]
            if state[n] == UNDECIDED and missing > most:
                most = missing
                branch = n
    if cost < best:
        best = cost
        size = found
        for k in range(found):
            s.best[k] = w.whole[INDEX, w.whole[BEST, k]]
    return best, size, nodes, low + opened, branch


@cached(nogil=True, _nrt=False)
def _best_scores(s, m, need, cap, w):
    """The incumbent to begin with: the best scores, up to the need; (inf, 0) if they miss it."""
    for j in range(m):
        w.real[G, j] = -s.score[j]
    n = smallest(w.real[G], m, cap, np.inf, w.whole[INDEX], w.real[E])
    score = 0.0
    cost = 0.0
    size = 0
    while size < n and score < need:
        j = w.whole[INDEX, size]
        score += s.score[j]
        cost += s.cost[j]
        s.best[size] = j
        size += 1
    if score < need:
        return np.inf, 0
    for n in range(len(s.opening)):
        for k in range(size):
            if s.first[n] <= s.best[k] < s.first[n + 1]:
                cost += s.opening[n]
                break
    return cost, size


@cached(nogil=True, _nrt=False, inline="always")
def _solve(s, m, need, cap, limit, w, store, stop, tree, rows):
    """Solve one token; returns (best, size, nodes, bound), with the members in s.best."""
    if need <= 0.0:
        return 0.0, 0, 0, 0.0
    best, size = _best_scores(s, m, need, min(cap, m), w)
    if best == np.inf:
        return np.inf, 0, 0, np.inf
    total = 0.0
    for j in range(m):
        total += s.score[j]
    sizes = ROUNDING * (m + len(s.opening) + 4)
    s.state[0, :] = UNDECIDED
    s.bound[0] = 0.0
    s.price[0, 0] = best / total if best > 0.0 else 1.0
    s.price[0, 1] = 0.0
    top = 0
    nodes = 0
    low = np.inf
    while top >= 0:
        state = s.state[top]
        top -= 1
        cut = best * (1.0 - TIE)
        if s.bound[top + 1] >= cut:
            continue
        if nodes > 0 and (nodes >= limit or stop[0]):
            low = min(low, s.bound[top + 1])
            continue
        nodes += 1
        reached = 0.0
        for n in range(len(state)):
            if state[n] != CLOSED:
                for j in range(s.first[n], s.first[n + 1]):
                    reached += s.score[j]
        if reached < need:
            continue
        # Step 1
        guess = s.price[top + 1, 0]
        found = best_prices(s, state, need, cap, guess, s.price[top + 1, 1], cut)
        bound, mu, v = found
        bound -= sizes * (best + mu * (need + total) + v * (cap + m))
        if bound >= cut:
            continue
        if limit <= 0:
            low = min(low, max(bound, s.bound[top + 1]))
            continue
        choice(s, state, mu, v)
        dual = (bound, mu, v)
        for n in range(len(state)):
            if state[n] == UNDECIDED and bound + abs(s.earned[n]) >= cut:
                state[n] = OPEN if s.earned[n] < 0.0 else CLOSED
        # Steps 2 and 3
        _share(s, state, dual)
        left = max(limit - nodes, 1)
        best, size, visited, solved, branch = _solve_shared(
            s, state, dual, need, cap, left, best, size, w, store, stop, tree, rows
        )
        nodes += visited
        solved = max(solved - sizes * best, bound, s.bound[top + 1])
        if branch < 0:
            low = min(low, solved)
            continue
        for n in range(len(state)):
            s.state[top + 2, n] = state[n]
        state[branch] = CLOSED
        s.state[top + 2, branch] = OPEN
        for depth in (top + 1, top + 2):
            s.bound[depth] = solved
            s.price[depth, 0] = mu if mu > 0.0 else guess
            s.price[depth, 1] = v
        top += 2
    return best, size, nodes, min(best, low)


@cached(is_entry=True, nogil=True, _nrt=False)
def solve_tokens(
    scores,
    cost,
    usable,
    node_cost,
    placement,
    need,
    unit,
    cap,
    limit,
    stop,
    chosen,
    bound,
    nodes,
    w,
    store,
    s,
    tree,
    rows,
):
    """Solve tokens one after the other, as `des_kernel.solve_tokens` does.

    node_cost (T, N) in J; placement (K,) is the node of each expert.
    """
    tokens, experts = scores.shape
    for t in range(tokens):
        m = NONE
        highest = 0.0
        for n in range(node_cost.shape[1]):
            s.first[n] = m
            s.opening[n] = node_cost[t, n]
            highest = max(highest, node_cost[t, n])
            for j in range(experts):
                score = np.rint(scores[t, j] * unit)
                if placement[j] == n and usable[t, j] and score > 0.0:
                    s.score[m] = score
                    s.cost[m] = cost[t, j]
                    s.expert[m] = j
                    highest = max(highest, cost[t, j])
                    m += 1
        s.first[node_cost.shape[1]] = m
        scale = 1.0  # as in `des_kernel`
        if highest > 0.0:
            scale = 2.0 ** min(-math.frexp(highest)[1], 1000)
            for j in range(m):
                s.cost[j] *= scale
            for n in range(node_cost.shape[1]):
                s.opening[n] *= scale
        most = NONE if stop[0] else limit
        _, size, visited, low = _solve(s, m, need[t], cap, most, w, store, stop, tree, rows)
        for k in range(size):
            chosen[t, s.expert[s.best[k]]] = True
        nodes[t] = visited
        bound[t] = low / scale
