"""Prices that prove a bound of a round, by cases of which experts are awake.

Prices of waking an expert leave a gap: they let tokens wake a part of it. Where that gap is large,
a proof has two cases: the expert is awake and its wake-up is paid, or no token uses it. Of all
cases, the one with the least bound is split first, on the expert about which its prices say least.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data.instance import Instance
from dmoe_opt.joint.descent import Descent
from dmoe_opt.joint.limited import climb
from dmoe_opt.joint.multipliers import Frame, Point, evaluate, frame_of, wake_left_j
from dmoe_opt.joint.open_part import everything
from dmoe_opt.joint.steps import Effort

Experts = NDArray[np.bool_]
MOST_SPLITS = 40
CLOSED = 1e-7  # relative gap of a case that needs no more
EFFORT = Effort(250, 1_000, 0)  # the answer is known, so nothing is repaired
WORTH = 0.8  # of the gap: an ascent that leaves more of it was the last
WORTH_WAITING = 0.5  # the same where a split could close the gap instead


class Case(NamedTuple):
    """A part of all answers: its frame, the best prices that were found, and their bound, J."""

    frame: Frame
    point: Point
    bound_j: float


class Split(NamedTuple):
    """Two proofs in place of one: the expert is awake, or asleep."""

    expert: int
    awake: Proof
    asleep: Proof


Proof = Case | Split


def by_cases(instance: Instance, answer: Descent) -> Proof:
    """Prices for the bound of a round whose answer is known, split where they leave a gap."""
    nobody = np.zeros(instance.num_experts, dtype=bool)
    cases = [raised(_frame(instance, nobody, nobody), answer, None)]
    splits: dict[int, tuple[int, int, int]] = {}  # of case k: the expert, and its two cases
    while len(splits) < MOST_SPLITS:
        whole = [k for k in range(len(cases)) if k not in splits]
        worst = min(whole, key=lambda k: cases[k].bound_j)
        case = cases[worst]
        j = None if _is_closed(case, answer) else _undecided(case, answer)
        if j is None:
            break
        splits[worst] = j, len(cases), len(cases) + 1
        here = np.isin(np.arange(instance.num_experts), j)
        awake, asleep = case.frame.surely_awake, np.asarray(~case.frame.usable.any(axis=0))
        cases += [
            raised(_frame(instance, awake | here, asleep), answer, case.point),
            raised(_frame(instance, awake, asleep | here), answer, case.point),
        ]

    def proof(k: int) -> Proof:
        if k not in splits:
            return cases[k]
        j, first, second = splits[k]
        return Split(j, proof(first), proof(second))

    return proof(0)


def _frame(instance: Instance, awake: Experts, asleep: Experts) -> Frame:
    """The frame of a case, where links are as the checker has them."""
    part = everything(instance)
    part = part._replace(possible=part.possible & ~asleep, surely_awake=awake)
    frame = frame_of(instance, part)
    most = 1 if instance.air_tokens is None else instance.num_subcarriers
    return frame._replace(most_used=np.full(len(frame.ends), most))


def raised(frame: Frame, answer: Descent, start: Point | None) -> Case:
    """Ascents that begin with long steps again, as long as they close a good part of the gap."""
    if start is not None:
        decided = frame.surely_awake | ~frame.usable.any(axis=0)
        start = start._replace(waking=np.where(decided, 0.0, start.waking))
    case = _climbed(frame, answer, start)
    while not _is_closed(case, answer):
        following = _climbed(frame, answer, case.point)
        gap_j = answer.energy_j - case.bound_j
        most = WORTH if _undecided(case, answer) is None else WORTH_WAITING
        worth = answer.energy_j - following.bound_j <= most * gap_j
        case = max(case, following, key=lambda one: one.bound_j)
        if not worth:
            break
    return case


def _climbed(frame: Frame, answer: Descent, start: Point | None) -> Case:
    end = climb(frame, answer, effort=EFFORT, far=CLOSED, widest_j=np.inf, start=start)
    return Case(frame, end.point, evaluate(frame, end.point).value_j)


def _is_closed(case: Case, answer: Descent) -> bool:
    return answer.energy_j - case.bound_j <= CLOSED * answer.energy_j


def _undecided(case: Case, answer: Descent) -> int | None:
    """The expert of which tokens pay the wake-up most nearly; None if a split would say nothing.

    If prices differ from the wake-up by more than the gap, one of the two cases is proven already.
    """
    wake = case.frame.instance.wake_energy
    if wake is None:
        return None
    is_open = ~case.frame.surely_awake & case.frame.usable.any(axis=0)
    left = np.where(is_open, np.abs(wake_left_j(case.frame, case.point)), np.inf)
    nearest = int(left.argmin())
    return nearest if left[nearest] < answer.energy_j - case.bound_j else None
