"""Compiled rounded scores, step 5 of DES: a second row that all sets reach, and its bound.

For g, e, m, need, hi and w see `des_bound`.
"""

from __future__ import annotations

import numpy as np

from dmoe_opt.compiling import cached
from dmoe_opt.selection.des_bound import (
    CHOSEN,
    REDUCED,
    SEL,
    TIE,
    VAL,
    H,
    R,
    smallest,
)

SOURCES = "4e8972cc5561e11b"
"""Digest of the kernels that this file calls.

Numba's cache of this file does not notice a change there. This line does.
"""
NEAR = 1e-9  # relaxed sets at prices this close (relative) to the best one differ in split experts
MOST_STEPS = 60  # of the simplex method
LEAST = 1e-9  # no pivot and no negative price is smaller


@cached(nogil=True, _nrt=False)
def _round(g, e, m, need, hi, lam, w):
    """Write rounded scores to w.real[H]; returns what sets that reach the need have of them.

    The relaxation takes some experts whole and splits one or two. Let d be the largest score of
    these, and a the remainder modulo d of what the whole ones miss. Of each d of a score only `a`
    counts: the first part of it, or the last part with experts that are taken whole (mixed-integer
    rounding, Nemhauser and Wolsey, 1990). Everything is a whole number. Returns 0 if none is split.
    """
    h = w.real[H]
    r = w.real[R]
    sel = w.whole[SEL]
    taken = w.whole[CHOSEN]
    for j in range(m):
        taken[j] = 0
    for price in (lam * (1.0 - NEAR), lam * (1.0 + NEAR)):
        for j in range(m):
            r[j] = e[j] - price * g[j]
        n = smallest(r, m, hi, 0.0, sel, w.real[VAL])
        for k in range(n):
            taken[sel[k]] += 1
    block = 0.0
    missing = need
    for j in range(m):
        if taken[j] == 1:
            block = max(block, g[j])
        elif taken[j] == 2:
            missing -= g[j]
    if block == 0.0 or missing <= 0.0:
        return 0.0
    blocks = np.ceil(missing / block)
    part = missing - (blocks - 1.0) * block
    goal = blocks * part
    for j in range(m):
        whole = np.floor(g[j] / block)
        rest = g[j] - whole * block
        if taken[j] < 2:
            h[j] = whole * part + min(rest, part)
        else:
            h[j] = whole * part + max(rest + part - block, 0.0)
            goal += h[j]
    return goal


@cached(nogil=True, _nrt=False)
def _column(g, h, e, n, sel):
    """Score, rounded score and cost of a set."""
    score = 0.0
    rounded = 0.0
    cost = 0.0
    for k in range(n):
        score += g[sel[k]]
        rounded += h[sel[k]]
        cost += e[sel[k]]
    return score, rounded, cost


@cached(nogil=True, _nrt=False)
def _begin(basis, score, rounded, cost):
    """A basis of the best scores alone and what they have above both rows, as shares of these.

    Rows 0 to 2 are its inverse, 3 holds amounts, 4 costs, and 5 is room for a column.
    """
    for k in range(3):
        for i in range(3):
            basis[i, k] = -1.0 if i == k else 0.0
        basis[4, k] = 0.0
    basis[0, 0] = basis[3, 0] = 1.0
    basis[1, 0] = score
    basis[2, 0] = rounded
    basis[3, 1] = score - 1.0
    basis[3, 2] = rounded - 1.0
    basis[4, 0] = cost


@cached(nogil=True, _nrt=False)
def _enter(basis, size, score, rounded, cost):
    """Let a column into the basis; False if there is none to leave."""
    leaves = -1
    least = np.inf
    for i in range(3):
        y = basis[i, 0] * size + basis[i, 1] * score + basis[i, 2] * rounded
        basis[5, i] = y
        if y > LEAST and basis[3, i] < least * y:
            least = basis[3, i] / y
            leaves = i
    if leaves < 0:
        return False
    for i in range(3):
        y = basis[5, i] / basis[5, leaves]
        if i != leaves:
            basis[3, i] -= y * basis[3, leaves]
            for k in range(3):
                basis[i, k] -= y * basis[leaves, k]
    for k in range(3):
        basis[leaves, k] /= basis[5, leaves]
    basis[3, leaves] = least
    basis[4, leaves] = cost
    return True


@cached(nogil=True, _nrt=False)
def rounded_dual(g, e, m, need, hi, lam, asked, w):
    """Price scores and rounded scores for the best bound; w.real[H] gets what experts are worth.

    lam is the price of the best bound without rounded scores. The simplex method finds the prices:
    its columns are sets, beginning with the best scores. It ends early where the bound cannot reach
    `asked`. Returns the bound, a price of 1, and the worth that all sets have that reach the need.
    The bound is 0 if nothing was rounded.
    """
    goal = _round(g, e, m, need, hi, lam, w)
    if goal == 0.0:
        return 0.0, 1.0, 0.0
    h = w.real[H]
    r = w.real[R]
    sel = w.whole[SEL]
    val = w.real[VAL]
    basis = w.table[REDUCED]
    for j in range(m):
        r[j] = -g[j]
    n = smallest(r, m, hi, np.inf, sel, val)
    score, rounded, cost = _column(g, h, e, n, sel)
    _begin(basis, score / need, rounded / goal, cost)
    bound = 0.0
    best = (0.0, 0.0)
    for _ in range(MOST_STEPS):
        one = by_score = by_rounded = 0.0  # prices
        for i in range(3):
            one += basis[4, i] * basis[i, 0]
            by_score += basis[4, i] * basis[i, 1]
            by_rounded += basis[4, i] * basis[i, 2]
        most = one + by_score + by_rounded
        if most < asked:
            break
        if min(by_score, by_rounded) < -LEAST:  # a row is exceeded
            score = -need if by_score < -LEAST else 0.0
            rounded = -goal if score == 0.0 else 0.0
            cost = 0.0
            size = 0.0
        else:
            a = max(by_score, 0.0) / need
            b = max(by_rounded, 0.0) / goal
            for j in range(m):
                r[j] = e[j] - a * g[j] - b * h[j]
            n = smallest(r, m, hi, 0.0, sel, val)
            score, rounded, cost = _column(g, h, e, n, sel)
            size = 1.0
            value = cost + a * (need - score) + b * (goal - rounded)
            if value > bound:
                bound = value
                best = (a, b)
            if value >= most * (1.0 - TIE):
                break
        if not _enter(basis, size, score / need, rounded / goal, cost):
            break
    a, b = best
    for j in range(m):
        h[j] = a * g[j] + b * h[j]
    return bound, 1.0, a * need + b * goal
