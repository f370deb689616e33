"""Compiled kernels of DES: one covering knapsack with a cardinality cap per token.

min sum e_j x_j  subject to  sum g_j x_j >= need,  sum x_j <= D,  x binary                     (P1)

Dualising the covering row with a price `lam` per unit of score leaves "take the at most D smallest
reduced costs e_j - lam g_j", whose linear relaxation is integral: the dual bound therefore equals the
linear relaxation with *both* rows, and costs one pass over the experts. Scores come as whole numbers
(see `instance.score_units`), so sums of scores are exact. All kernels stand in this one module because
numba's cache does not notice changes of helpers in other files.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

TIE = 1e-12  # a node whose bound is this close (relative) to the incumbent is not worth opening
CLOSE = 1.1  # an incumbent within this factor of the root bound is left to the search
EASY_NODES = 300  # nodes spent before the search is split by the number of experts
ROUNDING = 1e-15  # error of a bound per term and unit of magnitude
NONE = np.int64(0)  # a literal 0 would make numba compile everything below once more for that value
BRANCHED, SOLUTION, SHORT, DEAR, COMPLETED = 0, 1, 2, 3, 4  # why a node of the tree was left


class Work(NamedTuple):
    """Scratch of one search, allocated once per call: few arrays with named rows, since every array costs compile time."""

    real: NDArray[np.float64]
    whole: NDArray[np.int32]
    table: NDArray[np.float64]
    order: NDArray[np.int32]


(G, E, R, VAL, PENALTY, CORE_G, CORE_E, AT_SCORE, AT_COST, SIZE_BOUND, SIZE_LAM, REALS) = range(12)
(SEL, CHOSEN, CORE, INSIDE, LABEL, INDEX, FOUND, MEMBERS, BEST, TAKEN, SECOND, AT_COUNT, NEGATIVE, NODE, OUT, WHOLES) = range(16)
(REDUCED, CHEAP, SCORE, TABLES) = range(4)


@njit(cache=True, nogil=True, _nrt=False, fastmath={"reassoc", "nsz"}, error_model="numpy")
def _negative(g, e, m, lam):
    """Score sum, cost sum and number of the experts with e - lam g < 0 (written so that it vectorises)."""
    score = 0.0
    cost = 0.0
    count = 0.0
    for j in range(m):
        taken = 1.0 if e[j] - lam * g[j] < 0.0 else 0.0
        score += taken * g[j]
        cost += taken * e[j]
        count += taken
    return score, cost, int(count)


@njit(cache=True, nogil=True, _nrt=False)
def _smallest(r, m, n, below, sel, val):
    """The at most n smallest r[j] < below, ascending, into sel and val; returns how many."""
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


@njit(cache=True, nogil=True, _nrt=False)
def _relaxed_set(g, e, m, lam, lo, hi, r, sel, val):
    """Minimise sum (e - lam g) over sets of lo to hi experts: (size, score, cost), members in sel if size >= 0.

    Size -1 says that the members are all those with e - lam g < 0, which were not listed.
    """
    score, cost, count = _negative(g, e, m, lam)
    if lo <= count <= hi:
        return -1, score, cost
    for j in range(m):
        r[j] = e[j] - lam * g[j]
    if count > hi:
        n = _smallest(r, m, hi, 0.0, sel, val)
    else:
        n = _smallest(r, m, lo, np.inf, sel, val)
    score = 0.0
    cost = 0.0
    for k in range(n):
        score += g[sel[k]]
        cost += e[sel[k]]
    return n, score, cost


@njit(cache=True, nogil=True, _nrt=False)
def _keep(n, g, e, m, lam, sel, out):
    """Copy a set of `_relaxed_set` into out; returns its size."""
    if n >= 0:
        return _copy(sel, n, out)
    n = 0
    for j in range(m):
        out[n] = j
        n += 1 if e[j] - lam * g[j] < 0.0 else 0
    return n


@njit(cache=True, nogil=True, _nrt=False)
def _copy(source, n, target):
    for k in range(n):
        target[k] = source[k]
    return n


@njit(cache=True, nogil=True, _nrt=False)
def _dual(g, e, m, need, lo, hi, best, size, w):
    """Maximise the dual over lam by cutting planes: the next lam is where the lines of two known sets meet.

    Returns (bound, lam, best, size): best and size describe the cheapest feasible set seen, its members stand in
    w.whole[BEST]; the lam of the dearest set seen that is too weak is left in w.real[SIZE_LAM, 0]. The bound is inf
    if no hi experts reach `need`.
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
    if lo == 0:
        total, total_cost = _sums(g, e, m)
        lam = total_cost / total
        if lam == 0.0:
            lam = 1.0
        for _ in range(8):
            n, high, high_cost = _relaxed_set(g, e, m, lam, lo, hi, r, sel, val)
            if high >= need:
                break
            lam *= 4.0
    else:
        n, low, low_cost = _relaxed_set(g, e, m, 0.0, lo, lo, r, sel, val)
        if low >= need:
            if low_cost < best:
                best = low_cost
                size = _keep(n, g, e, m, 0.0, sel, members)
            return low_cost, 0.0, best, size
    if high < need:
        for j in range(m):
            r[j] = -g[j]
        n = _smallest(r, m, hi, np.inf, sel, val)
        high = 0.0
        high_cost = 0.0
        for k in range(n):
            high += g[sel[k]]
            high_cost += e[sel[k]]
        if high < need:
            return np.inf, 0.0, best, size
        if high_cost < best:
            best = high_cost
            size = _keep(n, g, e, m, 0.0, sel, members)
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
        if line <= bound * (1.0 + TIE):
            break
        n, score, cost = _relaxed_set(g, e, m, lam, lo, hi, r, sel, val)
        value = cost + lam * (need - score)
        if value > bound:
            bound = value
            price = lam
        if score >= need:
            if cost < best:
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
    if kept >= 0.0:
        n, score, cost = _relaxed_set(g, e, m, kept, lo, hi, r, sel, val)
        size = _keep(n, g, e, m, kept, sel, members)
    return bound, price, best, size


