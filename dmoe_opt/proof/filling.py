"""Rents under a deadline: a link that uses several subcarriers pays for each and fills them.

The Lagrangian of `multipliers` lets every subcarrier take the link that earns most there, so a
token counts on each subcarrier of its link, and a link that fills one and a half pays for no more.
Here subcarriers have rents v[m] of their own, and a link earns

    max over sets of subcarriers of what its tokens pay - their energy - the rents,

where tokens of the highest prices fill the cheapest subcarriers first. This is the bound of a
program with a column for each link, set of its subcarriers and load, and that of `check_proof`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.compiling import call
from dmoe_opt.joint.descent import Descent
from dmoe_opt.joint.limited import flat_of, point_of, scales
from dmoe_opt.joint.multipliers import Frame, Point, serve_at
from dmoe_opt.joint.steps import PATIENCE, SHORTEST_STEP, Climb
from dmoe_opt.proof import filling_kernel

CLOSED = 1e-9  # relative gap at which the ascent ends
MOST_STEPS = 1_000
LITTLE = 256  # links times subcarriers that Python alone fills while numba would load
Floats = NDArray[np.float64]


class Rented(NamedTuple):
    """Prices, rents (M,) in J, and the bound that they prove, J."""

    point: Point
    rents: Floats
    value_j: float


def raise_rents(frame: Frame, answer: Descent, start: Point, rents: Floats) -> Rented:
    """An ascent over prices and rents together, from those given; never a lower bound than there.

    It has the step rule of `limited.climb`.
    """
    target_j = answer.energy_j
    order = np.argsort(frame.link_j, axis=1, kind="stable")
    prices = np.concatenate([flat_of(start), rents])
    split = len(prices) - len(rents)
    value_j, slope = _evaluate(frame, order, start, rents)
    tokens_j = value_j / max(frame.instance.num_tokens, 1)
    scale = np.concatenate(
        [scales(frame, start, tokens_j), np.full(len(rents), rents.mean() or tokens_j)]
    )
    state = Climb(prices, prices, value_j)
    for _ in range(MOST_STEPS):
        state.record(value_j, target_j)
        if state.step < SHORTEST_STEP or target_j - value_j <= CLOSED * target_j:
            break
        if state.stalled >= PATIENCE:
            state.cut()
        if not state.move(slope, scale, target_j - value_j):
            break
        point = point_of(frame, state.prices[:split])
        value_j, slope = _evaluate(frame, order, point, state.prices[split:])
    best = state.best_prices
    return Rented(point_of(frame, best[:split]), best[split:], state.best_value_j)


def _evaluate(
    frame: Frame, order: NDArray[np.int64], point: Point, rents: Floats
) -> tuple[float, Floats]:
    """The bound at prices and rents, J, and a subgradient of both."""
    paid = point.link[frame.pairs[:, 0], frame.pairs[:, 1]]
    link = np.repeat(np.arange(len(frame.ends)), np.diff(frame.first))
    falling = np.lexsort((-paid, link))
    shape = frame.link_j.shape
    earned, passing, used = np.zeros(shape[0]), np.zeros(shape[0], np.int64), np.zeros(shape, bool)
    arrays = frame.first, paid[falling], frame.link_j, frame.room, order, rents
    call(filling_kernel.fill, *arrays, earned, passing, used, little=used.size <= LITTLE)
    for n in np.flatnonzero(frame.surely_used & (passing == 0)):  # one token, even at a loss
        alone = np.where(
            frame.room[n] > 0, paid[falling[frame.first[n]]] - frame.link_j[n], -np.inf
        )
        m = int((alone - rents).argmax())
        if np.isfinite(alone[m]):
            earned[n], passing[n], used[n, m] = alone[m] - rents[m], 1, True
    change = np.zeros(len(frame.pairs) + 1)  # 1 where a pair passes
    np.add.at(change, frame.first[:-1], 1.0)
    np.add.at(change, frame.first[:-1] + passing, -1.0)
    passes = np.zeros(point.link.shape)
    t, c = frame.pairs[falling].T
    passes[t, c] = change.cumsum()[:-1]
    served = serve_at(frame, point)
    value_j = served.value_j - float(earned.sum() + rents.sum())
    slope = served.slope._replace(link=served.slope.link - passes)
    return value_j, np.concatenate([flat_of(slope), used.sum(axis=0) - 1.0])
