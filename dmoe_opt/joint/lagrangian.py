"""Prices on links: a bound of a round (P2) that sees exclusivity, and answers found on the way.

Let token t pay lambda[t, j] for passing the link to expert j, and let the link earn it. Then

    L(lambda) = sum_t DES_t(a + lambda) - max over matchings of sum_ij sum_t (lambda[t, j] - c[i, j, m(i, j)])^+

bounds every round from below: tokens choose experts at these prices, links choose subcarriers (C3) for what they earn,
and nothing else ties the two together. Both parts are exact and cheap, so the bound is at least that of the linear
relaxation with one flow per token, link and subcarrier. A subgradient of L is who uses a link less who may pass it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from dmoe_opt.allocation.assignment import allocate
from dmoe_opt.answer.objective import Allocation, Selection, loads
from dmoe_opt.answer.result import Result, Status, infeasible
from dmoe_opt.data.instance import Instance
from dmoe_opt.generating.presets import generate
from dmoe_opt.joint.activation import activate, fewest_links, no_open_links, serve_over, solve_activation
from dmoe_opt.joint.descent import Descent, better, conclude, descend, price_idle, select, solve_bcd
from dmoe_opt.selection import des
from dmoe_opt.selection.relaxed import relaxed_bound

Log = Callable[[float | None, float], None]
"""Called with incumbent and bound in J as a search goes on; neither ever gets worse."""

CLOSED = 1e-7  # relative gap at which the ascent ends
MOST_ITERATIONS = 500
LEAST_SCALE = 1e-3  # of a step, in mean prices: steps go with the price, as links differ in strength by orders
PROGRESS = 1e-3  # of the gap that counts as a better bound
PATIENCE = 10  # iterations without a better bound after which the step is cut
SHORTEST_STEP = 1e-2
MEMORY = 0.7  # of the direction, which damps zigzags
REPAIR_EVERY = 5


class Ascent(NamedTuple):
    """The best prices (T, K) found, their bound, the best answer (None if none was found), and iterations."""

    prices: NDArray[np.float64]
    bound_j: float
    answer: Descent | None
    iterations: int


class Point(NamedTuple):
    """L at some prices: the value, the experts that tokens choose, the subcarriers that links take, who may pass.

    `bounds` (T,) are those of DES, `earned` (K, K, M) what each link would earn on each subcarrier, J.
    """

    value: float
    selection: Selection
    allocation: Allocation
    passes: Selection
    bounds: NDArray[np.float64]
    earned: NDArray[np.float64]


@njit(cache=True, nogil=True)
def _earnings(order, first, prices, link_energy, best, earned):  # type: ignore[no-untyped-def]
    """What every link i -> j would earn on every subcarrier (K, K, M); order[first[i]:first[i+1]] are node i's tokens."""
    for i in range(best.shape[0]):
        for j in range(best.shape[0]):
            if j == i:
                continue
            for n in range(first[i], first[i + 1]):
                price = prices[order[n], j]
                if price > best[i, j]:
                    for m in range(link_energy.shape[2]):
                        earned[i, j, m] += max(price - link_energy[i, j, m], 0.0)


@cache
def prepare() -> None:
    """Compile the kernels of this module and of `activation`, or load them from numba's cache, once per process."""
    round_ = generate("tiny", 0)
    assert isinstance(round_, Instance)
    solve_activation(round_)
    earnings(round_, round_.best_link_energy[round_.source])


def earnings(instance: Instance, prices: NDArray[np.float64]) -> NDArray[np.float64]:
    """What every link would earn on every subcarrier at prices (T, K), J, shape (K, K, M)."""
    order = np.argsort(instance.source, kind="stable")
    first = np.searchsorted(instance.source[order], np.arange(instance.num_experts + 1))
    earned = np.zeros(instance.link_energy.shape)
    _earnings(order, first, prices, instance.link_energy, instance.best_link_energy, earned)
    return earned


def evaluate_at(instance: Instance, prices: NDArray[np.float64]) -> Point:
    """L and its parts at prices (T, K); own experts are priced 0.

    Examples
    --------
    At the least prices the bound is the relaxed one:

    >>> import dmoe_opt
    >>> from dmoe_opt.selection.relaxed import relaxed_bound
    >>> from dmoe_opt.joint import lagrangian
    >>> round_ = dmoe_opt.load("tiny-s1")
    >>> point = lagrangian.evaluate_at(round_, round_.best_link_energy[round_.source])
    >>> round(point.value / relaxed_bound(round_)[1], 9)
    1.0
    """
    problem = instance.selection_problem()
    # prices can make costs follow scores, the hard case of DES
    selection, bounds = des.choose(problem, instance.compute_energy + prices, problem.usable, des.QUICK_NODES)
    earned = earnings(instance, prices)
    i, j = np.nonzero(earned.max(axis=2, initial=0.0) > 0)
    rows, columns = linear_sum_assignment(earned[i, j], maximize=True)
    i, j = i[rows], j[rows]
    taken = earned[i, j, columns] > 0
    i, j, columns = i[taken], j[taken], columns[taken]
    allocation = np.zeros(earned.shape, dtype=bool)
    allocation[i, j, columns] = True
    price = np.full(earned.shape[:2], np.inf)
    price[i, j] = instance.link_energy[i, j, columns]
    value = float(bounds.sum() - earned[i, j, columns].sum())
    return Point(value, selection, allocation, prices > price[instance.source], bounds, earned)


