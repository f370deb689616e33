"""Experts under optional rules, at given prices of links: drops, wake-up energies, capacities.

DES chooses per token. What ties tokens together is settled by moves that cost least: experts go to
sleep where this saves more than their tokens pay elsewhere, and tokens leave experts that are over
their capacity.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.objective import Selection
from dmoe_opt.joint.multipliers import Frame
from dmoe_opt.joint.passages import Costs, choose, paid_j


class Staff(NamedTuple):
    """Experts of every token (T, K), and what each token pays, J (T,); inf where it has none."""

    selection: Selection
    paid_j: NDArray[np.float64]


def staff(frame: Frame, cost: Costs, usable: Selection) -> Staff | None:
    """A cheap choice of experts at some cost that keeps capacities; None if none was found.

    `usable` (T, K) are the experts that tokens may use.
    """
    usable = usable & frame.usable
    chosen = _choose(frame, cost, usable)
    if not np.isfinite(chosen.paid_j).all():
        return None
    if frame.instance.wake_energy is not None:
        chosen, usable = _put_to_sleep(frame, cost, usable, chosen)
    if frame.instance.capacity is not None:
        return _within_capacity(frame, cost, usable, chosen)
    return chosen


def _choose(frame: Frame, cost: Costs, usable: Selection) -> Staff:
    """The best choice of every token, or dropping it, at cost and among usable experts (T, K)."""
    selection, bounds = choose(frame.instance, cost, usable)
    energies = paid_j(frame.instance, cost, selection)
    energies = np.where(np.isfinite(bounds), energies, np.inf)
    drops = frame.drop_j < energies
    return Staff(selection & ~drops[:, None], np.where(drops, frame.drop_j, energies))


def _put_to_sleep(
    frame: Frame, cost: Costs, usable: Selection, chosen: Staff
) -> tuple[Staff, Selection]:
    """Close experts one by one, the one that saves most first."""
    while True:
        usable = usable & chosen.selection.any(axis=0)
        closed = [_without(frame, cost, usable, chosen, j) for j in _closable(frame, chosen)]
        saving, staffed = min(closed, key=lambda pair: pair[0], default=(0.0, chosen))
        if saving >= 0:
            return chosen, usable
        chosen = staffed


def _closable(frame: Frame, chosen: Staff) -> NDArray[np.int64]:
    """Experts that cost something to wake, and whose tokens would find room elsewhere."""
    wake, capacity = frame.instance.wake_energy, frame.instance.capacity
    assert wake is not None
    awake = chosen.selection.any(axis=0)
    closable = awake & (wake > 0) & ~frame.surely_awake
    if capacity is not None:
        closable &= capacity[awake].sum() - capacity >= chosen.selection.sum()
    return np.flatnonzero(closable)


def _without(
    frame: Frame, cost: Costs, usable: Selection, chosen: Staff, j: int
) -> tuple[float, Staff]:
    """How the energy changes if expert j is closed, J, and the choice then."""
    wake = frame.instance.wake_energy
    assert wake is not None
    rest = usable.copy()
    rest[:, j] = False
    moved = _choose(frame, cost, rest)
    kept = ~chosen.selection[:, j]
    paid = np.where(kept, chosen.paid_j, moved.paid_j)
    selection = np.where(kept[:, None], chosen.selection, moved.selection)
    return float(paid.sum() - chosen.paid_j.sum() - wake[j]), Staff(selection, paid)


def _within_capacity(frame: Frame, cost: Costs, usable: Selection, chosen: Staff) -> Staff | None:
    """Move tokens away from experts over their capacity, those that lose least first.

    They go where there is room or, if that is not enough, to an expert that others then leave.
    """
    capacity = frame.instance.capacity
    assert capacity is not None
    selection, paid = chosen.selection.copy(), chosen.paid_j.copy()
    usable = usable.copy()
    while True:
        spare = capacity - selection.sum(axis=0)
        j = int(spare.argmin())
        if spare[j] >= 0:
            return Staff(selection, paid)
        users = selection[:, j]
        for rest in (usable & ((spare > 0) | selection), usable.copy()):
            rest[:, j] = False
            moved = _choose(frame, cost, rest)
            loss = np.where(users, moved.paid_j - paid, np.inf)
            leaving = np.argsort(loss, kind="stable")[: -spare[j]]
            if np.isfinite(loss[leaving]).all():
                break
        else:
            return None
        selection[leaving], paid[leaving] = moved.selection[leaving], moved.paid_j[leaving]
        usable[leaving, j] = False
