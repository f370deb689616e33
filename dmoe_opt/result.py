"""What every answer carries, built in one place: nobody sets a status by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmoe_opt import evaluate, formats
from dmoe_opt.evaluate import Selection
from dmoe_opt.instance import Instance, SelectionProblem
from dmoe_opt.validate import InputError, fail

OPTIMAL_GAP = 1e-6
"""A gap this small (relative) counts as proven optimal."""
BOUND_NOISE = 1e-9
"""A bound above the objective by no more than this (relative) is rounding and is lowered to it."""


class Status(StrEnum):
    """What is known of an answer."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    NO_SOLUTION = "no_solution"


@dataclass(frozen=True, eq=False)
class Result:
    """The answer of a method; absent values are None.

    `selection` is a bool array (T, K); `gap` is (objective - bound) / objective; `shortfall` lists the tokens whose
    threshold was lowered; `stats` holds the method's own counters; `message` says in words why there is no answer.
    """

    problem: str
    method: str
    status: Status
    objective_j: float | None
    bound_j: float | None
    gap: float | None
    selection: Selection | None
    allocation: NDArray[np.bool_] | None
    shortfall: tuple[int, ...]
    instance: str
    instance_sha256: str
    wall_s: float = 0.0
    stats: Mapping[str, Any] = field(default_factory=dict)
    message: str = ""

    @property
    def solved(self) -> bool:
        """Whether there is a checked answer."""
        return self.status in (Status.OPTIMAL, Status.FEASIBLE)

    def solution(self) -> formats.Solution:
        """The same as plain data, as it is written to a file."""
        return formats.Solution(
            format=formats.SOLUTION,
            version=formats.VERSION,
            instance=self.instance,
            instance_sha256=self.instance_sha256,
            problem=self.problem,
            method=self.method,
            status=str(self.status),
            objective_j=self.objective_j,
            bound_j=self.bound_j,
            gap=self.gap,
            selection=None if self.selection is None else [np.flatnonzero(row).tolist() for row in self.selection],
            allocation=None if self.allocation is None else np.argwhere(self.allocation).tolist(),
            shortfall=list(self.shortfall),
            wall_s=self.wall_s,
            stats={k: v.tolist() if isinstance(v, np.ndarray | np.generic) else v for k, v in self.stats.items()},
            message=self.message,
        )

    def __str__(self) -> str:
        rows = [("problem", f"{self.problem} of {self.instance or 'an unnamed instance'}"), ("method", self.method)]
        rows.append(("status", self.status.value + (f": {self.message}" if self.message else "")))
        if self.objective_j is not None:
            rows.append(("energy", f"{self.objective_j:.9g} J"))
        if self.bound_j is not None:
            rows.append(("bound", f"{self.bound_j:.9g} J" + ("" if self.gap is None else f" (gap {self.gap:.2%})")))
        if self.selection is not None and self.selection.shape[0]:
            counts = self.selection.sum(axis=1)
            rows.append(("experts", f"{counts.mean():.2f} a token, at most {counts.max()}"))
        if self.shortfall:
            rows.append(("shortfall", f"{len(self.shortfall)} tokens got their best experts instead of the threshold"))
        rows += [(k, f"{v:,}") for k, v in self.stats.items() if isinstance(v, int)]
        rows.append(("time", f"{self.wall_s:.4g} s"))
        return "\n".join(f"{name:<10} {text}" for name, text in rows)


def build(
    problem: SelectionProblem,
    method: str,
    *,
    selection: Selection | None = None,
    bound_j: float | None = None,
    stats: Mapping[str, Any] | None = None,
    message: str = "",
) -> Result:
    """Make a result for P1: evaluate, check, and derive gap and status.

    A selection that breaks a rule is not an answer: it is dropped and its first violation becomes the message.
    A bound above the objective of a feasible selection is wrong: it is dropped, and the message says so.
    """
    objective = gap = None
    if selection is not None and (broken := evaluate.violations(problem, selection)):
        selection, message = None, f"the answer of {method} was refused: {broken[0]}"
    if selection is not None:
        selection = np.array(selection)
        selection.flags.writeable = False
        objective = evaluate.energy_j(problem, selection)
        if bound_j is not None and bound_j > objective:
            if bound_j - objective > BOUND_NOISE * objective:
                message = f"{method} gave the bound {bound_j:.9g} J above the objective; it was dropped"
                bound_j = None
            else:
                bound_j = objective
        gap = relative_gap(objective, bound_j)
    return Result(
        problem="selection",
        method=method,
        status=derive_status(objective, gap),
        objective_j=objective,
        bound_j=bound_j,
        gap=gap,
        selection=selection,
        allocation=None,
        shortfall=_shortfall(problem),
        instance=problem.name,
        instance_sha256=problem.sha256,
        stats=dict(stats or {}),
        message=message,
    )


