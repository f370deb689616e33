"""Prices that prove a bound of a round, by cases of which experts and links are used.

Prices leave a gap where they let tokens wake a part of an expert, or a link carry a part of its
tokens. There a proof has two cases: an expert is awake, and its wake-up is paid, or no token uses
it; a link carries a token, even at a loss, or none. Of all cases, the one with the least bound is
split first.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data.instance import Instance
from dmoe_opt.joint import passages
from dmoe_opt.joint.descent import Descent
from dmoe_opt.joint.limited import climb
from dmoe_opt.joint.multipliers import Frame, Point, evaluate, frame_of, wake_left_j
from dmoe_opt.joint.open_part import everything
from dmoe_opt.joint.prices import rents_of
from dmoe_opt.joint.steps import Effort
from dmoe_opt.proof.filling import raise_rents

MOST_SPLITS = 40
CLOSED = 1e-9  # relative gap of a case that needs no more
EFFORT = Effort(250, 1_000, 0)  # the answer is known, so nothing is repaired
BEFORE_RENTS = Effort(40, 1_000, 0)  # under a deadline, where rents are raised afterwards
WORTH = 0.8  # of the gap: an ascent that leaves more of it was the last
WORTH_WAITING = 0.5  # the same where a split could close the gap instead
SHARE = 0.1  # of the gap: a link that adds less to it is not worth a split
WIDE = 1e-3  # relative gap above which any link is
On = tuple[Any, ...]
"""("expert", j) or ("link", i, n)."""


class Known(NamedTuple):
    """What a case says: on which experts and links it is, those used and those not used."""

    used: frozenset[On] = frozenset()
    unused: frozenset[On] = frozenset()


class Case(NamedTuple):
    """A part of all answers: its frame, the best prices that were found, and their bound, J.

    `rents` (M,) of subcarriers, J, are prices of their own under a deadline; elsewhere None.
    """

    known: Known
    frame: Frame
    point: Point
    bound_j: float
    rents: NDArray[np.float64] | None = None


class Split(NamedTuple):
    """Two proofs in place of one: `on`, an expert or a link, is used, or it is not."""

    on: On
    used: Proof
    unused: Proof


Proof = Case | Split


def by_cases(instance: Instance, answer: Descent, start: Point | None = None) -> Proof:
    """Prices for the bound of a round whose answer is known, split where they leave a gap.

    `start` are prices to begin with, those of the method that found the answer.
    """
    first = raised(instance, Known(), answer, start)
    stuck = not _is_closed(first, answer) and _next_split(first, answer) is None
    if stuck and start is not None:  # an ascent from elsewhere can end higher
        first = max(first, raised(instance, Known(), answer, None), key=lambda case: case.bound_j)
    cases = [first]
    splits: dict[int, tuple[On, int]] = {}  # of case k: on what, and the first of its two cases
    while len(splits) < MOST_SPLITS:
        whole = [k for k in range(len(cases)) if k not in splits]
        worst = min(whole, key=lambda k: cases[k].bound_j)
        known, start, rents = cases[worst].known, cases[worst].point, cases[worst].rents
        on = _next_split(cases[worst], answer)
        if on is None:
            break
        splits[worst] = on, len(cases)
        used, unused = (
            Known(known.used | {on}, known.unused),
            Known(known.used, known.unused | {on}),
        )
        cases += [raised(instance, part, answer, start, rents) for part in (used, unused)]

    def proof(k: int) -> Proof:
        if k not in splits:
            return cases[k]
        on, first = splits[k]
        return Split(on, proof(first), proof(first + 1))

    return proof(0)


def raised(
    instance: Instance,
    known: Known,
    answer: Descent,
    start: Point | None,
    rents: NDArray[np.float64] | None = None,
) -> Case:
    """Ascents that begin with long steps again, as long as they close a good part of the gap."""
    frame = _frame(instance, known)
    if start is not None:
        decided = frame.surely_awake | ~frame.usable.any(axis=0)
        start = start._replace(waking=np.where(decided, 0.0, start.waking))
        if frame.surely_used.sum() > instance.num_subcarriers:
            return _overfull(known, frame, answer, start)
    case = _climbed(known, frame, answer, start, rents)
    worth = True
    while worth and not _is_closed(case, answer):
        before_j = _gap_j(case, answer)
        following = _climbed(known, frame, answer, case.point, case.rents)
        case = max(case, following, key=lambda one: one.bound_j)
        share = WORTH if _next_split(case, answer) is None else WORTH_WAITING
        worth = _gap_j(case, answer) <= share * before_j
    return case


def _overfull(known: Known, frame: Frame, answer: Descent, point: Point) -> Case:
    """A case in which more links are used than there are subcarriers: high rents rule it out."""
    earned = np.maximum(evaluate(frame, point).earned, 0.0).max(axis=1)
    rents = np.full(frame.instance.num_subcarriers, 2 * (answer.energy_j + float(earned.sum())))
    return Case(known, frame, point, np.inf, rents)


def _frame(instance: Instance, known: Known) -> Frame:
    """The frame of a case, where links are as the checker has them."""
    part = everything(instance)
    possible, awake = part.possible.copy(), part.surely_awake.copy()
    used = np.zeros((instance.num_nodes, instance.num_nodes), dtype=bool)
    for on in known.unused:
        if on[0] == "expert":
            possible[:, on[1]] = False
        else:
            possible[np.ix_(instance.source == on[1], instance.node_of == on[2])] = False
    for on in known.used:
        if on[0] == "expert":
            awake[on[1]] = True
        else:
            used[on[1], on[2]] = True
    frame = frame_of(instance, part._replace(possible=possible, surely_awake=awake))
    most = 1 if instance.air_tokens is None else instance.num_subcarriers
    i, n = frame.ends.T
    return frame._replace(most_used=np.full(len(i), most), surely_used=used[i, n])


def _climbed(
    known: Known,
    frame: Frame,
    answer: Descent,
    start: Point | None,
    rents: NDArray[np.float64] | None,
) -> Case:
    """Where an ascent from a point ends; with rents of their own if these are given, or needed."""
    if start is None or rents is None:
        effort = EFFORT if frame.instance.air_tokens is None else BEFORE_RENTS
        start = climb(frame, answer, effort=effort, far=CLOSED, widest_j=np.inf, start=start).point
        at = evaluate(frame, start)
        if frame.instance.air_tokens is None:
            return Case(known, frame, start, at.value_j)
        rents = at.earned.max(axis=0, initial=0.0)  # at these, links earn nothing beyond
    rented = raise_rents(frame, answer, start, rents)
    return Case(known, frame, rented.point, rented.value_j, rented.rents)


def _gap_j(case: Case, answer: Descent) -> float:
    return answer.energy_j - case.bound_j


def _is_closed(case: Case, answer: Descent) -> bool:
    return _gap_j(case, answer) <= CLOSED * answer.energy_j


def _next_split(case: Case, answer: Descent) -> On | None:
    """An expert or a link on which to split; None if the gap is closed or nothing promises much."""
    if _is_closed(case, answer):
        return None
    expert = _expert(case, answer)
    return _link(case, answer) if expert is None else expert


def _expert(case: Case, answer: Descent) -> On | None:
    """The expert of which tokens pay the wake-up most nearly; None if a split would say nothing.

    If prices differ from the wake-up by more than the gap, one of the two cases is proven already.
    """
    wake = case.frame.instance.wake_energy
    if wake is None:
        return None
    is_open = ~case.frame.surely_awake & case.frame.usable.any(axis=0)
    left = np.where(is_open, np.abs(wake_left_j(case.frame, case.point)), np.inf)
    nearest = int(left.argmin())
    return ("expert", nearest) if left[nearest] < _gap_j(case, answer) else None


def _link(case: Case, answer: Descent) -> On | None:
    """The link that earns most beyond what it earns in the answer; None if that is little.

    Where much is left, it is any link that earns something.
    """
    frame, instance = case.frame, case.frame.instance
    if not len(frame.ends):
        return None
    if instance.air_tokens is not None:
        return _late_link(case, answer)
    at = evaluate(frame, case.point)
    rents = rents_of(at.earned[None], at.taken[None])
    assert answer.decision.allocation is not None
    unused = np.where(answer.decision.allocation.any(axis=(0, 1)), 0.0, rents)
    most_j = np.maximum((at.earned - rents).max(axis=1), 0.0) + (at.taken * unused).sum(axis=1)
    beyond_j = np.where(frame.surely_used, 0.0, most_j - _earned_in(answer, case, rents))
    least_j = SHARE * _gap_j(case, answer)
    if _gap_j(case, answer) > WIDE * answer.energy_j:
        least_j = 0.0
        if beyond_j.max() <= 0.0:  # several links may earn the same, and one that is used has it
            beyond_j = np.where(frame.surely_used, 0.0, at.earned.max(axis=1))
    link = int(beyond_j.argmax())
    if beyond_j[link] <= least_j:
        return None
    return _on_link(frame, link)


def _late_link(case: Case, answer: Descent) -> On | None:
    """The link with a deadline for which tokens pay most; None if hardly anything is left."""
    frame = case.frame
    t, c = frame.pairs.T
    paid_j = np.add.reduceat(case.point.link[t, c], frame.first[:-1])
    paid_j[frame.surely_used] = 0.0
    link = int(paid_j.argmax())
    if _gap_j(case, answer) <= WIDE * answer.energy_j or paid_j[link] <= 0.0:
        return None
    return _on_link(frame, link)


def _on_link(frame: Frame, link: int) -> On:
    i, n = frame.ends[link].tolist()
    return ("link", i, n)


def _earned_in(answer: Descent, case: Case, rents: NDArray[np.float64]) -> NDArray[np.float64]:
    """What links earn in the answer at the prices of a case, less their rents, J, (L,)."""
    frame, decision = case.frame, answer.decision
    t, c = frame.pairs.T
    passes = passages.passed(frame.instance, decision.selection)[t, c]
    paid_j = np.add.reduceat(passes * case.point.link[t, c], frame.first[:-1])
    load = np.add.reduceat(passes.astype(np.int64), frame.first[:-1])
    i, n = frame.ends.T
    assert decision.allocation is not None
    link, m = np.arange(len(i)), decision.allocation[i, n].argmax(axis=1)
    energy_j = np.where(load > 0, frame.link_j[link, m], 0.0)
    return np.asarray(np.where(load > 0, paid_j - load * energy_j - rents[m], 0.0))
