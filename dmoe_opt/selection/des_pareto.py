"""Compiled fallback of DES, step 6: a dynamic program over Pareto states of one token.

A state is the score, the cost and the number of experts of a set of the items decided so far.
For g, e, m, need, best and w see `des_bound`.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.compiling import cached
from dmoe_opt.selection.des_bound import (
    CHEAP,
    FOUND,
    NEGATIVE,
    PENALTY,
    REDUCED,
    SCORE,
    R,
    cut_from,
)
from dmoe_opt.selection.des_search import tables

SOURCES = "3dc799a747e7c0b4"
"""Digest of the kernels that this file calls.

Numba's cache of this file does not notice a change there. This line does.
"""
MOST_STATES = 2**17  # of one stage; more mean that few sets are dominated
MOST_STEPS = 2**22  # experts that join a set


class States(NamedTuple):
    """Memory of the dynamic program: two lists of states, and the steps that led to them.

    `real` (2, 2, MOST_STATES) has scores and costs, `whole` (2, 2, MOST_STATES) numbers of experts
    and last steps. `step` (2, MOST_STEPS) has the item that joined, and the step before.
    """

    real: NDArray[np.float64]
    whole: NDArray[np.int32]
    step: NDArray[np.int32]


_of_thread = threading.local()


def states() -> States:
    """The memory of this thread; the system hands out only as much of it as is used."""
    if not hasattr(_of_thread, "states"):
        _of_thread.states = States(
            np.empty((2, 2, MOST_STATES)),
            np.empty((2, 2, MOST_STATES), np.int32),
            np.empty((2, MOST_STEPS), np.int32),
        )
    kept: States = _of_thread.states
    return kept


@cached(nogil=True, _nrt=False)
def pareto(g, e, m, need, hi, lam, err, best, unit, w, store, stop):
    """Decide one item after the other, and keep the states that no other state dominates.

    A state is dominated by one with no less score, no more cost and no more experts. It also goes
    if its bound at the price lam, with rounding error err, rules out a better set.

    Returns (best, size, low, finished), with the members in w.whole[FOUND]; size is -1 if nothing
    cheaper was found. It is not finished if there are too many states.
    """
    r = w.real[R]
    for j in range(m):
        r[j] = e[j] - lam * g[j]
    tables(g, e, r, m, hi, w)
    front = w.real[PENALTY]
    now = 0
    count = 1
    steps = 0
    last = -1
    low = np.inf
    cut = cut_from(best, unit, err)
    store.real[0, 0, 0] = 0.0
    store.real[0, 1, 0] = 0.0
    store.whole[0, 0, 0] = 0
    store.whole[0, 1, 0] = -1
    for i in range(m):
        if stop[0] or steps + count > store.step.shape[1]:
            return best, -1, low, False
        score = store.real[now, 0]
        cost = store.real[now, 1]
        number = store.whole[now, 0]
        step = store.whole[now, 1]
        other = 1 - now
        for k in range(hi + 1):
            front[k] = np.inf
        kept = 0
        a = 0  # next state that leaves item i out
        b = 0  # next state that takes it
        while a < count or b < count:
            # By descending score, and the cheapest of equals first.
            takes = a == count
            if not takes and b < count:
                s = score[b] + g[i]
                takes = s > score[a] or (s == score[a] and cost[b] + e[i] < cost[a])
            if takes:
                s = score[b] + g[i]
                c = cost[b] + e[i]
                n = number[b] + 1
                before = step[b]
                b += 1
            else:
                s = score[a]
                c = cost[a]
                n = number[a]
                before = step[a]
                a += 1
            if n > hi:
                continue
            if s >= need:
                if c < best:
                    best = c
                    cut = cut_from(best, unit, err)
                    store.step[0, steps] = i
                    store.step[1, steps] = before
                    last = steps
                    steps += 1
                continue
            if front[n] <= c:
                continue
            k = hi - n
            missing = need - s
            if w.table[SCORE, i + 1, k] < missing:
                continue
            fill = min(w.whole[NEGATIVE, i + 1], k)
            bound = max(
                c + lam * missing + w.table[REDUCED, i + 1, fill], c + w.table[CHEAP, i + 1, 1]
            )
            if bound >= cut:
                low = min(low, bound - err)
                continue
            q = n
            while q <= hi and front[q] > c:
                front[q] = c
                q += 1
            if kept == store.real.shape[2] or steps == store.step.shape[1]:
                return best, -1, low, False
            if takes:
                store.step[0, steps] = i
                store.step[1, steps] = before
                before = steps
                steps += 1
            store.real[other, 0, kept] = s
            store.real[other, 1, kept] = c
            store.whole[other, 0, kept] = n
            store.whole[other, 1, kept] = before
            kept += 1
        count = kept
        now = other
    size = -1
    if last >= 0:
        size = 0
        while last >= 0:
            w.whole[FOUND, size] = store.step[0, last]
            size += 1
            last = store.step[1, last]
    return best, size, low, True
