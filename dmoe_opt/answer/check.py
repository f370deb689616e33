"""The independent checker: it recomputes an answer from its instance, and knows no method."""

from __future__ import annotations

import numpy as np
from msgspec import UNSET, structs

from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.limits import told
from dmoe_opt.answer.objective import Allocation, Selection, token_energy_j
from dmoe_opt.answer.result import Result, Status, derive_status, relative_gap
from dmoe_opt.answer.tolerances import BOUND_NOISE, OPTIMAL_GAP
from dmoe_opt.data import formats
from dmoe_opt.data.instance import Instance, as_problem
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError

PROBLEMS = ("selection", "allocation", "jesa")
COUNTERS = ("nodes", "iterations", "sets", "links", "links_needed")


def check(data: Instance | SelectionProblem, answer: Result | formats.Solution) -> list[str]:
    """Recompute an answer from its instance; returns broken rules and false claims in words.

    The list is empty if all holds. Rules, energy, gap, status and shortfall are recomputed, and
    whether tokens can be served. A bound and the infeasibility of a round cannot be recomputed:
    `checking.check` challenges them.

    Errors are those of `checking.check`.
    """
    if not isinstance(data, Instance | SelectionProblem):
        raise fail("instance", data, "an Instance or a SelectionProblem")
    if not isinstance(answer, Result | formats.Solution):
        raise fail("answer", answer, "a Result or the Solution of a file")
    claim = answer.solution() if isinstance(answer, Result) else answer
    _require_problem(data, claim.problem)
    if claim.instance_sha256 != data.sha256:
        return [f"the solution belongs to another instance ({claim.instance or 'unnamed'})"]
    impossible = _impossible(claim)
    given = claim.problem == "allocation" and claim.status == Status.INFEASIBLE
    if claim.selection is None or given:  # experts that links cannot serve are no answer
        return impossible + _check_absence(claim, data.infeasibility())
    decision, broken = decision_of(data, claim)
    if decision is None:
        return broken
    if decision.violations:
        return decision.violations
    false = impossible + _idle(decision) + _check_claims(claim, decision)
    return false or _contradictory(claim, decision) or _check_rankings(data, claim)


def _impossible(claim: formats.Solution) -> list[str]:
    """Claims that no answer to any instance can have."""
    wrong = []
    if claim.status == Status.INFEASIBLE and claim.bound_j is not None:
        wrong.append("the instance is claimed infeasible, yet a bound is given")
    if not 0 <= claim.wall_s < np.inf:
        kind = "negative" if claim.wall_s < 0 else "no time"
        wrong.append(f"the time {claim.wall_s:.6g} s is {kind}")
    for name in COUNTERS:
        value = claim.stats.get(name, 0)
        if not _is_number(value) or value < 0 or value % 1:
            wrong.append(f"stats.{name} = {value!r} counts nothing; it is no whole number >= 0")
    kept = claim.stats.get("kept", 1.0)
    if not _is_number(kept) or not 0 <= kept <= 1:
        wrong.append(f"stats.kept = {kept!r} is no share in [0, 1]")
    return wrong + _impossible_bound(claim)


def _impossible_bound(claim: formats.Solution) -> list[str]:
    """What is wrong with a bound whatever the instance."""
    if claim.bound_j is None:
        return []
    if not claim.bound_j >= 0:
        kind = "negative; no energy is" if claim.bound_j < 0 else "no number"
        return [f"the bound {claim.bound_j:.9g} J is {kind}"]
    of_tokens = claim.stats.get("token_bound_j")
    if not isinstance(of_tokens, list):
        return []
    for t, value in enumerate(of_tokens):
        if not _is_number(value):
            return [f"stats.token_bound_j[{t}] = {value!r} is no finite number"]
    total = sum(of_tokens)
    if _close(claim.bound_j, max(total, 0.0), 1e-6, 0.0):
        return []
    return [f"the bound is {claim.bound_j:.9g} J, those of the tokens sum to {total:.9g}"]


def _is_number(value: object) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and bool(abs(value) < np.inf)
    )


