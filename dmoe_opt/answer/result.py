"""What every answer carries, built in one place: nobody sets a status by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from dmoe_opt.answer import objective
from dmoe_opt.answer.objective import Allocation, Selection
from dmoe_opt.data import formats, validate
from dmoe_opt.data.instance import Instance, SelectionProblem
from dmoe_opt.data.validate import InputError, fail

OPTIMAL_GAP = 1e-6
"""A gap this small (relative) counts as proven optimal."""
BOUND_NOISE = 1e-9
"""A bound above the objective by no more than this (relative) is rounding and is lowered to it."""


class Status(StrEnum):
    """What is known of an answer.

    Examples
    --------
    >>> import dmoe_opt
    >>> dmoe_opt.solve(dmoe_opt.load("scarce-8x36-s1"), "jesa").status is dmoe_opt.Status.INFEASIBLE
    True
    """

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    NO_SOLUTION = "no_solution"


@dataclass(frozen=True, eq=False)
class Result:
    """The answer of a method; absent values are None.

    `selection` is a bool array (T, K), `allocation` a bool array (K, K, M), None where only experts are chosen; `gap`
    is (objective - bound) / objective; `shortfall` lists the tokens whose threshold was lowered; `stats` holds the
    method's own counters; `message` says in words why there is no answer.

    Examples
    --------
    >>> import dmoe_opt
    >>> result = dmoe_opt.solve(dmoe_opt.load("tiny-s1"), "jesa", "exact")
    >>> print(f"{result.status}: {1e3 * result.objective_j:.4f} mJ, bound {1e3 * result.bound_j:.4f} mJ")
    optimal: 2.6434 mJ, bound 2.6434 mJ
    """

    problem: str
    method: str
    status: Status
    objective_j: float | None
    bound_j: float | None
    gap: float | None
    selection: Selection | None
    allocation: Allocation | None
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
    data: Instance | SelectionProblem,
    method: str,
    *,
    problem: str | None = None,
    selection: Selection | None = None,
    allocation: Allocation | None = None,
    bound_j: float | None = None,
    stats: Mapping[str, Any] | None = None,
    message: str = "",
) -> Result:
    """Make a result: evaluate, check, derive gap and status.

    `problem` is by default P1 for a selection problem and P2 for a round.
    A decision that breaks a rule is not an answer: it is dropped and its first violation becomes the message.
    A bound above the objective of a feasible decision is wrong: it is dropped, and the message says so.
    """
    objective = gap = None
    if isinstance(data, Instance) and allocation is None:
        allocation = np.zeros(data.link_energy.shape, dtype=bool)
    bound_j = None if bound_j is None else max(bound_j, 0.0)  # no energy is negative, rounding of a bound may be
    if selection is not None and (broken := _violations(data, selection, allocation)):
        selection, message = None, f"the answer of {method} was refused: {broken[0]}"
    if selection is None:
        allocation = None
    else:
        selection = validate.frozen(selection, np.bool_)
        allocation = None if allocation is None else validate.frozen(allocation, np.bool_)
        objective = _energy_j(data, selection, allocation)
        if bound_j is not None and bound_j > objective:
            if bound_j - objective > BOUND_NOISE * objective:
                message = f"{method} gave the bound {bound_j:.9g} J above the objective; it was dropped"
                bound_j = None
            else:
                bound_j = objective
        gap = relative_gap(objective, bound_j)
    return Result(
        problem=problem or problem_of(data),
        method=method,
        status=derive_status(objective, gap),
        objective_j=objective,
        bound_j=bound_j,
        gap=gap,
        selection=selection,
        allocation=allocation,
        shortfall=_shortfall(data),
        instance=data.name,
        instance_sha256=data.sha256,
        stats=dict(stats or {}),
        message=message,
    )


def infeasible(data: Instance | SelectionProblem, method: str, reason: str, *, problem: str | None = None) -> Result:
    """The result of an instance that is proven to have no answer; `problem` as in `build`."""
    return Result(
        problem or problem_of(data), method, Status.INFEASIBLE, None, None, None, None, None, (), data.name, data.sha256,
        message=reason,
    )  # fmt: skip


def problem_of(data: Instance | SelectionProblem) -> str:
    """Name of the problem that an answer to this data is about, unless another is named."""
    return "selection" if isinstance(data, SelectionProblem) else "jesa"


def _violations(data: Instance | SelectionProblem, selection: Selection, allocation: Allocation | None) -> list[str]:
    if isinstance(data, Instance) and allocation is not None:
        return objective.round_violations(data, selection, allocation)
    return objective.violations(as_problem(data), selection)


def _energy_j(data: Instance | SelectionProblem, selection: Selection, allocation: Allocation | None) -> float:
    if isinstance(data, Instance) and allocation is not None:
        return objective.round_energy_j(data, selection, allocation)
    return objective.energy_j(as_problem(data), selection)


def _shortfall(data: Instance | SelectionProblem) -> tuple[int, ...]:
    problem = as_problem(data)
    return tuple(np.flatnonzero(problem.shortfall).tolist()) if problem.on_shortfall == "top_d" else ()


def relative_gap(objective_j: float, bound_j: float | None) -> float | None:
    """(objective - bound) / objective, 0 if both are 0."""
    if bound_j is None:
        return None
    bound_j = max(bound_j, 0.0)  # no energy is negative
    return 0.0 if objective_j <= bound_j else (objective_j - bound_j) / objective_j


def derive_status(objective_j: float | None, gap: float | None) -> Status:
    """Status from what is known; a method cannot claim more than its bound says."""
    if objective_j is None:
        return Status.NO_SOLUTION
    return Status.OPTIMAL if gap is not None and gap <= OPTIMAL_GAP else Status.FEASIBLE


def as_problem(data: Instance | SelectionProblem) -> SelectionProblem:
    """P1 of a round (every link on its best subcarrier), or the problem itself."""
    return data if isinstance(data, SelectionProblem) else data.selection_problem()


def check(data: Instance | SelectionProblem, answer: Result | formats.Solution) -> list[str]:
    """Recompute an answer from its instance: broken rules and false claims, one sentence each; empty if all holds.

    Recomputed are rules, energy, gap, status and shortfall, and that tokens cannot be served. A bound, and that
    subcarriers are too few for a round, stay the word of the method: only a method can prove them.

    Examples
    --------
    >>> import dmoe_opt
    >>> round_ = dmoe_opt.load("tiny-s1")
    >>> answer = dmoe_opt.solve(round_)
    >>> dmoe_opt.check(round_, answer)
    []
    >>> claim = answer.solution()
    >>> claim.selection[0] = []
    >>> dmoe_opt.check(round_, claim)
    ['token 0 (C1): relevance 0 is below 0.694961548']
    """
    if not isinstance(data, Instance | SelectionProblem):
        raise fail("instance", data, "an Instance or a SelectionProblem")
    if not isinstance(answer, Result | formats.Solution):
        raise fail("answer", answer, "a Result or the Solution of a file")
    claim = answer.solution() if isinstance(answer, Result) else answer
    if claim.problem not in ("selection", "allocation", "jesa"):
        raise InputError(f'problem = "{claim.problem}"; allowed: "selection", "allocation" or "jesa"')
    if claim.problem != "selection" and isinstance(data, SelectionProblem):
        raise InputError(f'problem = "{claim.problem}"; allowed for a selection problem: "selection"')
    judged = as_problem(data) if claim.problem == "selection" else data
    problem = as_problem(data)
    found: list[str] = []
    if claim.instance_sha256 != data.sha256:
        return [f"the solution belongs to another instance ({claim.instance or 'unnamed'})"]
    if claim.selection is None:
        return found + _check_absence(claim, problem.infeasibility())
    selection, broken = _selection_of(problem, claim.selection)
    allocation = None
    if claim.problem != "selection" and isinstance(data, Instance):
        allocation, wrong = _allocation_of(data, claim.allocation or [])
        broken += wrong
    elif claim.allocation is not None:
        broken.append("experts were to be chosen, yet an allocation is given")
    found += broken or _violations(judged, selection, allocation)
    if not found:
        found += _check_claims(problem, claim, _energy_j(judged, selection, allocation))
    return found


def _allocation_of(instance: Instance, listed: list[list[int]]) -> tuple[Allocation, list[str]]:
    allocation = np.zeros(instance.link_energy.shape, dtype=bool)
    for n, entry in enumerate(listed):
        if len(entry) != 3 or not all(0 <= entry[k] < allocation.shape[k] for k in range(3)):
            return allocation, [f"allocation[{n}] = {entry} is no link and subcarrier of the instance"]
        allocation[tuple(entry)] = True
    return allocation, []


def _check_absence(claim: formats.Solution, reason: str | None) -> list[str]:
    found = []
    if claim.objective_j is not None or claim.gap is not None:
        found.append("there is no selection, yet an objective or a gap is claimed")
    if claim.status in (Status.OPTIMAL, Status.FEASIBLE):
        found.append(f'status "{claim.status}" is claimed without a selection')
    if claim.status == Status.INFEASIBLE and reason is None and claim.problem == "selection":
        found.append("the instance is claimed infeasible, but every token can be served")
    if claim.allocation is not None:
        found.append("there is no selection, yet an allocation is given")
    if claim.status not in list(Status):
        found.append(f'status "{claim.status}" is none of {", ".join(Status)}')
    return found


def selection_of(data: Instance | SelectionProblem, solution: formats.Solution) -> Selection:
    """The selection of a solution as a bool array (T, K).

    Raises
    ------
    InputError
        If the solution belongs to another instance or holds no selection of this one.
    """
    if solution.instance_sha256 != data.sha256:
        raise fail("instance_sha256", solution.instance_sha256, f"a solution of this instance ({data.name or 'unnamed'})")
    if solution.selection is None:
        raise fail("selection", None, "a solution that has one")
    selection, broken = _selection_of(as_problem(data), solution.selection)
    if broken:
        raise InputError(f"selection: {broken[0]}; allowed: experts of the instance")
    return selection


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


def mean_relevance(data: Instance | SelectionProblem, result: Result) -> float | None:
    """Mean over tokens of the chosen scores' sum; None without a selection or tokens."""
    if result.selection is None or not data.num_tokens:
        return None
    return float(objective.relevance(as_problem(data), result.selection).mean())
