"""Answers of methods to one instance as rows, each judged by the others.

A bound that an answer refutes counts for no gap, and its row says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from dmoe_opt.answer.result import Result, Status, relative_gap
from dmoe_opt.answer.tolerances import BOUND_NOISE
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.problem import SelectionProblem

REFUSED = "refused"
FAILED = "failed"
FALSE_CLAIM = "false claim"
WRONG_BOUND = "wrong bound"
NUMBERS = ("energy_j", "bound_j", "gap", "relevance", "wall_s", "nodes")


class Entry(NamedTuple):
    """What a method, or a solution file, says of an instance.

    `result` is None where there is none. `verdict` is a status that stands in place of that of the
    result, and `reason` says in words why it does.
    """

    name: str
    result: Result | None
    verdict: str = ""
    reason: str = ""


@dataclass(frozen=True)
class MethodRow:
    """One method on one instance.

    `gap` is to the best bound proven by any method of the comparison, None without objective or
    bound. `relevance` is the mean over the tokens of the sum of their chosen scores. The `status`
    of a method that does not take the instance is "refused", and that of a method of the user that
    raises an error "failed". It is "wrong bound" if the answer of another method costs less than
    this one claims to be possible, or refutes its infeasibility; and "false claim" if a solution
    file does not stand its check. Such a bound counts for no gap. `message` says why. The time of a
    solution file is the one that it claims. `certified_j` is a bound on the optimum that the exact
    checker has accepted, the same for all methods; None unless a proof was asked for.
    """

    instance: str
    tokens: int
    experts: int
    max_experts: int
    method: str
    status: str
    energy_j: float | None
    bound_j: float | None
    gap: float | None
    relevance: float | None
    shortfall: int
    wall_s: float | None
    nodes: int | None
    message: str
    certified_j: float | None = None


def rows_of(data: Instance | SelectionProblem, entries: Sequence[Entry]) -> list[MethodRow]:
    """A row for each entry.

    Gaps are to the best bound among the results that no answer refutes.
    """
    best = _best_answer(entries)
    refutations = [entry.reason or _refuted(entry.result, best) for entry in entries]
    bounds_j = [
        entry.result.bound_j
        for entry, refuted in zip(entries, refutations, strict=True)
        if entry.result is not None and entry.result.bound_j is not None and not refuted
    ]
    best_bound_j = max(bounds_j, default=None)
    return [
        _row(data, entry, best_bound_j, refuted)
        for entry, refuted in zip(entries, refutations, strict=True)
    ]


def _best_answer(entries: Sequence[Entry]) -> tuple[str, float] | None:
    """The method with the least energy, and that energy, J; None without any answer."""
    answers = [
        (entry.name, entry.result.objective_j)
        for entry in entries
        if entry.result is not None and entry.result.objective_j is not None
    ]
    return min(answers, key=lambda answer: answer[1], default=None)


def _refuted(result: Result | None, best: tuple[str, float] | None) -> str:
    """Why the claim of a method is false, by the best answer; empty if it is not."""
    if best is None or result is None:
        return ""
    name, energy_j = best
    if result.status == Status.INFEASIBLE:
        return f"says infeasible, and {name} has an answer of {energy_j:.9g} J"
    if result.bound_j is None or result.bound_j <= energy_j * (1 + BOUND_NOISE):
        return ""
    return f"the bound {result.bound_j:.9g} J is above the {energy_j:.9g} J of {name}"


def _row(
    data: Instance | SelectionProblem, entry: Entry, best_bound_j: float | None, refuted: str
) -> MethodRow:
    """The row of an entry; `refuted` says why its claim is false."""
    facts: dict[str, Any] = dict.fromkeys(NUMBERS) | {"shortfall": 0, "message": refuted}
    status = entry.verdict
    result = entry.result
    if result is not None:
        status = status or (WRONG_BOUND if refuted else str(result.status))
        facts = {
            "energy_j": result.objective_j,
            "bound_j": result.bound_j,
            "gap": None,
            "relevance": result.mean_relevance,
            "shortfall": len(result.shortfall),
            "wall_s": result.wall_s,
            "nodes": result.stats.get("nodes"),
            "message": refuted or result.message,
        }
        if result.objective_j is not None:
            facts["gap"] = relative_gap(result.objective_j, best_bound_j)
    return MethodRow(
        instance=data.name,
        tokens=data.num_tokens,
        experts=data.num_experts,
        max_experts=data.max_experts,
        method=entry.name,
        status=status,
        **facts,
    )
