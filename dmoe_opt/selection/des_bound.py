"""Compiled bounds and incumbents of DES, steps 1 and 2: one covering knapsack per token.

min sum e_j x_j  subject to  sum g_j x_j >= need,  sum x_j <= D,  x binary                     (P1)

A price `lam` per unit of score replaces the covering row by the term lam (need - sum g_j x_j) of
the objective. The rest of the problem is "take the at most D smallest reduced costs e_j - lam g_j".
Its linear relaxation is integral, so the dual bound equals the linear relaxation with *both* rows.
It takes one pass over the experts. Scores come as whole numbers (see `problem.score_units`), so
sums of scores are exact.

Arguments that all kernels share:

- g, e: scores in units and costs of the usable experts of one token, float, shape (m,) or longer;
- m: number of these experts; need: score to reach, in units;
- lo, hi: least and greatest number of experts in a set;
- best, size: cost and number of experts of the incumbent, whose members stand in w.whole[BEST];
- w: the scratch `Work`, whose named rows have at least m + 1 entries.

`_nrt=False` in these modules: counting the references of arrays took half of the time of a token.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.compiling import cached

TIE = 1e-12  # a node whose bound is this close (relative) to the incumbent is not worth opening
CLOSE = 1.1  # an incumbent within this factor of the root bound is left to the search
FIRST_PRICE = 0.25  # of the mean cost per score; a good guess saves two passes, a bad one costs one
COARSE = 1e-9  # a rounding error beyond this (relative) makes a price useless
UNIT_SLACK = 1e-6  # of the unit of all costs, for the rounding of quotients
ROUNDING = 1e-15  # error of a bound per term and unit of magnitude
NONE = np.int64(0)  # a literal 0 would make numba compile everything below once more
BRANCHED, SOLUTION, SHORT, CUT, COMPLETED = 0, 1, 2, 3, 4  # why a node of the tree was left


class Work(NamedTuple):
    """Scratch of one search, allocated once per call.

    It has few arrays with named rows, because every array costs compile time. For K experts and the
    cap D these are `real` (REALS, K + 2), `whole` (WHOLES, K + 2), `order` (K + 2, K + 2) and
    `table` (TABLES, K + 2, min(K, D) + 2).
    """

    real: NDArray[np.float64]
    whole: NDArray[np.int32]
    table: NDArray[np.float64]
    order: NDArray[np.int32]


(G, E, H, R, VAL, PENALTY, CORE_G, CORE_E, CORE_R, SIZE_BOUND, SIZE_LAM) = range(11)
(AT_SCORE, AT_COST, AT_VALUE, REALS) = range(11, 15)
(SEL, CHOSEN, CORE, INSIDE, LABEL, INDEX, FOUND, MEMBERS, BEST) = range(9)
(TAKEN, SECOND, AT_COUNT, NEGATIVE, NODE, OUT, ANSWER, PATH, TURNED, WHOLES) = range(9, 19)
(REDUCED, CHEAP, SCORE, TABLES) = range(4)


@cached(nogil=True, _nrt=False, fastmath={"reassoc", "nsz"}, error_model="numpy")
def negative(g, e, m, lam):
    """Score sum, cost sum and number of the experts with e - lam g < 0.

    The loop has no branches, so that the compiler can vectorise it.
    """
    score = 0.0
    cost = 0.0
    count = 0.0
    for j in range(m):
        taken = 1.0 if e[j] - lam * g[j] < 0.0 else 0.0
        score += taken * g[j]
        cost += taken * e[j]
        count += taken
    return score, cost, int(count)


@cached(nogil=True, _nrt=False)
def smallest(r, m, n, below, sel, val):
    """Write the at most n smallest r[j] < below, ascending, to sel and val; returns their number.

    r (m,) is not changed; sel and val have at least n entries.
    """
    count = 0
    for j in range(m):
        v = r[j]
        if v < below:
            if count < n:
                count += 1
            p = count - 1
            while p > 0 and val[p - 1] > v:
                val[p] = val[p - 1]
                sel[p] = sel[p - 1]
                p -= 1
            val[p] = v
            sel[p] = j
            if count == n:
                below = val[n - 1]
    return count


@cached(nogil=True, _nrt=False)
def relaxed_set(g, e, m, lam, lo, hi, r, sel, val):
    """Minimise sum (e - lam g) over sets of lo to hi experts; returns (size, score, cost).

    The members stand in sel if size >= 0. Size -1 says that the members are all experts with
    e - lam g < 0, which were not listed. r, sel and val are scratch.
    """
    score, cost, count = negative(g, e, m, lam)
    if lo <= count <= hi:  # step 1: the cap does not bind, so one pass is enough
        return -1, score, cost
    for j in range(m):
        r[j] = e[j] - lam * g[j]
    n = smallest(r, m, hi, 0.0, sel, val) if count > hi else smallest(r, m, lo, np.inf, sel, val)
    score = 0.0
    cost = 0.0
    for k in range(n):
        score += g[sel[k]]
        cost += e[sel[k]]
    return n, score, cost


@cached(nogil=True, _nrt=False)
def copy_members(source, n, target):
    """Copy the first n entries; returns n."""
    for k in range(n):
        target[k] = source[k]
    return n


@cached(nogil=True, _nrt=False)
def keep(n, g, e, m, lam, sel, out):
    """Copy a set of `relaxed_set`, of size n and at price lam, to out; returns its size."""
    if n >= 0:
        return copy_members(sel, n, out)
    n = 0
    for j in range(m):
        out[n] = j
        n += int(e[j] - lam * g[j] < 0.0)
    return n


@cached(nogil=True, _nrt=False)
def best_dual(g, e, m, need, lo, hi, best, size, w):
    """Maximise the dual over lam by cutting planes: the next lam is where two lines meet.

    Each set with score s and cost c is a line c + lam (need - s) in lam. The two lines belong to
    the last set that reaches the need and to the last one that does not.

    Returns (bound, lam, best, size): best and size describe the cheapest feasible set that was met,
    and its members stand in w.whole[BEST]. The price of the last set that was too weak is left in
    w.real[SIZE_LAM, 0]. The bound is inf if no hi experts reach `need`.
    """
    r = w.real[R]
    sel = w.whole[SEL]
    val = w.real[VAL]
    members = w.whole[BEST]
    lam = 0.0
    low = 0.0
    low_cost = 0.0
    high = -1.0
    high_cost = 0.0
    # Step 1: two sets to start from, a weak one at price 0 and one that reaches the need.
    if lo == 0:  # the weak set is empty; the price is guessed, and raised until a set reaches
        total, total_cost = sums(g, e, m)
        lam = FIRST_PRICE * total_cost / total
        if lam == 0.0:
            lam = 1.0
        for _ in range(8):
            n, high, high_cost = relaxed_set(g, e, m, lam, lo, hi, r, sel, val)
            if high >= need:
                break
            lam *= 4.0
    else:
        n, low, low_cost = relaxed_set(g, e, m, 0.0, lo, lo, r, sel, val)
        if low >= need:  # the lo cheapest experts reach the need: optimal for this size
            if low_cost < best:
                best = low_cost
                size = keep(n, g, e, m, 0.0, sel, members)
            return low_cost, 0.0, best, size
    if high < need:  # no price led there: the hi best scores reach it, or nothing does
        for j in range(m):
            r[j] = -g[j]
        n = smallest(r, m, hi, np.inf, sel, val)
        high = 0.0
        high_cost = 0.0
        for k in range(n):
            high += g[sel[k]]
            high_cost += e[sel[k]]
        if high < need:
            return np.inf, 0.0, best, size
        if high_cost < best:
            best = high_cost
            size = keep(n, g, e, m, 0.0, sel, members)
    kept = -1.0
    if high_cost < best:
        best = high_cost
        kept = lam
    bound = low_cost
    price = 0.0
    below = 0.0
    for _ in range(100):
        lam = (high_cost - low_cost) / (high - low)
        line = low_cost + lam * (need - low)
        if line <= bound * (1.0 + TIE):  # the lines cannot meet higher than the bound: done
            break
        n, score, cost = relaxed_set(g, e, m, lam, lo, hi, r, sel, val)
        value = cost + lam * (need - score)
        if value > bound:
            bound = value
            price = lam
        if score >= need:
            if cost < best:  # step 2: sets met on the way are incumbents
                best = cost
                kept = lam
            if score == high:
                break
            high = score
            high_cost = cost
        else:
            if score == low:
                break
            low = score
            low_cost = cost
            below = lam
    w.real[SIZE_LAM, 0] = below
    if kept >= 0.0:  # only the price was noted, so the members are listed now, once
        n, score, cost = relaxed_set(g, e, m, kept, lo, hi, r, sel, val)
        size = keep(n, g, e, m, kept, sel, members)
    return bound, price, best, size


@cached(nogil=True, _nrt=False, fastmath={"reassoc", "nsz"}, error_model="numpy")
def sums(g, e, m):
    """Sum of all scores and sum of all costs."""
    score = 0.0
    cost = 0.0
    for j in range(m):
        score += g[j]
        cost += e[j]
    return score, cost


@cached(nogil=True, _nrt=False, fastmath={"reassoc", "nsz", "nnan"}, error_model="numpy")
def cheapest(g, e, m, need):
    """Least cost among the items whose own score reaches `need`."""
    least = np.inf
    for j in range(m):
        v = e[j] if g[j] >= need else np.inf
        least = v if v < least else least
    return least


@cached(nogil=True, _nrt=False)
def rounding(best, lam, score, hi):
    """Error of a bound at the price lam, where scores sum to `score` in sets of at most hi experts.

    It is ROUNDING (hi + 4) (best + lam score), and 0 without an incumbent.
    """
    return ROUNDING * (hi + 4) * (best + lam * score) if best < np.inf else 0.0


@cached(nogil=True, _nrt=False, inline="always")
def cut_from(best, unit, err):
    """Bounds from here on rule out a better set than the incumbent of cost `best`.

    All costs are multiples of `unit`, or it is 0; err is the rounding error of the bounds.
    """
    return min(best * (1.0 - TIE), best - (1.0 - UNIT_SLACK) * unit + err)


@cached(nogil=True, _nrt=False)
def trade(g, e, m, need, lam, close, best, size, w):
    """Improve the incumbent by replacing one member at a time by the cheapest expert that suffices.

    The least attractive member is tried once. The others are tried too, and again, while the set
    costs more than `close`. Returns (best, size).
    """
    members = w.whole[BEST]
    others = w.real[CORE_E]
    for j in range(m):
        others[j] = e[j]
    score = 0.0
    k = 0
    for p in range(size):
        j = members[p]
        score += g[j]
        others[j] = np.inf
        # Step 2: the member with the largest reduced cost leaves first.
        if e[j] - lam * g[j] > e[members[k]] - lam * g[members[k]]:
            k = p
    tried = 0
    while tried < size:
        leave = members[k]
        missing = need - score + g[leave]
        price = cheapest(g, others, m, missing) if missing > 0.0 else np.inf
        tried += 1
        if price < e[leave]:
            best += price - e[leave]
            for j in range(m):
                if others[j] == price and g[j] >= missing:
                    members[k] = j
                    others[j] = np.inf
                    score += g[j] - g[leave]
                    break
            others[leave] = e[leave]
            tried = 0
        if best <= close:  # good enough: the search is cheaper than more trades
            break
        k = (k + 1) % size
    return best, size


@cached(nogil=True, _nrt=False)
def repair(g, e, m, need, hi, best, size, w):
    """Strengthen the weak set next to the relaxation's optimum by adding or replacing one expert.

    Returns (best, size). The price in w.real[SIZE_LAM, 0] tells the set; at price 0 there is none.
    """
    lam = w.real[SIZE_LAM, 0]
    if lam == 0.0:
        return best, size
    weak = w.whole[MEMBERS]
    others = w.real[CORE_E]
    n, score, cost = relaxed_set(g, e, m, lam, NONE, hi, w.real[R], w.whole[SEL], w.real[VAL])
    n = keep(n, g, e, m, lam, w.whole[SEL], weak)
    for j in range(m):
        others[j] = e[j]
    for k in range(n):
        others[weak[k]] = np.inf
    # Step 2: try each exchange; k = n means that one expert joins and none leaves.
    leave = -1
    for k in range(n + (1 if n < hi else 0)):
        missing = need - score + (g[weak[k]] if k < n else 0.0)
        total = cost - (e[weak[k]] if k < n else 0.0) + cheapest(g, others, m, missing)
        if total < best:
            best = total
            leave = k
    if leave < 0:
        return best, size
    missing = need - score + (g[weak[leave]] if leave < n else 0.0)
    price = cheapest(g, others, m, missing)
    for j in range(m):
        if others[j] == price and g[j] >= missing:
            weak[leave] = j
            break
    return best, copy_members(weak, max(n, leave + 1), w.whole[BEST])