def ascend(
    instance: Instance, answer: Descent | None, bound_j: float, *, deadline: float = np.inf, log: Log | None = None
) -> Ascent:
    """Raise the bound by deflected subgradient steps of Polyak's length; repair what the prices suggest into answers."""
    foreign = instance.source[:, None] != np.arange(instance.num_experts)
    best_prices = prices = _least_prices(instance)
    scale = prices + (LEAST_SCALE * prices.mean() or 1.0)
    value, bound = 0.0, bound_j
    step, stalled = 1.0, 0
    direction: NDArray[np.float64] | None = None
    tried: set[bytes] = set()
    iteration = 0
    for iteration in range(1, MOST_ITERATIONS + 1):
        point = evaluate_at(instance, prices)
        stalled = 0 if point.value > value + PROGRESS * (_target(answer, value) - value) else stalled + 1
        if point.value > value:
            value, best_prices = point.value, prices
            bound = max(bound, value)
        slope = np.where(foreign, point.selection.astype(float) - point.passes, 0.0)
        if iteration % REPAIR_EVERY == 1 or not slope.any():
            answer = _repair(instance, point, answer, tried)
            if log:
                log(None if answer is None else answer.energy_j, bound)
        closed = answer is not None and answer.energy_j - bound <= CLOSED * answer.energy_j
        if closed or not slope.any() or step < SHORTEST_STEP or time.monotonic() > deadline:
            break
        if stalled >= PATIENCE:
            step, stalled, prices = step / 1.5, 0, best_prices
        direction = slope if direction is None else MEMORY * direction + (1 - MEMORY) * slope
        steepness = float((scale * slope**2).sum())
        if not steepness > 0:  # prices below what numbers can square
            break
        length = step * (_target(answer, bound) - point.value) / steepness
        prices = np.maximum(prices + length * scale * direction, 0.0)
    return Ascent(best_prices, bound, answer, iteration)


def _target(answer: Descent | None, bound: float) -> float:
    """What the bound may rise to: the energy known, or a little more than the bound while none is."""
    return 1.02 * bound if answer is None else answer.energy_j * (1 + CLOSED)


def _least_prices(instance: Instance) -> NDArray[np.float64]:
    """Every link at its best subcarrier, where L is the relaxed bound, shape (T, K); own experts and dead links at 0."""
    return np.asarray(np.where(np.isfinite(instance.best_link_energy), instance.best_link_energy, 0.0)[instance.source])


def _repair(instance: Instance, point: Point, answer: Descent | None, tried: set[bytes]) -> Descent | None:
    """The best of the answer and two descents: from what the tokens chose, and from the links that earn most."""
    for selection in (point.selection, select(instance, price_idle(instance, point.allocation))):
        if selection is None or (key := np.packbits(selection).tobytes()) in tried:
            continue
        tried.add(key)
        allocation = allocate(instance, loads(instance, selection))
        if allocation is not None:
            answer = better(answer, descend(instance, selection, allocation))
    return answer


def close_in(instance: Instance, *, deadline: float = np.inf, log: Log | None = None) -> Ascent | Result:
    """Descend, bound the active links where they are too many, then ascend; a result where `bcd` ends the matter."""
    first = solve_bcd(instance)
    if first.status in (Status.OPTIMAL, Status.INFEASIBLE):
        return first
    answer, bound = as_descent(first), first.bound_j or 0.0
    if (loads(instance, relaxed_bound(instance)[0]) > 0).sum() > instance.num_subcarriers and time.monotonic() < deadline:
        answer, bound = _activated(instance, answer, bound)
        if bound == np.inf:
            return infeasible(instance, "lagrangian", no_open_links(instance))
    return ascend(instance, answer, bound, deadline=deadline, log=log)


def _activated(instance: Instance, answer: Descent | None, bound: float) -> tuple[Descent | None, float]:
    """The better of what is known and what the activation bound gives."""
    found = activate(instance, fewest_links(instance).needed)
    served = None if found.open_links is None else serve_over(instance, found.open_links)
    return better(answer, None if served is None else descend(instance, *served)), max(bound, found.bound_j)


def solve_lagrangian(instance: Instance, *, time_limit: float | None = None, log: Log | None = None) -> Result:
    """Descend, then raise the bound by prices on links and repair what they suggest.

    Where spectrum is scarce, the activation bound and its answer come first.

    Returns
    -------
    Result
        `stats` has `iterations` of the ascent.

    Examples
    --------
    >>> import dmoe_opt
    >>> from dmoe_opt.selection.relaxed import relaxed_bound
    >>> from dmoe_opt.joint.lagrangian import solve_lagrangian
    >>> round_ = dmoe_opt.load("tiny-s1")
    >>> result = solve_lagrangian(round_)
    >>> result.bound_j > relaxed_bound(round_)[1], result.gap < 1e-6
    (True, True)
    """
    deadline = np.inf if time_limit is None else time.monotonic() + time_limit
    found = close_in(instance, deadline=deadline, log=log)
    if isinstance(found, Result):
        return replace(found, method="lagrangian", stats={"iterations": 0})
    stats = {"iterations": found.iterations}
    return conclude(instance, "lagrangian", found.answer, found.bound_j, stats, "no answer was found in the iterations")


def as_descent(result: Result) -> Descent | None:
    """The answer of a result as a place to go on from."""
    if result.selection is None or result.allocation is None or result.objective_j is None:
        return None
    return Descent(result.selection, result.allocation, [result.objective_j])