def _contradictory(claim: formats.Solution, decision: Decision) -> list[str]:
    """Counters and bounds of tokens that the decision itself contradicts."""
    if claim.problem == "allocation" and "links" in claim.stats:
        links = int((decision.loads > 0).sum())
        if claim.stats["links"] != links:
            return [f"{links} links carry tokens, stats.links is {claim.stats['links']}"]
    of_tokens = claim.stats.get("token_bound_j")
    if claim.problem != "selection" or claim.bound_j is None or not isinstance(of_tokens, list):
        return []
    energies = token_energy_j(decision.problem, decision.selection).tolist()
    if len(of_tokens) != len(energies):
        return [
            f"stats.token_bound_j has {len(of_tokens)} entries, there are {len(energies)} tokens"
        ]
    noise_j = OPTIMAL_GAP * decision.energy_j  # a solver's tolerance at one of the tokens
    for t, (bound_j, energy_j) in enumerate(zip(of_tokens, energies, strict=True)):
        if bound_j > energy_j + noise_j:
            return [f"token {t}: the bound {bound_j:.9g} J is above its energy {energy_j:.9g} J"]
    return []


def _idle(decision: Decision) -> list[str]:
    """Links that have a subcarrier and carry no token."""
    if decision.allocation is None:
        return []
    idle = np.argwhere(decision.allocation.any(axis=2) & (decision.loads == 0))
    return told(
        "idle links",
        idle,
        lambda link: f"link {link[0]} -> {link[1]} has a subcarrier and carries no token",
    )


def _require_problem(data: Instance | SelectionProblem, problem: str) -> None:
    if problem not in PROBLEMS:
        allowed = '"selection", "allocation" or "jesa"'
        raise InputError(f'problem = "{problem}"; allowed: {allowed}')
    if problem != "selection" and isinstance(data, SelectionProblem):
        raise InputError(f'problem = "{problem}"; allowed for a selection problem: "selection"')


def decision_of(
    data: Instance | SelectionProblem, claim: formats.Solution
) -> tuple[Decision | None, list[str]]:
    """The decision that a claim lists; or None, and why the lists are no decision.

    The claim has a selection, and its problem fits the instance.
    """
    problem = as_problem(data)
    selection, broken = _selection_of(problem, claim.selection or [])
    if claim.problem == "selection":
        if claim.allocation is not None:
            broken = [*broken, "experts were to be chosen, yet an allocation is given"]
        return (None if broken else Decision(problem, selection)), broken
    assert isinstance(data, Instance)  # `_require_problem` has seen to it
    allocation, wrong = _allocation_of(data, claim.allocation or [])
    broken = broken + wrong
    return (None if broken else Decision(data, selection, allocation)), broken


def _allocation_of(instance: Instance, listed: list[list[int]]) -> tuple[Allocation, list[str]]:
    allocation = np.zeros(instance.link_energy.shape, dtype=bool)
    for n, entry in enumerate(listed):
        if len(entry) != 3 or not all(0 <= entry[k] < allocation.shape[k] for k in range(3)):
            complaint = f"allocation[{n}] = {entry} is no link and subcarrier of the instance"
            return allocation, [complaint]
        if allocation[tuple(entry)]:
            return allocation, [f"allocation[{n}] = {entry} is listed twice"]
        allocation[tuple(entry)] = True
    return allocation, []


def _check_absence(claim: formats.Solution, reason: str | None) -> list[str]:
    """What contradicts a claim that has no selection."""
    wrong = []
    if claim.objective_j is not None or claim.gap is not None:
        wrong.append("there is no selection, yet an objective or a gap is claimed")
    if claim.status in (Status.OPTIMAL, Status.FEASIBLE):
        wrong.append(f'status "{claim.status}" is claimed without a selection')
    if claim.status == Status.INFEASIBLE and reason is None and claim.problem == "selection":
        wrong.append("the instance is claimed infeasible, but every token can be served")
    if claim.allocation is not None:
        wrong.append("there is no selection, yet an allocation is given")
    if claim.status not in list(Status):
        wrong.append(f'status "{claim.status}" is none of {", ".join(Status)}')
    return wrong


def selection_of(data: Instance | SelectionProblem, solution: formats.Solution) -> Selection:
    """The selection of a solution as a bool array (T, K).

    Raises
    ------
    InputError
        If the solution belongs to another instance or holds no selection of this one.
    """
    if solution.instance_sha256 != data.sha256:
        allowed = f"a solution of this instance ({data.name or 'unnamed'})"
        raise fail("instance_sha256", solution.instance_sha256, allowed)
    if solution.selection is None:
        raise fail("selection", None, "a solution that has one")
    selection, broken = _selection_of(as_problem(data), solution.selection)
    if broken:
        raise InputError(f"selection: {broken[0]}; allowed: experts of the instance")
    return selection


