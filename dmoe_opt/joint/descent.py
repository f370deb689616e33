"""Block coordinate descent of a round (P2): DES and assignment in turn ([DMoE], JESA).

::

    1. alpha <- DES with every link on its best subcarrier
    2. beta  <- assignment of the active links, then of the idle links to the free subcarriers
    3. alpha <- DES at the prices of beta
    4. repeat 2 and 3 until the energy stops falling

Every link owns the subcarrier that it is priced on, so neither step can raise the energy. Idle
links are priced too (2), or a link that is closed once would stay closed. See
docs/problems/joint.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.allocation.assignment import allocate, assign, serve
from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import Allocation, Selection
from dmoe_opt.answer.result import Result, build
from dmoe_opt.clock import OUT_OF_TIME, is_over
from dmoe_opt.data.instance import Instance
from dmoe_opt.selection import des

MOST_ROUNDS = 100
LEAST_TRIED = 200  # links to close, whatever the limit: a fraction of a second
STEADY = 1e-12  # relative fall of the energy below which the descent has ended
CLOSED = 1e-7  # relative gap at which an ascent ends


class Descent(NamedTuple):
    """Where a descent ended, and the energies on the way, J."""

    decision: Decision
    trace: list[float]

    @property
    def energy_j(self) -> float:
        """Energy of the answer."""
        return self.trace[-1]


def descend_from(instance: Instance, selection: Selection) -> Descent | None:
    """Descend from a selection; where its links are too many, some are given up first."""
    start = serve(instance, selection) or _thin_out(instance, selection)
    return None if start is None else descend(start)


def better(one: Descent | None, other: Descent | None) -> Descent | None:
    """The descent that ended lower; the first of equals."""
    if one is None or other is None:
        return one or other
    return other if other.energy_j < one.energy_j else one


def is_closed(answer: Descent | None, bound_j: float, far: float = CLOSED) -> bool:
    """Whether the answer is no further than `far` from the bound, relative."""
    return answer is not None and answer.energy_j - bound_j <= far * answer.energy_j


def conclude(
    instance: Instance,
    method: str,
    answer: Descent | None,
    bound_j: float | None,
    stats: Mapping[str, Any],
    without: str,
    prices: Any = None,
) -> Result:
    """The result of an answer and a bound; `without` is the message where there is no answer.

    `prices` are those of `Result`.
    """
    decision = None if answer is None else answer.decision
    message = ""
    if answer is None:
        message = OUT_OF_TIME if is_over() else without
    result = build(instance, method, decision, bound_j=bound_j, stats=stats, message=message)
    return replace(result, prices=prices)


def descend(start: Decision, seen: set[bytes] | None = None) -> Descent:
    """Repeat steps 2 and 3 from a feasible decision on a round until its energy stops falling.

    `seen` holds the selections of earlier descents and takes those of this one, which ends where
    it meets one of them: from there it would only follow. Where the time is up it stays at the
    start.
    """
    decision, trace = start, [start.energy_j]
    while len(trace) < MOST_ROUNDS and not is_over():
        candidate = _step(decision, seen)
        if candidate is None or candidate.energy_j > trace[-1]:
            break
        decision = candidate
        trace.append(candidate.energy_j)
        if trace[-1] >= trace[-2] * (1 - STEADY):
            break
    return Descent(decision, trace)


def _step(decision: Decision, seen: set[bytes] | None) -> Decision | None:
    """DES at the prices of the allocation, then an assignment of the links it uses."""
    instance, allocation = decision.instance, decision.allocation
    assert allocation is not None
    selection = select(instance, price_idle(instance, allocation))
    if selection is None or (seen is not None and not is_new(selection, seen)):
        return None
    return serve(instance, selection)


def is_new(selection: Selection, seen: set[bytes]) -> bool:
    """Whether a selection was not seen before; it is now."""
    key = np.packbits(selection).tobytes()
    if key in seen:
        return False
    seen.add(key)
    return True


def price_idle(instance: Instance, allocation: Allocation) -> NDArray[np.float64]:
    """Price of every link, J/token, shape (N, N).

    An active link is priced on its own subcarrier, an idle one on a free subcarrier that is
    reserved for it; a link without either is priced inf, and where the time is up, every idle one.
    """
    price = np.full(instance.link_energy.shape[:2], np.inf)
    i, j, m = np.nonzero(allocation)  # few of all: a pass over the energies takes a second
    np.minimum.at(price, (i, j), instance.link_energy[i, j, m])
    np.fill_diagonal(price, 0.0)
    idle = np.argwhere(~np.isfinite(price))
    free = np.flatnonzero(~allocation.any(axis=(0, 1)))
    if len(idle) and len(free) and not is_over():
        i, j = idle.T
        cost = instance.link_energy[i[:, None], j[:, None], free]
        column = assign(cost)
        served = column >= 0
        price[i[served], j[served]] = cost[served, column[served]]
    return np.asarray(price)


def select(instance: Instance, price: NDArray[np.float64]) -> Selection | None:
    """DES at link prices (N, N), inf for a link that cannot be used.

    The result is None if a token cannot be served.
    """
    cost = instance.compute_energy + instance.to_experts(price)
    usable = np.isfinite(cost)
    selection, bound = des.choose(instance.selection_problem(), np.where(usable, cost, 0.0), usable)
    return selection if np.isfinite(bound).all() else None


def _thin_out(instance: Instance, selection: Selection) -> Decision | None:
    """Close the least loaded links until the others can be assigned; None if that fails.

    It fails where the time is up, too, but not before `LEAST_TRIED` links were tried.
    """
    problem = instance.selection_problem()
    tokens = [np.flatnonzero(instance.source == i) for i in range(instance.num_nodes)]
    parts = [problem.rows(rows) for rows in tokens]
    selection = selection.copy()
    closed = np.zeros((instance.num_nodes, instance.num_nodes), dtype=bool)
    kept = closed.copy()
    tried = 0
    while tried < LEAST_TRIED or not is_over():
        tried += 1
        candidate = Decision(instance, selection)
        allocation = allocate(instance, candidate.loads)
        if allocation is not None:
            return candidate.with_allocation(allocation)
        link = _least_loaded(candidate.loads, kept)
        if link is None:
            return None
        i, j = link
        closed[i, j] = True
        others, bounds = des.choose(
            parts[i], parts[i].cost, parts[i].usable & ~closed[i, instance.node_of]
        )
        if np.isfinite(bounds).all():
            selection[tokens[i]] = others
        else:  # some token of node i needs this link
            closed[i, j], kept[i, j] = False, True
    return None


def _least_loaded(load: NDArray[np.int64], kept: NDArray[np.bool_]) -> tuple[int, int] | None:
    """The active link that carries the fewest tokens, among those that may be closed."""
    may_close = (load > 0) & ~kept
    if not may_close.any():
        return None
    link = np.where(may_close, load, load.max() + 1).argmin()
    i, j = divmod(int(link), len(load))
    return i, j
