"""Rounds with optional rules: a descent, the ascent of their Lagrangian, and what it leaves open.

1. The descent chooses experts at the prices of the links (`staffing`), gives these subcarriers, and
   repeats with the prices that follow, as long as the energy falls.
2. The ascent raises the bound of `multipliers` by subgradient steps; every few steps, what the
   prices suggest is repaired into an answer, and descends.
3. What would lift the bound above the answer is decided, and `program` decides the rest.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.allocation.assignment import assign, serve
from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import Selection
from dmoe_opt.clock import is_over
from dmoe_opt.data.instance import Instance
from dmoe_opt.joint import passages
from dmoe_opt.joint.descent import CLOSED, Descent, better, is_closed
from dmoe_opt.joint.leftover import surely_awake
from dmoe_opt.joint.multipliers import Frame, Point, Priced, evaluate
from dmoe_opt.joint.open_part import usable_subcarriers
from dmoe_opt.joint.staffing import Staff, staff
from dmoe_opt.joint.steps import PATIENCE, SHORTEST_STEP, Climb, Effort, Log

LEAST_SCALE = 1e-3  # of a step, in mean prices
MOST_ROUNDS = 20
RANDOM_AMONG = 5  # subcarriers of a link, for random starts
REPAIR_GROWTH = 1.3  # between repairs: prices change less and less


class Climbed(NamedTuple):
    """Where an ascent ended: the best point, its bound in J, the best answer, iterations.

    `frame` has the experts that are known to be awake by then.
    """

    point: Point
    bound_j: float
    answer: Descent | None
    iterations: int
    frame: Frame


def link_prices(decision: Decision) -> NDArray[np.float64]:
    """Price of every link, J/token, (N, N): active ones as they are, idle ones on what is free."""
    instance, allocation = decision.instance, decision.allocation
    assert allocation is not None
    sent = decision.sent
    load = decision.loads
    energy = np.where(sent > 0, instance.link_energy, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        price = np.where(load > 0, (energy * sent).sum(axis=2) / load, np.inf)
    np.fill_diagonal(price, 0.0)
    idle = np.argwhere(~np.isfinite(price))
    free = np.flatnonzero(~allocation.any(axis=(0, 1)))
    if len(idle) and len(free):
        works = usable_subcarriers(instance)[idle[:, 0], idle[:, 1]][:, free]
        cost = np.where(works, instance.link_energy[idle[:, 0], idle[:, 1]][:, free], np.inf)
        column = assign(cost)
        served = column >= 0
        price[idle[served, 0], idle[served, 1]] = cost[served, column[served]]
    return np.asarray(price)


def settle(frame: Frame, price: NDArray[np.float64], usable: Selection) -> Decision | None:
    """Experts at link prices (N, N), inf for a closed link, with their subcarriers."""
    instance = frame.instance
    is_open = np.isfinite(price)
    passing = passages.to_passages(instance, np.where(is_open, price, 0.0))
    cost = passages.costs(instance, instance.compute_energy, passing)
    chosen = staff(frame, cost, usable & instance.to_experts(is_open))
    if chosen is None:
        return None
    decision = served(instance, chosen.selection)
    if decision is None and instance.drop_price is not None:
        return _served_in_part(frame, chosen)
    return decision


def _served_in_part(frame: Frame, chosen: Staff) -> Decision | None:
    """Chosen experts without those of some tokens, which are dropped, so that links carry the rest.

    Tokens go first that save least for each expert on another node. Links that carry some tokens
    carry fewer too, so how many stay is found by bisection.
    """
    instance = frame.instance
    away = (chosen.selection & (instance.node_of != instance.source[:, None])).sum(axis=1)
    saved = np.where(away > 0, (frame.drop_j - chosen.paid_j) / np.maximum(away, 1), np.inf)
    order = np.argsort(-saved, kind="stable")
    best, fewest, too_many = None, 0, len(order)
    while fewest < too_many:
        stay = (fewest + too_many) // 2
        selection = chosen.selection.copy()
        selection[order[stay:]] = False
        decision = served(instance, selection)
        if decision is None:
            too_many = stay
        else:
            best, fewest = decision, stay + 1
    return best


def served(instance: Instance, selection: Selection) -> Decision | None:
    """A selection with subcarriers for its links, if that keeps all rules."""
    decision = serve(instance, selection)
    return decision if decision is not None and not decision.violations else None


def descend(frame: Frame, start: Decision) -> Descent:
    """Step 1 from a decision that keeps all rules."""
    decision, trace = start, [start.energy_j]
    while len(trace) < MOST_ROUNDS:
        following = settle(frame, link_prices(decision), frame.usable)
        if following is None or following.energy_j >= trace[-1]:
            break
        decision = following
        trace.append(decision.energy_j)
    return Descent(decision, trace)


def first_point(frame: Frame) -> Point:
    """Every link at its best subcarrier; experts share their wake-up among their tokens."""
    instance = frame.instance
    best = np.zeros((instance.num_nodes, instance.num_nodes))
    i, n = frame.ends.T
    best[i, n] = frame.link_j.min(axis=1, initial=np.inf)
    could_pass = passages.passed(instance, frame.usable)
    link = np.where(could_pass, passages.to_passages(instance, best), 0.0)
    nothing = np.zeros(frame.usable.shape)
    point = Point(link, nothing, np.zeros(instance.num_experts))
    if instance.wake_energy is None:
        return point
    chosen = evaluate(frame, point).selection
    share = instance.wake_energy / np.maximum(chosen.sum(axis=0), 1)
    return point._replace(waking=np.where(chosen, share, 0.0))


def scales(frame: Frame, point: Point, tokens_j: float) -> NDArray[np.float64]:
    """Length of a step along every price: links and experts differ by orders of magnitude.

    `tokens_j` is what a token costs in the mean, J.
    """
    instance = frame.instance
    mean_j = LEAST_SCALE * point.link.sum() / max(point.link.size, 1) or LEAST_SCALE * tokens_j
    link = point.link + (mean_j or 1.0)
    waking = np.zeros(instance.num_experts)
    if instance.wake_energy is not None:
        waking = instance.wake_energy / max(instance.num_tokens / instance.num_experts, 1)
    room = np.zeros(instance.num_experts)
    if instance.capacity is not None:
        room = tokens_j / np.maximum(instance.capacity, 1)
    return np.concatenate([link.ravel(), np.tile(waking, instance.num_tokens), room])


def flat_of(point: Point) -> NDArray[np.float64]:
    """All prices of a point in one array."""
    return np.concatenate([part.ravel() for part in point])


def point_of(frame: Frame, flat: NDArray[np.float64]) -> Point:
    """The point whose prices these are."""
    tokens, experts = frame.usable.shape
    columns = len(passages.ends(frame.instance))
    link, waking, room = np.split(flat, [tokens * columns, tokens * (columns + experts)])
    return Point(link.reshape(tokens, columns), waking.reshape(tokens, experts), room)


def climb(
    frame: Frame,
    answer: Descent | None,
    *,
    effort: Effort,
    far: float = CLOSED,
    log: Log | None = None,
    widest_j: float = 0.0,
    start: Point | None = None,
) -> Climbed:
    """Step 2: raise the bound until it is `far` from the answer, steps are short or time is up.

    The bound holds for answers of up to `widest_j` above the best one, inf for all. `start` is a
    point to begin at.
    """
    first = first_point(frame)
    start = first if start is None else start
    flat = flat_of(start)
    bound_j, iteration, repair_at = 0.0, 0, 1
    seen: set[bytes] = set()
    priced = evaluate(frame, start)
    if is_closed(answer, priced.value_j, far):
        return Climbed(start, max(priced.value_j, 0.0), answer, 0, frame)
    tokens_j = priced.value_j / max(frame.instance.num_tokens, 1)
    scale = scales(frame, first, tokens_j)
    state = Climb(flat, flat)
    for iteration in range(1, effort.steps + 1):
        if iteration > 1:
            priced = evaluate(frame, point_of(frame, state.prices))
        state.record(priced.value_j, _target_j(answer, state.best_value_j))
        bound_j = max(bound_j, _at_most(answer, priced.value_j))
        slope = flat_of(priced.slope)
        settled = not slope.any()
        if iteration >= repair_at or settled:
            repair_at = max(iteration + effort.repair_every, int(REPAIR_GROWTH * iteration))
            answer = _repair(frame, priced, answer, seen)
            if log:
                log(None if answer is None else answer.energy_j, bound_j)
            known = _awake(frame, state, answer, widest_j)
            if known is not frame:
                frame = known
                continue
        if settled or state.step < SHORTEST_STEP or is_over() or is_closed(answer, bound_j, far):
            break
        if state.stalled >= PATIENCE:
            state.cut()
        if not state.move(slope, scale, _target_j(answer, bound_j) - priced.value_j):
            break
    return Climbed(point_of(frame, state.best_prices), bound_j, answer, iteration, frame)


def _awake(frame: Frame, state: Climb, answer: Descent | None, widest_j: float) -> Frame:
    """The frame with more experts known to be awake, and no prices for waking these; or itself.

    Sums of prices bound a fixed energy poorly. One that is paid in any case needs no prices.
    """
    if answer is None or frame.instance.wake_energy is None or widest_j == np.inf:
        return frame
    point = point_of(frame, state.best_prices)
    sure = surely_awake(frame, point, evaluate(frame, point), answer.energy_j + widest_j)
    if (sure == frame.surely_awake).all():
        return frame
    frame = frame._replace(surely_awake=sure)
    point = point._replace(waking=np.where(sure, 0.0, point.waking))
    state.prices = state.best_prices = flat_of(point)
    state.best_value_j, state.direction = evaluate(frame, point).value_j, None
    return frame


def _at_most(answer: Descent | None, value_j: float) -> float:
    """A bound on answers that are better than the known one bounds all only up to its energy."""
    return value_j if answer is None else min(value_j, answer.energy_j)


def _target_j(answer: Descent | None, bound_j: float) -> float:
    """What the bound may rise to: the known energy, or a little more than the bound."""
    return 1.05 * bound_j if answer is None else answer.energy_j * (1 + CLOSED)


def _repair(
    frame: Frame, priced: Priced, answer: Descent | None, seen: set[bytes]
) -> Descent | None:
    """The best of the answer and of descents from what tokens chose and from what links took."""
    instance = frame.instance
    key = np.packbits(priced.selection).tobytes()
    if key in seen:
        return answer
    seen.add(key)
    price = np.full((instance.num_nodes, instance.num_nodes), np.inf)
    np.fill_diagonal(price, 0.0)
    energy = np.where(priced.taken, frame.link_j, np.inf).min(axis=1, initial=np.inf)
    idle = frame.link_j.min(axis=1, initial=np.inf)
    price[frame.ends[:, 0], frame.ends[:, 1]] = np.where(np.isfinite(energy), energy, idle)
    awake = priced.selection.any(axis=0) | np.zeros(frame.usable.shape, dtype=bool)
    for usable in (priced.selection, awake):
        decision = settle(frame, price, usable)
        if decision is not None:
            answer = better(answer, descend(frame, decision))
    return answer


def begin(
    frame: Frame, start: Decision | None, rng: np.random.Generator | None = None
) -> Descent | None:
    """The descent from every link on its best subcarrier, and the one from `start`.

    With `rng` every link is on a random one of its best few instead.
    """
    instance = frame.instance
    price = np.full((instance.num_nodes, instance.num_nodes), np.inf)
    np.fill_diagonal(price, 0.0)
    if frame.ends.size:
        ranked = np.sort(frame.link_j, axis=1)
        place = np.zeros(len(ranked), dtype=np.int64)
        if rng is not None:
            place = rng.integers(min(RANDOM_AMONG, ranked.shape[1]), size=len(ranked))
        price[frame.ends[:, 0], frame.ends[:, 1]] = ranked[np.arange(len(ranked)), place]
    decision = settle(frame, price, frame.usable)
    answer = None if decision is None else descend(frame, decision)
    return better(answer, None if start is None else descend(frame, start))