def _selection_of(
    problem: SelectionProblem, listed: list[list[int]]
) -> tuple[Selection, list[str]]:
    selection = np.zeros((problem.num_tokens, problem.num_experts), dtype=bool)
    if len(listed) != problem.num_tokens:
        have = f"the selection has {len(listed)} tokens"
        return selection, [f"{have}, the instance {problem.num_tokens}"]
    for t, experts in enumerate(listed):
        for j in experts:
            if not 0 <= j < problem.num_experts:
                return selection, [f"token {t}: there is no expert {j}"]
            if selection[t, j]:
                return selection, [f"token {t}: expert {j} is listed twice"]
            selection[t, j] = True
    return selection, []


def _check_claims(claim: formats.Solution, decision: Decision) -> list[str]:
    """Energy, bound, gap, status and shortfall that differ from what the decision says."""
    wrong = []
    objective_j = decision.energy_j
    if not _close(claim.objective_j, objective_j, BOUND_NOISE, 0.0):
        wrong.append(f"the objective is {objective_j:.12g} J, claimed is {claim.objective_j}")
    if claim.bound_j is not None and claim.bound_j > objective_j * (1 + BOUND_NOISE):
        above = f"is above the objective {objective_j:.12g} J"
        wrong.append(f"the claimed bound {claim.bound_j:.12g} J {above}")
    gap = relative_gap(objective_j, claim.bound_j)
    if not _close(claim.gap, gap, 1e-6, BOUND_NOISE):
        wrong.append(f"the gap is {gap}, claimed is {claim.gap}")
    status = derive_status(objective_j, gap)
    if claim.status != status:
        wrong.append(f'the status is "{status}", claimed is "{claim.status}"')
    lowered = decision.problem.lowered
    if tuple(claim.shortfall) != lowered:
        claimed = len(claim.shortfall)
        wrong.append(f"{len(lowered)} tokens fall short, {claimed} are claimed")
    return wrong


def _check_rankings(data: Instance | SelectionProblem, claim: formats.Solution) -> list[str]:
    """Further answers that break a rule, cost something else, come twice or are out of order."""
    wrong = []
    problem = as_problem(data)
    if claim.token_ranking is not UNSET:
        if len(claim.token_ranking) != problem.num_tokens:
            lists = f"token_ranking has {len(claim.token_ranking)} lists"
            return [f"{lists} for {problem.num_tokens} tokens"]
        for t, listed in enumerate(claim.token_ranking):
            alone = problem.rows(np.array([t]))
            entries = [(best.experts, best.energy_j) for best in listed]
            answers = [decision_of(alone, _as_claim(claim, [experts])) for experts, _ in entries]
            wrong += _check_list(f"token_ranking[{t}]", answers, [j for _, j in entries])
    if claim.round_ranking is not UNSET:
        answers = [
            decision_of(data, _as_claim(claim, best.selection, best.allocation))
            for best in claim.round_ranking
        ]
        energies = [best.energy_j for best in claim.round_ranking]
        wrong += _check_list("round_ranking", answers, energies)
    return told("rankings", np.array(wrong), str)


def _as_claim(
    claim: formats.Solution, selection: list[list[int]], allocation: list[list[int]] | None = None
) -> formats.Solution:
    """A claim of other experts and subcarriers; of a single token if it has no allocation."""
    problem = "selection" if allocation is None else claim.problem
    return structs.replace(claim, problem=problem, selection=selection, allocation=allocation)


def _check_list(
    name: str, answers: list[tuple[Decision | None, list[str]]], energies: list[float]
) -> list[str]:
    """What is wrong with a list of answers, best first."""
    seen: set[bytes] = set()
    for n, ((decision, broken), energy_j) in enumerate(zip(answers, energies, strict=True)):
        broken = broken or ([] if decision is None else decision.violations)
        if broken or decision is None:
            return [f"{name}[{n}]: {broken[0]}"]
        if not _close(energy_j, decision.energy_j, BOUND_NOISE, 0.0):
            return [f"{name}[{n}]: the energy is {decision.energy_j:.12g} J, not {energy_j:.12g} J"]
        if n and energy_j < energies[n - 1] * (1 - BOUND_NOISE):
            return [f"{name}[{n}] costs less than the entry before it"]
        key = decision.selection.tobytes()
        if key in seen:
            return [f"{name}[{n}] comes twice"]
        seen.add(key)
    return []


def _close(claimed: float | None, value: float | None, relative: float, absolute: float) -> bool:
    if claimed is None or value is None:
        return claimed is value
    return bool(np.isclose(claimed, value, rtol=relative, atol=absolute))
