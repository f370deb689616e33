"""What a bound of `multipliers` leaves open: all that does not lift it above a known answer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.objective import Selection
from dmoe_opt.joint.multipliers import Frame, Point, Priced, costs_at, evaluate, wake_left_j
from dmoe_opt.joint.passages import choose
from dmoe_opt.joint.prices import rents_of
from dmoe_opt.joint.program import Open
from dmoe_opt.selection import des

SLACK = 1e-9  # relative: what is within rounding of the known answer is kept


def leftover(frame: Frame, point: Point, energy_j: float) -> Open | None:
    """What answers of at most `energy_j` may and must use; None if there is no such answer."""
    instance = frame.instance
    priced = evaluate(frame, point)
    rise, value_j = _rises(frame, priced)
    room = energy_j * (1 + SLACK) - value_j
    if room < 0:
        return None
    possible, certain = _experts(frame, point, priced, room)
    subcarriers = np.zeros(instance.link_energy.shape, dtype=bool)
    affordable = frame.link_j <= energy_j * (1 + SLACK)  # a link in use carries a token
    subcarriers[frame.ends[:, 0], frame.ends[:, 1]] = (rise <= room) & affordable
    linked = np.asarray(subcarriers.any(axis=2))
    possible &= instance.to_experts(linked) | ~instance.away
    droppable = frame.drop_j <= priced.bounds + room
    surely_dropped = droppable & (priced.serving > priced.bounds + room)
    wake_j = wake_left_j(frame, point)
    wakeable = frame.surely_awake | (wake_j <= room)
    surely_awake = frame.surely_awake | (-wake_j > room)
    possible &= wakeable
    part = Open(subcarriers, possible, certain, droppable, surely_dropped, wakeable, surely_awake)
    return None if _is_empty(frame, part) else part


def surely_awake(frame: Frame, point: Point, priced: Priced, energy_j: float) -> NDArray[np.bool_]:
    """Experts without which no answer of at most `energy_j` exists, by the bound at a point, (K,).

    Those with a wake-up energy count only.
    """
    instance, cost = frame.instance, costs_at(frame.instance, point)
    wake_j = wake_left_j(frame, point)
    room = energy_j * (1 + SLACK) - priced.value_j
    sure = frame.surely_awake.copy()
    open_ = ~sure if instance.wake_energy is None else ~sure & (instance.wake_energy > 0)
    for j in np.flatnonzero(open_):
        others = frame.usable.copy()
        others[:, j] = False
        _, without = choose(instance, cost, others)
        asleep = np.minimum(without, frame.drop_j) - priced.bounds
        sure[j] = asleep.sum() - min(wake_j[j], 0.0) > room
    return sure


def _is_empty(frame: Frame, part: Open) -> bool:
    """Whether some token has no choice left."""
    problem = frame.instance.selection_problem()
    cost = np.zeros(part.possible.shape)
    _, bounds = des.choose(problem, cost, part.possible.copy(), des.QUICK_NODES)  # inf or not
    stuck = ~np.isfinite(bounds) & ~part.droppable
    contradicted = (part.certain & ~part.possible).any()
    asleep = part.surely_awake & ~part.possible.any(axis=0)
    return bool(stuck.any() or contradicted or asleep.any())


def _rises(frame: Frame, priced: Priced) -> tuple[NDArray[np.float64], float]:
    """By how much the bound rises if a link takes a subcarrier (L, M), and the bound, J."""
    earned = priced.earned
    if frame.instance.air_tokens is not None or not earned.size:
        return earned.max(axis=0, initial=0.0) - earned, priced.value_j
    rent = rents_of(earned[None], priced.taken[None])
    profit = np.maximum((earned - rent).max(axis=1, initial=0.0), 0.0)
    matched_j = float(earned[priced.taken].sum())
    value_j = priced.value_j + matched_j - float(profit.sum() + rent.sum())
    return profit[:, None] + rent - earned, value_j


def _experts(
    frame: Frame, point: Point, priced: Priced, room: float
) -> tuple[Selection, Selection]:
    """Experts that a token may use, and must use, both (T, K)."""
    instance, cost = frame.instance, costs_at(frame.instance, point)
    most = priced.bounds + room
    possible = np.zeros(frame.usable.shape, dtype=bool)
    certain = np.zeros(frame.usable.shape, dtype=bool)
    for j in range(instance.num_experts):
        others = frame.usable.copy()
        others[:, j] = False
        _, without = choose(instance, cost, others)
        certain[:, j] = np.minimum(without, frame.drop_j) > most
        alone_j, free = cost.alone(instance, j)
        _, rest = choose(instance, free, frame.usable)  # a set with expert j, but its own cost
        possible[:, j] = frame.usable[:, j] & (rest + alone_j <= most)
    return possible | (certain & frame.usable), certain
