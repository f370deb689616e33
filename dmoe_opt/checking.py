"""Check an answer: recompute it, then try to refute what cannot be recomputed.

`answer.check` recomputes rules, energy, gap, status and shortfall, and knows no method. Bounds and
the infeasibility of a round are claims of a method. Here fast methods look for an answer that
proves such a claim false, for a second at most.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from dmoe_opt.answer.check import check as recompute
from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.result import Result, Status
from dmoe_opt.answer.tolerances import BOUND_NOISE
from dmoe_opt.data import formats
from dmoe_opt.data.instance import Instance, as_problem
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.method_table import METHODS

PATIENCE_S = 1.0


def check(
    data: Instance | SelectionProblem,
    answer: Result | formats.Solution,
    *,
    patience_s: float = PATIENCE_S,
) -> list[str]:
    """Check an answer; returns broken rules and false claims in words.

    The list is empty if all holds. Rules, energy, gap, status and shortfall are recomputed from the
    instance. A bound, and the infeasibility of a round, are challenged: fast methods look for an
    answer that refutes them, for `patience_s` seconds at most; 0 takes the word of the method.

    Raises
    ------
    InputError
        If the arguments are no instance and no answer, or the problem does not fit the instance.

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
    complaints = recompute(data, answer)
    if complaints:
        return complaints
    claim = answer.solution() if isinstance(answer, Result) else answer
    homes = [problem for problem, rows in METHODS.items() if claim.method in rows]
    if homes and claim.problem not in homes:  # any other name may be a method of the user
        return [f'method "{claim.method}" is one of {" and ".join(homes)}, not of {claim.problem}']
    return _challenge(data, claim, patience_s) if patience_s > 0 else []


def told(claim: formats.Solution) -> str:
    """The claims that a check cannot recompute, in words; empty if there are none."""
    if claim.status == Status.INFEASIBLE and claim.problem != "selection":
        unnamed = "that the experts, which the solution does not name, cannot all have subcarriers"
        return "that the round is infeasible" if can_be_tried(claim) else unnamed
    return "" if claim.bound_j is None else f"the bound {claim.bound_j:.9g} J"


def can_be_tried(claim: formats.Solution) -> bool:
    """Whether a claim names its experts, as far as they are not what is looked for."""
    return claim.problem != "allocation" or claim.selection is not None


def _challenge(
    data: Instance | SelectionProblem, claim: formats.Solution, patience_s: float
) -> list[str]:
    """Look for an answer that refutes a bound or infeasibility."""
    if not told(claim) or not can_be_tried(claim):
        return []
    if data.infeasibility() is not None:
        return []  # recomputed: some token is out of reach
    refuted_j = float("inf") if claim.bound_j is None else claim.bound_j * (1 - BOUND_NOISE)
    for known in _answers(data, claim, time.monotonic() + patience_s):
        if known is None or known.energy_j >= refuted_j:
            continue
        if claim.status == Status.INFEASIBLE:
            return [f"claimed infeasible, yet an answer of {known.energy_j:.9g} J is known"]
        return [
            f"the bound {claim.bound_j:.9g} J is above the {known.energy_j:.9g} J of a known answer"
        ]
    return []


def _answers(
    data: Instance | SelectionProblem, claim: formats.Solution, deadline: float
) -> Iterator[Decision | None]:
    """Answers of fast methods to the problem of a claim, one after the other."""
    from dmoe_opt import method_calls
    from dmoe_opt.answer.check import selection_of
    from dmoe_opt.joint.bcd import solve_bcd
    from dmoe_opt.joint.lagrangian import solve_lagrangian
    from dmoe_opt.selection.des import solve_des

    def left_s() -> float:
        return max(deadline - time.monotonic(), 1e-3)

    if claim.problem == "selection":
        yield solve_des(as_problem(data), time_limit=left_s()).decision
        return
    assert isinstance(data, Instance)  # the recomputation has seen to it
    if claim.problem == "allocation":
        selection = None if claim.selection is None else selection_of(data, claim)
        given = {"selection": selection, "time_limit": left_s()}
        yield method_calls.assignment(data, **given).decision
    else:
        yield solve_bcd(data, time_limit=left_s()).decision
        if time.monotonic() < deadline:
            yield solve_lagrangian(data, time_limit=left_s()).decision