@njit(cache=True, nogil=True, _nrt=False, fastmath={"reassoc", "nsz"}, error_model="numpy")
def _sums(g, e, m):
    score = 0.0
    cost = 0.0
    for j in range(m):
        score += g[j]
        cost += e[j]
    return score, cost


@njit(cache=True, nogil=True, _nrt=False, fastmath={"reassoc", "nsz", "nnan"}, error_model="numpy")
def _cheapest(g, e, m, need):
    """Least cost among the items whose own score reaches `need`."""
    least = np.inf
    for j in range(m):
        v = e[j] if g[j] >= need else np.inf
        least = v if v < least else least
    return least


@njit(cache=True, nogil=True, _nrt=False)
def _trade(g, e, m, need, lam, close, best, size, w):
    """Improve the set in w.whole[BEST] by replacing one member at a time by the cheapest expert that suffices.

    The least attractive member is tried once; the others too, and again, while the set costs more than `close`.
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
        if e[j] - lam * g[j] > e[members[k]] - lam * g[members[k]]:
            k = p
    tried = 0
    while tried < size:
        leave = members[k]
        missing = need - score + g[leave]
        price = _cheapest(g, others, m, missing) if missing > 0.0 else np.inf
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
        if best <= close:
            break
        k = (k + 1) % size
    return best, size


@njit(cache=True, nogil=True, _nrt=False)
def _repair(g, e, m, need, hi, best, size, w):
    """Strengthen the too weak set next to the relaxation's optimum by adding or replacing one expert; (best, size)."""
    lam = w.real[SIZE_LAM, 0]
    if lam == 0.0:
        return best, size
    weak = w.whole[MEMBERS]
    others = w.real[CORE_E]
    n, score, cost = _relaxed_set(g, e, m, lam, NONE, hi, w.real[R], w.whole[SEL], w.real[VAL])
    n = _keep(n, g, e, m, lam, w.whole[SEL], weak)
    for j in range(m):
        others[j] = e[j]
    for k in range(n):
        others[weak[k]] = np.inf
    leave = -1
    for k in range(n + (1 if n < hi else 0)):  # k = n: nobody leaves
        missing = need - score + (g[weak[k]] if k < n else 0.0)
        total = cost - (e[weak[k]] if k < n else 0.0) + _cheapest(g, others, m, missing)
        if total < best:
            best = total
            leave = k
    if leave < 0:
        return best, size
    missing = need - score + (g[weak[leave]] if leave < n else 0.0)
    price = _cheapest(g, others, m, missing)
    for j in range(m):
        if others[j] == price and g[j] >= missing:
            weak[leave] = j
            break
    return best, _copy(weak, max(n, leave + 1), w.whole[BEST])


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
def _search(g, e, m, need, lo, hi, lam, err, best, low, base_score, base_cost, limit, w, pairs, stop, tree, rows):
    """Depth-first search over items ordered by what deciding against the relaxation costs, dearest first.

    Returns (best, size, nodes, low, finished): size is -1 if nothing cheaper was found, its members stand in
    w.whole[FOUND]; low is the smallest bound at which a node was cut, less the rounding error err.
    """
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
            return best, size, nodes, low, False
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
            bound = max(cost + lam * missing + w.table[REDUCED, i, fill], cost + w.table[CHEAP, i, least])
            if bound >= best * (1.0 - TIE):
                reason = DEAR
                low = min(low, bound - err)
            elif pairs and k <= 2:
                reason = COMPLETED
                bound = cost + _complete(g, e, w.order[i], m - i, k, missing, best - cost, w.whole[OUT])
                extra = 1 if w.whole[OUT, 0] >= 0 and bound < best else 0
        if tree.shape[0] > 0:
            parent = w.whole[NODE, i - 1] if i > 0 else -1
            expert = w.whole[LABEL, i - 1] if i > 0 else -1
            w.whole[NODE, i] = _note(tree, rows, parent, expert, w.whole[TAKEN, i - 1] if i > 0 else -1, bound, reason)
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
def _reduce_and_search(g, e, m, need, lo, hi, dual, best, low, limit, w, reduce, pairs, stop, tree, rows):
    """Fix what the dual bound and the incumbent decide, then search the rest; results as `_search`, in w.whole[MEMBERS]."""
    bound, lam = dual
    r = w.real[R]
    total, _ = _sums(g, e, m)
    err = ROUNDING * (hi + 4) * (best + lam * (need + total)) if best < np.inf else 0.0
    cut = best * (1.0 - TIE)
    if bound >= cut:
        return best, -1, 0, min(low, bound - err), True
    before = 0.0  # reduced cost that leaves when another expert enters, and that enters when one leaves
    after = 0.0
    _, _, n = _negative(g, e, m, lam)
    for j in range(m):
        r[j] = e[j] - lam * g[j]
    if lo == 0 and n < hi:
        for j in range(m):
            w.whole[CHOSEN, j] = 1 if r[j] < 0.0 else 0
    else:
        listed = _smallest(r, m, min(hi + 1, m), np.inf, w.whole[SEL], w.real[VAL])
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