def infeasible(problem: SelectionProblem, method: str, reason: str) -> Result:
    """The result of an instance that is proven to have no answer."""
    return Result(
        "selection", method, Status.INFEASIBLE, None, None, None, None, None, (), problem.name, problem.sha256,
        message=reason,
    )  # fmt: skip


def _shortfall(problem: SelectionProblem) -> tuple[int, ...]:
    return tuple(np.flatnonzero(problem.shortfall).tolist()) if problem.on_shortfall == "top_d" else ()


def relative_gap(objective_j: float, bound_j: float | None) -> float | None:
    """(objective - bound) / objective, 0 if both are 0."""
    if bound_j is None:
        return None
    return 0.0 if objective_j <= bound_j else (objective_j - bound_j) / objective_j


def derive_status(objective_j: float | None, gap: float | None) -> Status:
    """Status from what is known; a method cannot claim more than its bound says."""
    if objective_j is None:
        return Status.NO_SOLUTION
    return Status.OPTIMAL if gap is not None and gap <= OPTIMAL_GAP else Status.FEASIBLE


def as_problem(data: Instance | SelectionProblem) -> SelectionProblem:
    """P1 of a round (every link on its best subcarrier), or the problem itself; it keeps the digest of its origin."""
    if isinstance(data, SelectionProblem):
        return data
    problem = data.selection_problem()
    problem.__dict__["sha256"] = data.sha256  # results must name the instance they belong to
    return problem


def check(data: Instance | SelectionProblem, answer: Result | formats.Solution) -> list[str]:
    """Recompute an answer from its instance: broken rules and false claims, one sentence each; empty if all holds."""
    if not isinstance(data, Instance | SelectionProblem):
        raise fail("instance", data, "an Instance or a SelectionProblem")
    if not isinstance(answer, Result | formats.Solution):
        raise fail("answer", answer, "a Result or the Solution of a file")
    problem = as_problem(data)
    claim = answer.solution() if isinstance(answer, Result) else answer
    found = []
    if claim.problem != "selection":
        raise InputError(f'problem = "{claim.problem}"; allowed: "selection"')
    if claim.instance_sha256 != problem.sha256:
        found.append(f"the solution belongs to another instance ({claim.instance or 'unnamed'})")
    reason = problem.infeasibility()
    if claim.selection is None:
        return found + _check_absence(claim, reason)
    selection, broken = _selection_of(problem, claim.selection)
    found += broken or evaluate.violations(problem, selection)
    if not found:
        objective = evaluate.energy_j(problem, selection)
        found += _check_claims(problem, claim, objective)
    return found


def _check_absence(claim: formats.Solution, reason: str | None) -> list[str]:
    found = []
    if claim.objective_j is not None or claim.gap is not None:
        found.append("there is no selection, yet an objective or a gap is claimed")
    if claim.status in (Status.OPTIMAL, Status.FEASIBLE):
        found.append(f'status "{claim.status}" is claimed without a selection')
    if claim.status == Status.INFEASIBLE and reason is None:
        found.append("the instance is claimed infeasible, but every token can be served")
    if claim.status not in list(Status):
        found.append(f'status "{claim.status}" is none of {", ".join(Status)}')
    return found


def _selection_of(problem: SelectionProblem, listed: list[list[int]]) -> tuple[Selection, list[str]]:
    selection = np.zeros((problem.num_tokens, problem.num_experts), dtype=bool)
    if len(listed) != problem.num_tokens:
        return selection, [f"the selection has {len(listed)} tokens, the instance {problem.num_tokens}"]
    for t, experts in enumerate(listed):
        for j in experts:
            if not 0 <= j < problem.num_experts:
                return selection, [f"token {t}: there is no expert {j}"]
            if selection[t, j]:
                return selection, [f"token {t}: expert {j} is listed twice"]
            selection[t, j] = True
    return selection, []


def _check_claims(problem: SelectionProblem, claim: formats.Solution, objective: float) -> list[str]:
    found = []
    claimed = claim.objective_j
    if claimed is None or not np.isclose(claimed, objective, rtol=BOUND_NOISE, atol=0.0):
        found.append(f"the objective is {objective:.12g} J, claimed is {claimed}")
    if claim.bound_j is not None and claim.bound_j > objective * (1 + BOUND_NOISE):
        found.append(f"the claimed bound {claim.bound_j:.12g} J is above the objective {objective:.12g} J")
    gap = relative_gap(objective, claim.bound_j)
    if (claim.gap is None) != (gap is None) or (
        gap is not None and claim.gap is not None and not np.isclose(claim.gap, gap, rtol=1e-6, atol=BOUND_NOISE)
    ):
        found.append(f"the gap is {gap}, claimed is {claim.gap}")
    status = derive_status(objective, gap)
    if claim.status != status:
        found.append(f'the status is "{status}", claimed is "{claim.status}"')
    if tuple(claim.shortfall) != _shortfall(problem):
        found.append(f"{len(_shortfall(problem))} tokens fall short, {len(claim.shortfall)} are claimed")
    return found
