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
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from dmoe_opt import des
from dmoe_opt.assignment import allocate
from dmoe_opt.evaluate import Allocation, Selection, loads
from dmoe_opt.instance import Instance
from dmoe_opt.jesa import Descent, descend, price_idle, select, solve_bcd
from dmoe_opt.result import Result, Status, build

Log = Callable[[float, float | None, float | None], None]
"""Called with seconds, incumbent in J and bound in J."""

NODES = 1_000  # of DES per token: link prices can make costs follow scores, the hard case, and any bound is valid
CLOSED = 1e-7  # relative gap at which the ascent ends
MOST_ITERATIONS = 500
PATIENCE = 10  # iterations without a better bound after which the step is cut
SHORTEST_STEP = 1e-4
MEMORY = 0.7  # of the direction, which damps zigzags
REPAIR_EVERY = 5


class Ascent(NamedTuple):
    """The best prices (T, K) found, their bound, the best answer (None if none was found), and iterations."""

    prices: NDArray[np.float64]
    bound_j: float
    answer: Descent | None
    iterations: int


class Point(NamedTuple):
    """L at some prices: the value, the experts that tokens choose, the subcarriers that links take, who may pass."""

    value: float
    selection: Selection
    allocation: Allocation
    passes: Selection


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


def earnings(instance: Instance, prices: NDArray[np.float64]) -> NDArray[np.float64]:
    """What every link would earn on every subcarrier at prices (T, K), J, shape (K, K, M)."""
    order = np.argsort(instance.source, kind="stable")
    first = np.searchsorted(instance.source[order], np.arange(instance.num_experts + 1))
    earned = np.zeros(instance.link_energy.shape)
    _earnings(order, first, prices, instance.link_energy, instance.best_link_energy, earned)
    return earned


def evaluate_at(instance: Instance, prices: NDArray[np.float64]) -> Point:
    """L and its parts at prices (T, K); own experts are priced 0."""
    problem = instance.selection_problem()
    selection, bounds = des.choose(problem, instance.compute_energy + prices, problem.usable, NODES)
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
    return Point(value, selection, allocation, prices > price[instance.source])


def ascend(
    instance: Instance, answer: Descent | None, bound_j: float, *, deadline: float = np.inf, log: Log | None = None
) -> Ascent:
    """Raise the bound by deflected subgradient steps of Polyak's length; repair what the prices suggest into answers."""
    started = time.monotonic()
    foreign = instance.source[:, None] != np.arange(instance.num_experts)
    best_prices = prices = _first_prices(instance, answer)
    bound = max(bound_j, 0.0)
    step, stalled = 1.0, 0
    direction: NDArray[np.float64] | None = None
    tried: set[bytes] = set()
    iteration = 0
    for iteration in range(1, MOST_ITERATIONS + 1):
        point = evaluate_at(instance, prices)
        if point.value > bound or iteration == 1:
            stalled = 0 if point.value > bound + 1e-3 * abs(_target(answer, bound) - bound) else stalled + 1
            bound, best_prices = max(bound, point.value), prices
        else:
            stalled += 1
        if iteration % REPAIR_EVERY == 1:
            answer = _repair(instance, point, answer, tried)
            if log:
                log(time.monotonic() - started, None if answer is None else answer.trace[-1], bound)
        slope = np.where(foreign, point.selection.astype(float) - point.passes, 0.0)
        if not slope.any():
            answer = _repair(instance, point, answer, tried)
        closed = answer is not None and answer.trace[-1] - bound <= CLOSED * answer.trace[-1]
        if closed or not slope.any() or step < SHORTEST_STEP or time.monotonic() > deadline:
            break
        if stalled >= PATIENCE:
            step, stalled, prices = step / 1.5, 0, best_prices
        direction = slope if direction is None else MEMORY * direction + (1 - MEMORY) * slope
        length = step * (_target(answer, bound) - point.value) / (slope != 0).sum()
        prices = np.maximum(prices + length * direction, 0.0)
    return Ascent(best_prices, bound, answer, iteration)


def _target(answer: Descent | None, bound: float) -> float:
    """What the bound may rise to: the energy known, or a little more than the bound while none is."""
    return 1.02 * bound if answer is None else answer.trace[-1] * (1 + CLOSED)


def _first_prices(instance: Instance, answer: Descent | None) -> NDArray[np.float64]:
    """Every link at the price of its subcarrier in the answer, idle ones on what is left; own experts free."""
    price = instance.best_link_energy if answer is None else price_idle(instance, answer.allocation)
    price = np.where(np.isfinite(price), price, 1.5 * instance.best_link_energy)
    return np.asarray(np.where(np.isfinite(price), price, 0.0)[instance.source])


def _repair(instance: Instance, point: Point, answer: Descent | None, tried: set[bytes]) -> Descent | None:
    """The best of the answer and two descents: from what the tokens chose, and from the links that earn most."""
    for selection in (point.selection, select(instance, price_idle(instance, point.allocation))):
        if selection is None or (key := np.packbits(selection).tobytes()) in tried:
            continue
        tried.add(key)
        load = loads(instance, selection)
        allocation = allocate(instance, load) if (load > 0).sum() <= instance.num_subcarriers else None
        if allocation is not None and instance.selection_problem().num_tokens:
            found = descend(instance, selection, allocation)
            if answer is None or found.trace[-1] < answer.trace[-1]:
                answer = found
    return answer


def solve_lagrangian(instance: Instance, *, time_limit: float | None = None, log: Log | None = None) -> Result:
    """Descend, then raise the bound by prices on links and repair what they suggest.

    Returns
    -------
    Result
        `stats` has `iterations` of the ascent.
    """
    deadline = np.inf if time_limit is None else time.monotonic() + time_limit
    first = solve_bcd(instance)
    if first.status == Status.INFEASIBLE:
        return replace(first, method="lagrangian")
    if first.solved and first.gap is not None and first.gap <= CLOSED:
        return build(
            instance, "lagrangian", selection=first.selection, allocation=first.allocation, bound_j=first.bound_j,
            stats={"iterations": 0},
        )  # fmt: skip
    ascent = ascend(instance, as_descent(first), first.bound_j or 0.0, deadline=deadline, log=log)
    stats = {"iterations": ascent.iterations}
    if ascent.answer is None:
        return build(instance, "lagrangian", bound_j=ascent.bound_j, message=first.message, stats=stats)
    return build(
        instance, "lagrangian", selection=ascent.answer.selection, allocation=ascent.answer.allocation,
        bound_j=ascent.bound_j, stats=stats,
    )  # fmt: skip


def as_descent(result: Result) -> Descent | None:
    """The answer of a result as a place to go on from."""
    if result.selection is None or result.allocation is None or result.objective_j is None:
        return None
    return Descent(result.selection, result.allocation, [result.objective_j])