@njit(cache=True, nogil=True, _nrt=False)
def _solve_token(g, e, m, need, cap, limit, w, reduce, pairs, stop, tree, rows):
    """One token: (best, size, nodes, bound), the chosen items in w.whole[BEST]; best is inf if `need` is out of reach."""
    if need <= 0.0:
        return 0.0, 0, 0, 0.0
    hi = min(cap, m)
    bound, lam, best, size = _dual(g, e, m, need, NONE, hi, np.inf, NONE, w)
    if bound == np.inf or hi == 0:
        return np.inf, 0, 0, np.inf
    if reduce:
        if best > bound * CLOSE:
            best, size = _repair(g, e, m, need, hi, best, size, w)
        best, size = _trade(g, e, m, need, lam, bound * CLOSE, best, size, w)
    else:
        best = np.inf
    dual = (bound, lam)
    first = min(limit, EASY_NODES) if pairs else limit
    best, found, nodes, low, finished = _reduce_and_search(
        g, e, m, need, NONE, hi, dual, best, np.inf, first, w, reduce, pairs, stop, tree, rows
    )
    if found >= 0:
        size = _copy(w.whole[MEMBERS], found, w.whole[BEST])
    if finished:
        return best, size, nodes, min(best, low)
    if nodes >= limit or stop[0]:
        return best, size, nodes, min(best, bound)
    # Hard token. By the number of experts: the relaxation cannot mix sizes, so correlated costs close.
    need = _next_multiple(g, m, need)
    low = np.inf
    for n in range(1, hi + 1):
        w.real[SIZE_BOUND, n], w.real[SIZE_LAM, n], best, size = _dual(g, e, m, need, n, n, best, size, w)
    w.real[SIZE_BOUND, 0] = np.inf
    while True:
        n = np.argmin(w.real[SIZE_BOUND, : hi + 1])
        bound = w.real[SIZE_BOUND, n]
        if bound == np.inf:
            return best, size, nodes, min(best, low)
        dual = (bound, w.real[SIZE_LAM, n])
        best, found, spent, low, finished = _reduce_and_search(
            g, e, m, need, n, n, dual, best, low, limit - nodes, w, reduce, pairs, stop, tree, rows
        )
        nodes += spent
        if found >= 0:
            size = _copy(w.whole[MEMBERS], found, w.whole[BEST])
        if not finished:
            return best, size, nodes, min(best, low, bound)
        w.real[SIZE_BOUND, n] = np.inf


