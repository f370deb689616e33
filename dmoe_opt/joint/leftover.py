"""What a bound of `multipliers` leaves open: all that does not lift it above a known answer."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.objective import Selection
from dmoe_opt.joint.multipliers import (
    Frame,
    Point,
    Priced,
    costs_at,
    evaluate,
    is_unlimited,
    wake_left_j,
)
from dmoe_opt.joint.open_part import SLACK, Open, agreed
from dmoe_opt.joint.passages import choose, passed
from dmoe_opt.joint.prices import rents_of
from dmoe_opt.selection import des

PROBED = np.unique(np.geomspace(1, 2**20, 60).astype(int)) - 1  # ranks; the rest by the one before


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
    kept = (rise <= room) & affordable
    kept &= _cheap_enough(frame, point, priced, rise, room, possible)
    subcarriers[frame.ends[:, 0], frame.ends[:, 1]] = kept
    droppable = frame.drop_j <= priced.bounds + room
    surely_dropped = droppable & (priced.serving > priced.bounds + room)
    wake_j = wake_left_j(frame, point)
    wakeable = frame.surely_awake | (wake_j <= room)
    surely_awake = frame.surely_awake | (-wake_j > room)
    choices = frame.choices
    if choices is not None:
        paid = choices.paid_j(instance, costs_at(instance, point))
        choices = choices.only(paid <= (priced.bounds + room)[choices.token])
    limits = droppable, surely_dropped, wakeable, surely_awake
    part = agreed(instance, Open(subcarriers, possible, certain, *limits, choices))
    return None if part is None or _is_empty(frame, part) else part


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
    if not earned.size or is_unlimited(frame):
        return earned.max(axis=0, initial=0.0) - earned, priced.value_j
    copies = np.repeat(np.arange(len(earned)), frame.most_used)
    first = frame.most_used.cumsum() - frame.most_used
    link, m = np.nonzero(priced.taken)
    nth = np.arange(len(link)) - np.searchsorted(link, link)  # of the subcarriers of its link
    taken = np.zeros((1, len(copies), earned.shape[1]), dtype=bool)
    taken[0, first[link] + nth, m] = True
    rent = rents_of(earned[copies][None], taken)
    profit = np.maximum((earned - rent).max(axis=1, initial=0.0), 0.0)
    matched_j = float(earned[priced.taken].sum())
    dual_j = float(profit @ frame.most_used + rent.sum())
    return profit[:, None] + rent - earned, priced.value_j + matched_j - dual_j


def _cheap_enough(
    frame: Frame,
    point: Point,
    priced: Priced,
    rise: NDArray[np.float64],
    room: float,
    possible: Selection,
) -> NDArray[np.bool_]:
    """Subcarriers (L, M) on which the tokens of a link can pay at least their energy.

    If a link uses subcarrier m, one of its tokens pays c[m], which lifts the bound beyond `rise`
    (L, M). If m is the cheapest that it uses, all of them pay at least c[m] in place of lambda, and
    the link earns nothing. It uses others only under a deadline, where its tokens do not fit on a
    cheaper one. `possible` (T, K) are the experts that tokens may use.
    """
    kept = np.zeros(rise.shape, dtype=bool)
    others = passed(frame.instance, possible)
    for n in range(len(rise)):
        t, c = frame.pairs[frame.first[n] : frame.first[n + 1]].T
        users = np.unique(t[others[t, c]])
        if not len(users):
            continue
        order = np.argsort(frame.link_j[n], kind="stable")
        energy = frame.link_j[n, order]
        ranks = PROBED[: np.searchsorted(PROBED, np.isfinite(energy).sum())]
        asked = np.append(0.0, energy[ranks])
        bounds = priced.bounds[users]
        free, *serving = _bounds_asked(frame, point, possible, n, users, asked)
        paid = np.minimum(serving, frame.drop_j[users])
        one_j = np.maximum((free + energy[ranks, None] - paid).min(axis=1), 0.0)
        more_j = (paid - bounds).sum(axis=1) + one_j
        probed = np.searchsorted(ranks, np.arange(len(order)), side="right") - 1
        cheapest = rise[n, order] + priced.earned[n, order] + more_j[probed] <= room
        if frame.instance.air_tokens is not None:
            least_room = np.minimum.accumulate(frame.room[n, order])
            cheapest[1:] |= least_room[:-1] < others[t, c].sum()
        least_j = np.maximum(energy + (free - bounds).min(), 0.0)
        kept[n, order] = cheapest & (rise[n, order] + least_j <= room)
    return kept


def _bounds_asked(
    frame: Frame,
    point: Point,
    possible: Selection,
    n: int,
    tokens: NDArray[np.int64],
    asked: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Bounds of `tokens` (t,), J, (E, t), where link n asks for each of the energies (E,)."""
    instance, end = frame.instance, frame.ends[n, 1]
    everyone = np.tile(tokens, len(asked))
    energy = np.repeat(asked, len(tokens))[:, None]
    cost = costs_at(instance, point)
    experts, nodes = cost.experts[everyone], None
    if cost.nodes is None:
        there = instance.node_of == end
        apart = instance.compute_energy + point.waking[everyone] + point.room
        experts[:, there] = apart[:, there] + energy
    else:
        nodes = cost.nodes[everyone]
        nodes[:, [end]] = energy
    problem = instance.selection_problem().rows(everyone)
    _, bounds = des.choose(problem, experts, possible[everyone], des.QUICK_NODES, nodes)
    return np.asarray(bounds.reshape(len(asked), len(tokens)))


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
