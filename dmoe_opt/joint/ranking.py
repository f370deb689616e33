"""The best answers to a round (P2) with distinct selections, within a gap of the best one.

1. `exact` gives the best answer. Prices raise the bound again, and decide what every answer within
   a share of the gap may and must use (`exact.reduce`, or `leftover` under optional rules).
2. HiGHS solves the integer program of what is left, again and again, with one more row for each
   answer that is listed: sum of alpha that it does not use - sum of alpha that it uses >= 1 - their
   number. This cuts off its selection and no other. Where there is nothing more, the next share of
   the gap follows.

The bound of HiGHS holds for every answer that is not listed, and tells what of the order is proven.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from dmoe_opt.allocation.assignment import serve
from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.result import Result, build
from dmoe_opt.answer.tolerances import OPTIMAL_GAP
from dmoe_opt.clock import TimeUp, is_over, left_s, until
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.rankings import RankedRound
from dmoe_opt.joint.decided import BEFORE_PROGRAM
from dmoe_opt.joint.descent import Descent
from dmoe_opt.joint.exact import LIMIT_S, reduce, solve_exact
from dmoe_opt.joint.highs import factor_of
from dmoe_opt.joint.lagrangian import as_descent, ascend
from dmoe_opt.joint.leftover import leftover
from dmoe_opt.joint.limited import climb
from dmoe_opt.joint.multipliers import frame_of
from dmoe_opt.joint.open_part import Open
from dmoe_opt.joint.program import solve_open
from dmoe_opt.joint.steps import Log

GAP = 0.01
SHARES = (1 / 256, 1 / 64, 1 / 16, 1 / 4, 1)
"""Shares of the gap to try in turn; a smaller share decides more before HiGHS begins."""


Within = Callable[[float], Open | None]
"""What answers within a limit in J may use; None if there are none."""


@dataclass
class _List:
    """Answers, and a bound in J on all answers with other selections."""

    answers: list[Decision]
    floor_j: float


def solve_ranked(
    instance: Instance,
    count: int,
    *,
    gap: float | None = None,
    time_limit: float | None = LIMIT_S,
    log: Log | None = None,
    start: Decision | None = None,
) -> Result:
    """The best answers with distinct selections, at most `count`, by energy.

    Each has the best allocation of its selection.

    Parameters
    ----------
    gap
        The energy of no answer is more than 1 + gap times that of the best one; 0.01 by default.
    time_limit, log, start
        As in `exact.solve_exact`; the limit is for all answers together.

    Returns
    -------
    Result
        That of `exact`, with the list in `round_ranking`. An entry is `proven` if no answer with
        another selection that is missing before it costs less, up to `OPTIMAL_GAP`.

    Examples
    --------
    >>> import dmoe_opt
    >>> from dmoe_opt.joint.ranking import solve_ranked
    >>> result = solve_ranked(dmoe_opt.load("tiny-s1"), 3, gap=0.2)
    >>> [f"{1e3 * best.energy_j:.3f} mJ" for best in result.round_ranking]
    ['2.643 mJ', '2.732 mJ', '2.820 mJ']
    """
    with until(time_limit):
        first = solve_exact(instance, time_limit=time_limit, log=log, start=start)
        if first.decision is None:
            return first
        return _with_list(instance, first, first.decision, count, gap)


def _with_list(
    instance: Instance, first: Result, best: Decision, count: int, gap: float | None
) -> Result:
    """The result of `exact` with the list of answers."""
    list_ = _List([best], first.bound_j or 0.0)
    if instance.num_tokens:  # without tokens there is one answer only
        widest_j = best.energy_j * (GAP if gap is None else gap)
        search = _ruled if instance.optional_rules else _plain
        within = search(instance, as_descent(first), widest_j)
        for share in SHARES:
            limit_j = best.energy_j + share * widest_j
            if not _extend(instance, within, limit_j, list_, count):
                break
    return replace(_best_of(first, list_.answers), round_ranking=_ranked(list_))


def _plain(instance: Instance, answer: Descent | None, _: float) -> Within:
    """What is open within a limit, by the bound of `lagrangian`."""
    prices = ascend(instance, answer, 0.0).prices
    return lambda limit_j: reduce(instance, prices, limit_j)


def _ruled(instance: Instance, answer: Descent | None, widest_j: float) -> Within:
    """The same by the bound of `multipliers`, for rounds with optional rules."""
    climbed = climb(frame_of(instance), answer, effort=BEFORE_PROGRAM, widest_j=widest_j)
    return lambda limit_j: leftover(climbed.frame, climbed.point, limit_j)


def _extend(instance: Instance, within: Within, limit_j: float, list_: _List, count: int) -> bool:
    """Append the answers of at most `limit_j`; True if there are no more and the list is short."""
    try:
        part = within(limit_j)
    except TimeUp:
        return False
    factor = factor_of(instance, list_.answers[0].energy_j)
    while len(list_.answers) < count:
        if part is None or is_over():
            return part is None
        listed = [answer.selection for answer in list_.answers]
        outcome = solve_open(instance, part, factor, time_limit=left_s(), forbidden=listed)
        bound_j = limit_j if outcome.infeasible else min(outcome.bound_j, limit_j)
        list_.floor_j = max(list_.floor_j, bound_j)
        answer = outcome.decision and _polished(outcome.decision)
        if answer is None or answer.violations or answer.energy_j > limit_j:
            return bound_j == limit_j
        list_.answers.append(answer)
    return False


def _polished(answer: Decision) -> Decision:
    """The answer with the subcarriers of `assignment`, if they are better."""
    served = serve(answer.instance, answer.selection)
    return answer if served is None else min(served, answer, key=lambda one: one.energy_j)


def _best_of(first: Result, answers: list[Decision]) -> Result:
    """The result of `exact`, or what is better than that where its limit came too early."""
    best = min(answers, key=lambda answer: answer.energy_j)
    if best is first.decision:
        return first
    return build(best.instance, first.method, best, bound_j=first.bound_j, stats=first.stats)


def _ranked(list_: _List) -> list[RankedRound]:
    entries = []
    for answer in list_.answers:
        assert answer.allocation is not None
        energy_j = answer.energy_j
        entries.append(
            RankedRound(
                selection=[np.flatnonzero(row).tolist() for row in answer.selection],
                allocation=np.argwhere(answer.allocation).tolist(),
                energy_j=energy_j,
                proven=energy_j <= list_.floor_j * (1 + OPTIMAL_GAP),
            )
        )
    return sorted(entries, key=lambda entry: (entry.energy_j, entry.selection))