@njit(cache=True, nogil=True, _nrt=False)
def _next_multiple(g, m, need):
    """Raise `need` to the next multiple of the greatest common divisor of all scores: no sum lies between."""
    divisor = np.int64(0)
    for j in range(m):
        other = np.int64(g[j])
        while other:
            divisor, other = other, divisor % other
    return np.ceil(need / divisor) * divisor


@njit(cache=True, nogil=True, _nrt=False)
def solve_tokens(
    scores, cost, usable, need, unit, scale, cap, limit, reduce, pairs, stop, chosen, bound, nodes, w, tree, rows
):  # fmt: skip
    """Solve tokens one after the other.

    scores (T, K); cost (T, K) in J; usable (T, K) bool; need (T,) in units of 1/unit; costs are multiplied by the
    power of two `scale`; limit is in nodes per token. Writes chosen (T, K) bool, bound (T,) in J and nodes (T,).
    A token that cannot reach its need is left unchosen with bound inf. Setting stop[0] ends the search early with
    valid bounds.
    """
    tokens, experts = scores.shape
    g = w.real[G]
    e = w.real[E]
    for t in range(tokens):
        m = NONE
        for j in range(experts):
            g[m] = np.rint(scores[t, j] * unit)
            e[m] = cost[t, j] * scale
            w.whole[INDEX, m] = j
            m += 1 if usable[t, j] and g[m] > 0.0 else 0
        most = NONE if stop[0] else limit
        best, size, visited, low = _solve_token(g, e, m, need[t], cap, most, w, reduce, pairs, stop, tree, rows)
        for k in range(size):
            chosen[t, w.whole[INDEX, w.whole[BEST, k]]] = True
        nodes[t] = visited
        bound[t] = low / scale


def workspace(experts: int, cap: int) -> Work:
    """Scratch for `solve_tokens` with up to this many experts and this cap; one per thread."""
    k = experts + 2
    c = min(experts, cap) + 2
    return Work(
        np.empty((REALS, k)), np.empty((WHOLES, k), np.int32), np.empty((TABLES, k, c)), np.empty((k, k), np.int32)
    )
