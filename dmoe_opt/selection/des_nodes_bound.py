"""Compiled bound of DES where a token pays for each node once: step 1 of `des_nodes`.

A state is OPEN, CLOSED or UNDECIDED for each node. For need and cap see `des_bound`, for the
experts in the order of their nodes `Scratch`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.compiling import cached
from dmoe_opt.selection.des_bound import TIE

OPEN, CLOSED, UNDECIDED = 0, 1, 2
MOST_PRICES = 60  # cutting planes for mu; a few are enough
MOST_CAP_PRICES = 12  # and for v
NEAR = 1e-3  # of the gap: the best v need not be known better
SOURCES = "4e8972cc5561e11b"
"""Digest of the kernels that this file calls; see `des_kernel`."""


class Scratch(NamedTuple):
    """Experts in the order of their nodes (K,), nodes (N,), and a stack of states (2 N + 2, N)."""

    score: NDArray[np.float64]
    cost: NDArray[np.float64]
    expert: NDArray[np.int64]
    first: NDArray[np.int64]
    opening: NDArray[np.float64]
    earned: NDArray[np.float64]
    state: NDArray[np.int64]
    bound: NDArray[np.float64]
    price: NDArray[np.float64]
    best: NDArray[np.int64]
    share: NDArray[np.float64]


def scratch(experts: int, nodes: int) -> Scratch:
    """Scratch for `solve_tokens` with so many experts and nodes."""
    depth = 2 * nodes + 2
    return Scratch(
        np.empty(experts),
        np.empty(experts),
        np.empty(experts, np.int64),
        np.empty(nodes + 1, np.int64),
        np.empty(nodes),
        np.empty(nodes),
        np.empty((depth, nodes), np.int64),
        np.empty(depth),
        np.empty((depth, 2)),
        np.empty(experts, np.int64),
        np.empty(experts),
    )


@cached(nogil=True, _nrt=False, fastmath={"reassoc", "nsz"}, error_model="numpy")
def choice(s, state, mu, v):
    """The cheapest choice at prices mu and v: (cost, score, number) of its nodes and experts.

    The cost is that at these prices; s.earned (N,) gets p_n + s_n.
    """
    cost = 0.0
    score = 0.0
    number = 0.0
    for n in range(len(state)):
        if state[n] == CLOSED:
            continue
        here = s.opening[n]
        score_here = 0.0
        number_here = 0.0
        for j in range(s.first[n], s.first[n + 1]):
            r = s.cost[j] - mu * s.score[j] + v
            taken = 1.0 if r < 0.0 else 0.0
            here += taken * r
            score_here += taken * s.score[j]
            number_here += taken
        s.earned[n] = here
        if state[n] == OPEN or here < 0.0:
            cost += here
            score += score_here
            number += number_here
    return cost, score, number


@cached(nogil=True, _nrt=False)
def _best_mu(s, state, need, v, mu):
    """Maximise mu need + cost over mu, from a guess > 0; returns (value, mu, number of experts).

    The number is that of the mixture of two choices that meets the need.
    """
    low = 0.0  # of two lines a + slope mu: a choice that misses the need, here the empty one
    for n in range(len(state)):
        if state[n] == OPEN:
            low += s.opening[n]
    low_slope = need
    low_number = 0.0
    best = low
    best_mu = 0.0
    for _ in range(MOST_PRICES):
        cost, score, high_number = choice(s, state, mu, v)
        value = cost + mu * need
        if value > best:
            best = value
            best_mu = mu
        if score >= need:
            break
        low_slope = need - score
        low = value - low_slope * mu
        low_number = high_number
        mu *= 4.0
    else:
        return best, best_mu, low_number
    high_slope = need - score
    high = value - high_slope * mu
    for _ in range(MOST_PRICES):
        mu = (high - low) / (low_slope - high_slope)
        line = low + low_slope * mu
        if line <= best * (1.0 + TIE):
            break
        cost, score, number = choice(s, state, mu, v)
        value = cost + mu * need
        if value > best:
            best = value
            best_mu = mu
        slope = need - score
        if slope > 0.0:
            if slope == low_slope:
                break
            low_slope = slope
            low = value - slope * mu
            low_number = number
        else:
            if slope == high_slope:
                break
            high_slope = slope
            high = value - slope * mu
            high_number = number
    share = -high_slope / (low_slope - high_slope)
    return best, best_mu, share * low_number + (1.0 - share) * high_number


@cached(nogil=True, _nrt=False)
def best_prices(s, state, need, cap, guess, v, cut):
    """The best bound found over mu and v; stops above `cut`. Returns (bound, mu, v)."""
    value, mu, number = _best_mu(s, state, need, v, guess)
    best = value - v * cap
    best_mu = mu
    best_v = v
    slope = number - cap
    if best >= cut or (v == 0.0 and slope <= 0.0):
        return best, best_mu, best_v
    left = -1.0  # a v where the bound rises, and one where it falls, with bounds and slopes
    right = -1.0
    left_value = left_slope = right_value = right_slope = 0.0
    for _ in range(MOST_CAP_PRICES):
        if slope > 0.0:
            left = v
            left_value = value - v * cap
            left_slope = slope
        else:
            right = v
            right_value = value - v * cap
            right_slope = slope
        if right < 0.0:
            v = 2.0 * v if v > 0.0 else 0.25 * mu * need / cap
        elif left < 0.0:
            if v == 0.0:
                break
            v = 0.0
        else:
            rise = right_value - left_value + left_slope * left - right_slope * right
            v = rise / (left_slope - right_slope)
            top = left_value + left_slope * (v - left)
            if top - best <= NEAR * max(min(cut, 2.0 * top) - best, 0.0) or not left < v < right:
                break
        value, mu, number = _best_mu(s, state, need, v, mu if mu > 0.0 else guess)
        slope = number - cap
        if value - v * cap > best:
            best = value - v * cap
            best_mu = mu
            best_v = v
        if best >= cut or slope == 0.0:
            break
    return best, best_mu, best_v
