"""What every answer carries, built in one place: nobody sets a status by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from msgspec import UNSET

from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import Allocation, Selection
from dmoe_opt.answer.tolerances import BOUND_NOISE, OPTIMAL_GAP
from dmoe_opt.data import formats
from dmoe_opt.data.instance import Instance, as_problem, problem_of
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.data.rankings import RankedRound, RankedSelection
from dmoe_opt.data.words import counted
from dmoe_opt.errors import printable


class Status(StrEnum):
    """What is known of an answer.

    Examples
    --------
    >>> import dmoe_opt
    >>> answer = dmoe_opt.solve(dmoe_opt.load("scarce-8x36-s1"), "jesa")
    >>> answer.status is dmoe_opt.Status.INFEASIBLE
    True
    """

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    NO_SOLUTION = "no_solution"


@dataclass(frozen=True, eq=False)
class Result:
    """The answer of a method; absent values are None.

    `data` is the instance, and `decision` holds the checked answer to it. `given` are the experts
    (T, K) that links cannot serve, where the allocation of subcarriers has no answer, and `prices`
    those of a joint method at the end of its ascent (`joint.multipliers.Point`). `gap` is
    (objective - bound) / objective. `stats` holds the method's own counters. `message` says in
    words why there is no answer. If several answers were wanted (`count`), `token_ranking` has the
    best selections of every token, or `round_ranking` the best answers to the round.

    Examples
    --------
    >>> import dmoe_opt
    >>> result = dmoe_opt.solve(dmoe_opt.load("tiny-s1"), "jesa", "exact")
    >>> print(f"{result.status}: {1e3 * result.objective_j:.4f} mJ")
    optimal: 2.6434 mJ
    """

    problem: str
    method: str
    status: Status
    objective_j: float | None
    bound_j: float | None
    gap: float | None
    decision: Decision | None
    data: Instance | SelectionProblem
    wall_s: float = 0.0
    stats: Mapping[str, Any] = field(default_factory=dict)
    message: str = ""
    given: Selection | None = None
    prices: Any = None
    token_ranking: list[list[RankedSelection]] | None = None
    round_ranking: list[RankedRound] | None = None

    @property
    def instance(self) -> str:
        """Name of the instance."""
        return self.data.name

    @property
    def instance_sha256(self) -> str:
        """Digest of the instance; it is computed when it is first asked for."""
        return self.data.sha256

    @property
    def shortfall(self) -> tuple[int, ...]:
        """Tokens whose threshold was lowered, in order; none where no answer exists."""
        return () if self.status is Status.INFEASIBLE else as_problem(self.data).lowered

    @property
    def selection(self) -> Selection | None:
        """True where a token uses an expert, bool, shape (T, K)."""
        return None if self.decision is None else self.decision.selection

    @property
    def allocation(self) -> Allocation | None:
        """True where a link uses a subcarrier, bool, shape (N, N, M); None for experts alone."""
        return None if self.decision is None else self.decision.allocation

    @property
    def mean_relevance(self) -> float | None:
        """Mean over the tokens of the sum of their chosen scores; None without an answer."""
        return None if self.decision is None else self.decision.mean_relevance

    @property
    def solved(self) -> bool:
        """Whether there is a checked answer."""
        return self.status in (Status.OPTIMAL, Status.FEASIBLE)

    def solution(self) -> formats.Solution:
        """The same as plain data, as it is written to a file."""
        selection, allocation = self.selection, self.allocation
        selection = self.given if selection is None else selection
        experts = None if selection is None else [np.flatnonzero(row).tolist() for row in selection]
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
            selection=experts,
            allocation=None if allocation is None else np.argwhere(allocation).tolist(),
            shortfall=list(self.shortfall),
            wall_s=self.wall_s,
            stats={name: _plain(value) for name, value in self.stats.items()},
            message=self.message,
            token_ranking=UNSET if self.token_ranking is None else self.token_ranking,
            round_ranking=UNSET if self.round_ranking is None else self.round_ranking,
        )

    def __str__(self) -> str:
        if self.selection is None or not len(self.selection):
            return summary(self)
        counts = self.selection.sum(axis=1)
        experts = f"{counts.mean():.2f} per token, at most {counts.max()}"
        return summary(self, experts, _causes(self.decision))


def summary(
    answer: Result | formats.Solution, experts: str = "", causes: Sequence[tuple[str, str]] = ()
) -> str:
    """An answer in lines for people; `experts` says in words how many the tokens use.

    `causes` are names and energies of what a round costs.
    """
    counters = [(k, f"{v:,}") for k, v in answer.stats.items() if isinstance(v, int)]
    rows = [*_headings(answer, experts, causes), *counters, ("time", f"{answer.wall_s:.4g} s")]
    return printable("\n".join(f"{name:<10} {text}" for name, text in rows))


def _causes(decision: Decision | None) -> list[tuple[str, str]]:
    """What a round with optional rules costs, by cause, and how many tokens are dropped."""
    if decision is None or decision.allocation is None or not decision.instance.optional_rules:
        return []
    bill, round_ = decision.bill, decision.instance
    energies = [("computing", bill.computing_j), ("sending", bill.sending_j)]
    if round_.wake_energy is not None:
        energies.insert(1, ("waking", bill.waking_j))
    rows = [(name, f"{energy_j:.9g} J") for name, energy_j in energies]
    if round_.drop_price is not None:
        tokens = counted(int(decision.dropped.sum()), "token")
        rows.append(("dropping", f"{bill.dropping_j:.9g} J for {tokens}"))
    return rows


def _headings(
    answer: Result | formats.Solution, experts: str, causes: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    reason = f": {answer.message}" if answer.message else ""
    rows = [
        ("problem", f"{answer.problem} of {answer.instance or 'an unnamed instance'}"),
        ("method", answer.method),
        ("status", f"{answer.status}{reason}"),
    ]
    if answer.objective_j is not None:
        rows += [("energy", f"{answer.objective_j:.9g} J"), *causes]
    if answer.bound_j is not None:
        gap = "" if answer.gap is None else f" (gap {answer.gap:.2%})"
        rows.append(("bound", f"{answer.bound_j:.9g} J{gap}"))
    if experts:
        rows.append(("experts", experts))
    if answer.shortfall:
        number = len(answer.shortfall)
        rows.append(
            ("shortfall", f"{number} tokens got their best experts instead of the threshold")
        )
    return rows


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def build(
    data: Instance | SelectionProblem,
    method: str,
    decision: Decision | None = None,
    *,
    problem: str | None = None,
    bound_j: float | None = None,
    stats: Mapping[str, Any] | None = None,
    message: str = "",
    wall_s: float = 0.0,
) -> Result:
    """Make a result: evaluate and check the decision, derive gap and status.

    `problem` is by default P1 for a selection problem and P2 for a round. A decision that breaks a
    rule is not an answer: it is dropped, and its first violation becomes the message. A bound above
    the objective of a feasible decision is wrong: it is dropped, and the message says so.
    `wall_s` is the time that a method took elsewhere; `solve` measures it itself.
    """
    if decision is not None:
        decision = _with_subcarriers(data, decision)
        if decision.violations:
            message = f"the answer of {method} was refused: {decision.violations[0]}"
            decision = None
    if bound_j is not None:
        bound_j = max(bound_j, 0.0)  # rounding may take it below 0
    objective_j = gap = None
    if decision is not None:
        objective_j = decision.energy_j
        bound_j, complaint = _credible(bound_j, objective_j, method)
        message = complaint or message
        gap = relative_gap(objective_j, bound_j)
    return Result(
        problem=problem or problem_of(data),
        method=method,
        status=derive_status(objective_j, gap),
        objective_j=objective_j,
        bound_j=bound_j,
        gap=gap,
        decision=decision,
        data=data,
        wall_s=wall_s,
        stats=dict(stats or {}),
        message=message,
    )


def _with_subcarriers(data: Instance | SelectionProblem, decision: Decision) -> Decision:
    """In a round, a decision without allocation uses no subcarrier; others stay as they are."""
    if not isinstance(data, Instance) or decision.allocation is not None:
        return decision
    return Decision(data, decision.selection, np.zeros(data.link_energy.shape, dtype=bool))


def _credible(
    bound_j: float | None, objective_j: float, method: str
) -> tuple[float | None, str | None]:
    """The bound as far as the energy of a feasible decision allows it, and a complaint if not."""
    if bound_j is None or bound_j <= objective_j:
        return bound_j, None
    if bound_j - objective_j <= BOUND_NOISE * objective_j:
        return objective_j, None
    return None, f"{method} gave the bound {bound_j:.9g} J above the objective; it was dropped"


def infeasible(
    data: Instance | SelectionProblem,
    method: str,
    reason: str,
    *,
    problem: str | None = None,
    given: Selection | None = None,
) -> Result:
    """The result of an instance that is proven to have no answer; `problem` as in `build`.

    `given` are the experts (T, K) whose links cannot be served.
    """
    return Result(
        problem=problem or problem_of(data),
        method=method,
        status=Status.INFEASIBLE,
        objective_j=None,
        bound_j=None,
        gap=None,
        decision=None,
        data=data,
        message=reason,
        given=given,
    )


def relative_gap(objective_j: float, bound_j: float | None) -> float | None:
    """(objective - bound) / objective, 0 if both are 0; None without a bound."""
    if bound_j is None:
        return None
    bound_j = max(bound_j, 0.0)  # no energy is negative
    return 0.0 if objective_j <= bound_j else (objective_j - bound_j) / objective_j


def derive_status(objective_j: float | None, gap: float | None) -> Status:
    """Status from what is known; a method cannot claim more than its bound says."""
    if objective_j is None:
        return Status.NO_SOLUTION
    return Status.OPTIMAL if gap is not None and gap <= OPTIMAL_GAP else Status.FEASIBLE
