"""P2 as one program: scaled to a known answer, and solved again where rounding misled the solver.

1. Block coordinate descent gives a known answer of energy U and a bound.
2. Experts and subcarriers that alone cost more than U are dropped, since no optimum uses them.
   Dropping a token or waking an expert for more than U counts 2 U.
3. The objective is measured in units of the bound per token; costs far above it are refused.
4. Where the solver's tolerance let a token miss its threshold, its set is cut off, and the program
   is solved again (`dmoe_opt.selection.covers`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.result import Result, Status, build, infeasible
from dmoe_opt.clock import OUT_OF_TIME, is_over, left_s, until
from dmoe_opt.data.instance import Instance
from dmoe_opt.joint.bcd import solve_bcd
from dmoe_opt.joint.decided import UNDECIDED
from dmoe_opt.joint.feasibility import cannot_be_served
from dmoe_opt.joint.highs import factor_of
from dmoe_opt.joint.open_part import SLACK, alone_j, no_answer
from dmoe_opt.selection.covers import MOST_CUTS, Cut, missed

WIDEST = 1e9  # of a cost over the energy of a token: beyond, tolerances hide the cheap ones
FIRST_SHARE = 1 / 4  # of the time, for the known answer


class Attempt(NamedTuple):
    """What a program is built from.

    `instance` is the round, with prices that no optimum pays brought down; `factor` in 1/J is the
    unit of its objective; an expert or a subcarrier that alone costs more than `most_j` is left
    out; `cuts` cut off sets of tokens that fall short; `start` is an answer for a solver that takes
    one.
    """

    instance: Instance
    factor: float
    most_j: float
    cuts: list[tuple[int, Cut]]
    start: Decision | None


class RoundAnswer(NamedTuple):
    """What a solver says of a round; the decision and the bound are None where it has none."""

    decision: Decision | None
    bound_j: float | None
    infeasible: bool = False


def solve_round(
    instance: Instance,
    method: str,
    solve_once: Callable[[Attempt], RoundAnswer],
    *,
    time_limit: float | None,
    start: Decision | None,
    stats: dict[str, Any],
    most_per_s: float,
) -> Result:
    """Solve a round by a function that builds and solves one program.

    The result is never worse than `start`, if one is given. No program is built that has more than
    `most_per_s` variables for each second that is left: neither building it nor handing it to the
    solver can be interrupted.
    """
    with until(time_limit):
        result = _solve(instance, method, solve_once, start, stats, most_per_s)
    if start is None or (result.objective_j is not None and result.objective_j <= start.energy_j):
        return result
    return build(instance, method, start, bound_j=result.bound_j, stats=stats)


def _solve(
    instance: Instance,
    method: str,
    solve_once: Callable[[Attempt], RoundAnswer],
    start: Decision | None,
    stats: dict[str, Any],
    most_per_s: float,
) -> Result:
    if not instance.num_tokens:
        nothing = np.zeros(instance.scores.shape, dtype=bool)
        return build(instance, method, Decision(instance, nothing), bound_j=0.0, stats=stats)
    first = solve_bcd(instance, time_limit=FIRST_SHARE * left_s(), start=start)
    if instance.optional_rules and first.status == Status.INFEASIBLE:
        return infeasible(instance, method, first.message)
    known_j = np.inf if first.objective_j is None else first.objective_j
    factor = factor_of(instance, first.bound_j)
    attempt = Attempt(_priced(instance, known_j), factor, known_j * (1 + SLACK), [], None)
    if start is not None:
        attempt = attempt._replace(start=first.decision)
    bound_j = first.bound_j
    if _is_wide(attempt):
        return _too_wide(instance, method, first, stats)
    for _ in range(MOST_CUTS):
        if reason := _no_time(instance, attempt.most_j, most_per_s):
            return _undecided(instance, method, first, bound_j, stats, reason)
        answer = solve_once(attempt)
        if answer.bound_j is not None:
            bound_j = max(bound_j or 0.0, answer.bound_j)
        if answer.decision is None:
            return _without(instance, method, answer, first, bound_j, stats)
        cuts = cuts_of(answer.decision)
        if not cuts:
            decision = answer.decision.without_idle_links()
            # Nothing costs less than 0 J; a solver's tolerances may leave its bound above that.
            least_j = bound_j if decision.energy_j else 0.0
            return build(instance, method, decision, bound_j=least_j, stats=stats)
        attempt.cuts.extend(cuts)
    message = f"the solver gave no answer that keeps (C1) exactly, in {MOST_CUTS} tries"
    return build(instance, method, bound_j=bound_j, stats=stats, message=message)


def _no_time(instance: Instance, most_j: float, most_per_s: float) -> str | None:
    """Why no program is built, in words: the time is up, or too short for so many variables.

    The variables are alpha of all experts, and y and f of all subcarriers of links.
    """
    if is_over():
        return OUT_OF_TIME
    works = np.isfinite(instance.link_energy) & (instance.link_energy <= most_j)
    works[np.arange(instance.num_nodes), np.arange(instance.num_nodes)] = False
    number = instance.scores.size + 2 * int(works.sum())
    if number <= most_per_s * left_s():
        return None
    return f"no time within the limit to build a program of {number:,} variables"


def _priced(instance: Instance, known_j: float) -> Instance:
    """The round with no price of dropping or waking above twice the energy of a known answer."""
    rules = ("drop_price", "wake_energy")
    given = [name for name in rules if name in instance.optional_rules]
    most_j = 2 * known_j or 1.0
    least = {name: np.minimum(getattr(instance, name), most_j) for name in given}
    return instance.replace(**least) if least else instance


def _is_wide(attempt: Attempt) -> bool:
    """Whether something that is left costs too much beside the unit of the objective."""
    instance = attempt.instance
    cost = alone_j(instance)
    prices = [price for price in (instance.drop_price, instance.wake_energy) if price is not None]
    kept = np.concatenate([cost[cost <= attempt.most_j], *prices])
    return bool(kept.size and kept.max() * attempt.factor > WIDEST * instance.num_tokens)


def _too_wide(instance: Instance, method: str, first: Result, stats: dict[str, Any]) -> Result:
    """The result where no solver is asked; whether there is an answer does not need the costs."""
    if first.status == Status.INFEASIBLE:
        return infeasible(instance, method, first.message)
    if first.objective_j is None and cannot_be_served(instance, left_s()):
        return infeasible(instance, method, no_answer(instance))
    message = "costs span too many orders of magnitude for a solver; allowed: exact"
    return build(instance, method, bound_j=first.bound_j, stats=stats, message=message)


def _without(
    instance: Instance,
    method: str,
    answer: RoundAnswer,
    first: Result,
    bound_j: float | None,
    stats: dict[str, Any],
) -> Result:
    """The result where the solver has no answer: infeasibility counts if no answer is known."""
    if not answer.infeasible:
        reason = OUT_OF_TIME if left_s() < np.inf else UNDECIDED
        return _undecided(instance, method, first, bound_j, stats, reason)
    if first.objective_j is None:
        return infeasible(instance, method, no_answer(instance))
    message = "the solver finds no answer, although one is known"
    return build(instance, method, bound_j=bound_j, stats=stats, message=message)


def _undecided(
    instance: Instance,
    method: str,
    first: Result,
    bound_j: float | None,
    stats: dict[str, Any],
    message: str,
) -> Result:
    """The result where the solver decides nothing: a proof of the descent counts."""
    if first.status == Status.INFEASIBLE:
        return infeasible(instance, method, first.message)
    return build(instance, method, bound_j=bound_j, stats=stats, message=message)


def cuts_of(decision: Decision) -> list[tuple[int, Cut]]:
    """Tokens that miss their threshold and are not dropped, with the cuts of their sets."""
    short = missed(decision.problem, decision.selection)
    return [(t, cut) for t, cut in short if not decision.dropped[t]]
