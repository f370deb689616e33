"""The compiled search of `trees`: one tree after the other, depth first.

A `token` is its prices (K,) in J, inf where it cannot use an expert, its scores (K,) and what it
needs in units, the node (K,) of each expert, and what nodes cost it once (N,) in J; there are none
where they cost nothing. `size` is how many experts it may use, and whether it is exactly so many.
A price mu is in J per unit. For g, e, m, lo, hi and w see `des_bound`; here they are of the free
experts of a node of the tree.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dmoe_opt.compiling import cached
from dmoe_opt.selection.des_bound import (
    CHOSEN,
    FIRST_PRICE,
    INDEX,
    MEMBERS,
    SEL,
    VAL,
    E,
    G,
    R,
    keep,
    relaxed_set,
    smallest,
    sums,
)

SOURCES = "4e8972cc5561e11b"
"""Digest of the kernels that this file calls.

Numba's cache of this file does not notice a change there. This line does.
"""
ROUNDING = 1e-14  # relative to what is missing at its price: sums in floating point may be off
MOST_CUTS = 60
RAISED, RAISES = 4.0, 3  # of a price until experts reach the need
FREE, IN, OUT = 0, 1, 2


class Path(NamedTuple):
    """Where the search is: which experts are free, in or out, `state` (K,), and how it got there.

    `passed` and `price` (K + 1,) are the experts that were branched on, and the prices there. `fit`
    (N,) is how many free experts share what a node costs, -1 if that is paid.
    """

    state: Any
    passed: Any
    price: Any
    fit: Any


def path(experts: int, nodes: int) -> Path:
    """Room for the path of a search."""
    state, passed = np.zeros(experts, np.int64), np.zeros(experts + 1, np.int64)
    return Path(state, passed, np.zeros(experts + 1), np.zeros(nodes, np.int64))


@cached(nogil=True, _nrt=False)
def _list(g, e, m, mu, lo, hi, w, row):  # type: ignore[no-untyped-def]
    """The set that is worth most at mu, of the best scores at inf, into a row; its size."""
    r, sel, val = w.real[R], w.whole[SEL], w.real[VAL]
    if mu < np.inf:
        n, _, _ = relaxed_set(g, e, m, mu, lo, hi, r, sel, val)
    else:
        for j in range(m):
            r[j] = -g[j]
        n = smallest(r, m, hi, np.inf, sel, val)
    return keep(n, g, e, m, mu, sel, w.whole[row])


@cached(nogil=True, _nrt=False)
def _apart(g, e, m, below, above, lo, hi, w):  # type: ignore[no-untyped-def]
    """The expert with the best score that is worth it at one of two prices only; -1 if none is."""
    low, high = w.whole[CHOSEN], w.whole[MEMBERS]
    fewer, more = (
        _list(g, e, m, below, lo, hi, w, CHOSEN),
        _list(g, e, m, above, lo, hi, w, MEMBERS),
    )
    best = -1
    for one, size, other, most in ((low, fewer, high, more), (high, more, low, fewer)):
        for k in range(size):
            j = one[k]
            alone = best < 0 or g[j] > g[best] or (g[j] == g[best] and j < best)
            for n in range(most):
                alone = alone and other[n] != j
            if alone:
                best = j
    return best


@cached(nogil=True, _nrt=False)
def _sharing(token, g, e, m, mu, lo, hi, w, fit):  # type: ignore[no-untyped-def]
    """The first expert that is worth it at mu and pays a share of its node only; -1 if none."""
    of, entry = token[3], token[4]
    first = -1
    for k in range(_list(g, e, m, mu, lo, hi, w, MEMBERS) if len(entry) else 0):
        j = w.whole[MEMBERS, k]
        n = of[w.whole[INDEX, j]]
        if entry[n] > 0.0 and fit[n] > 1 and (first < 0 or j < first):
            first = j
    return first


@cached(nogil=True, _nrt=False)
def _share(token, state, left, room, w, fit):  # type: ignore[no-untyped-def]
    """Add shares of nodes to the prices of free experts; returns what those that are in pay."""
    of, entry = token[3], token[4]
    paid = 0.0
    for n in range(len(entry)):
        fit[n] = 0
    for k in range(left):
        fit[of[w.whole[INDEX, k]]] += 1
    for n in range(len(entry)):
        fit[n] = min(fit[n], room)
    for j in range(len(state)):
        if state[j] == IN and fit[of[j]] >= 0:
            paid += entry[of[j]]
            fit[of[j]] = -1
    for k in range(left):
        n = of[w.whole[INDEX, k]]
        if fit[n] >= 0:
            w.real[E, k] += entry[n] / max(fit[n], 1)
    return paid


@cached(nogil=True, _nrt=False, inline="always")
def _open(token, size, state, w, fit):  # type: ignore[no-untyped-def]
    """Put the free experts into w; their number, the room, what is missing, what is paid."""
    cost, units, missing, _, entry = token
    g, e, index = w.real[G], w.real[E], w.whole[INDEX]
    room, left, paid = size[0], 0, 0.0
    for j in range(len(cost)):
        if state[j] == FREE:
            g[left], e[left], index[left] = units[j], cost[j], j
            left += 1
        elif state[j] == IN:
            room -= 1
            missing -= units[j]
            paid += cost[j]
    if len(entry) and room >= 0:
        paid += _share(token, state, left, room, w, fit)
    return left, room, missing, paid


@cached(nogil=True, _nrt=False, inline="always")
def _best(g, e, m, mu, lo, hi, w):  # type: ignore[no-untyped-def]
    """The set that is worth most at mu, as what it reaches, what it costs, and mu."""
    if mu < np.inf:
        _, reach, cost = relaxed_set(g, e, m, mu, lo, hi, w.real[R], w.whole[SEL], w.real[VAL])
        return reach, cost, mu
    reach, cost = 0.0, 0.0
    for k in range(_list(g, e, m, mu, lo, hi, w, MEMBERS)):
        reach += g[w.whole[MEMBERS, k]]
        cost += e[w.whole[MEMBERS, k]]
    return reach, cost, mu


@cached(nogil=True, _nrt=False, inline="always")
def _value(best, need):  # type: ignore[no-untyped-def]
    """What a set pays that is worth most at a price, if what is missing costs that price; J."""
    reach, cost, mu = best
    return cost + mu * (need - reach) - ROUNDING * mu * need if mu < np.inf else 0.0


@cached(nogil=True, _nrt=False, inline="always")
def _raised(g, e, m, need, low, mu, goal, lo, hi, w):  # type: ignore[no-untyped-def]
    """Sets at rising prices, until one reaches the need or `goal`: the last two of them.

    If none does, the last is that of the best scores.
    """
    if mu == 0.0:
        total, total_j = sums(g, e, m)
        mu = FIRST_PRICE * total_j / total if total > 0.0 else 0.0
    for _ in range(RAISES):
        high = _best(g, e, m, mu, lo, hi, w)
        if high[0] >= need or _value(high, need) >= goal:
            return low, high
        low = high
        mu *= RAISED
    return low, _best(g, e, m, np.inf, lo, hi, w)


@cached(nogil=True, _nrt=False, error_model="numpy")
def _bound(token, size, near, goal, w, path):  # type: ignore[no-untyped-def]
    """The best bound of a node by cutting planes, its price, and an expert to branch on or -1.

    The price `near` is tried first. The search ends early at a bound of `goal`, and where no price
    reaches that; the bound is inf if the node has no set.
    """
    g, e = w.real[G], w.real[E]
    m, hi, need, paid = _open(token, size, path.state, w, path.fit)
    lo = hi if size[1] else 0
    if hi < 0 or m < lo:
        return np.inf, 0.0, -1
    low = _best(g, e, m, 0.0, lo, hi, w) if lo else (0.0, 0.0, 0.0)
    if low[0] >= need:
        return paid + low[1], 0.0, _sharing(token, g, e, m, 0.0, lo, hi, w, path.fit)
    low, high = _raised(g, e, m, need, low, near, goal - paid, lo, hi, w)
    value, mu = _value(high, need), high[2]
    if mu == np.inf and high[0] < need:
        return np.inf, 0.0, -1
    for _ in range(MOST_CUTS):
        if paid + value >= goal:
            return paid + value, mu, -1
        mu = max((high[1] - low[1]) / (high[0] - low[0]), 0.0)
        middle = _best(g, e, m, mu, lo, hi, w)
        value, most = _value(middle, need), low[1] + mu * (need - low[0])
        near_most = most - 2.0 * ROUNDING * mu * need - 1e-15 * abs(most)
        if paid + value < goal and (value >= near_most or paid + most < goal < np.inf):
            break
        if middle[0] >= need:
            high = middle
        else:
            low = middle
    on = _apart(g, e, m, low[2], high[2], lo, hi, w)
    return paid + value, mu, on if on >= 0 else _sharing(token, g, e, m, mu, lo, hi, w, path.fit)


@cached(nogil=True, _nrt=False)
def _tree(token, size, goal, leaves, expert, mu, w, path):  # type: ignore[no-untyped-def]
    """Write the nodes of a tree, each before its two branches; returns their number and the bound.

    A leaf is an `expert` of -1 and its price `mu`. The number is 0 if the tree has more `leaves`,
    or a node that nothing closes; then the first price and the bound are those of the root.
    """
    state, passed, price, _ = path
    depth, number, bound, near = 0, 0, 0.0, 0.0
    while True:
        value, found, on = _bound(token, size, near, goal, w, path)
        bound = value if number == 0 else bound
        expert[number], mu[number] = -1, found
        number += 1
        if value < goal:
            if on < 0 or number + depth >= 2 * leaves:
                return 0, bound
            on = w.whole[INDEX, on]
            expert[number - 1] = on
            passed[depth], price[depth], near = on, found, found
            state[on] = IN
            depth += 1
            continue
        while depth > 0 and state[passed[depth - 1]] == OUT:
            depth -= 1
            state[passed[depth]] = FREE
        if depth == 0:
            return number, bound
        state[passed[depth - 1]] = OUT
        near = price[depth - 1]


@cached(is_entry=True, nogil=True, _nrt=False)
def write_trees(  # type: ignore[no-untyped-def]
    tokens, certain, goal, size, leaves, expert, mu, first, bound, w, path
):
    """Search a tree for each token, in which the experts that are `certain` (T, K) are in all sets.

    `tokens` are the parts of a token as arrays, with a row for each but of the nodes of experts.
    goal (T,) is in J. Writes tree t to expert and mu (number of nodes), from first[t] to
    first[t + 1], which are equal if there is none, and the bound of its root to bound[t], J.
    """
    cost, units, need, of, entry = tokens
    number, experts = cost.shape
    for t in range(number):
        for j in range(experts):
            path.state[j] = FREE if cost[t, j] < np.inf else OUT
            if certain[t, j]:
                path.state[j] = IN
        n = first[t]
        token = cost[t], units[t], need[t], of, entry[t]
        nodes, bound[t] = _tree(token, size, goal[t], leaves, expert[n:], mu[n:], w, path)
        first[t + 1] = n + nodes
