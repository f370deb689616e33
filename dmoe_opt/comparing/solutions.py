"""Answers made elsewhere, as rows of a comparison: results, solutions and their files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from dmoe_opt.allocation.links import chosen_experts
from dmoe_opt.answer.check import decision_of
from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.result import Result, Status, build, infeasible
from dmoe_opt.checking import check
from dmoe_opt.comparing.judged import FALSE_CLAIM, REFUSED, Entry
from dmoe_opt.data import files, formats
from dmoe_opt.data.instance import Instance, as_problem
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.errors import InputError

Given = Result | formats.Solution | str | os.PathLike[str]


class Claim(NamedTuple):
    """A solution, the place it comes from for messages, and the name of its file, if any."""

    solution: formats.Solution
    place: str
    stem: str = ""


def claims_of(given: Iterable[Given] | Given) -> list[Claim]:
    """Solutions as they are, or from files; a folder stands for the solutions in it.

    Raises
    ------
    InputError
        If a file is no solution, or a folder holds none.
    """
    if isinstance(given, Result | formats.Solution | str | os.PathLike):
        given = [given]
    claims = []
    for item in given:
        if isinstance(item, Result):
            claims.append(Claim(item.solution(), "solution"))
        elif isinstance(item, formats.Solution):
            claims.append(Claim(item, "solution"))
        else:
            claims += [Claim(files.load_solution(p), str(p), p.stem) for p in _paths(Path(item))]
    return claims


def _paths(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    inside = [file for file in sorted(path.glob("*.json")) if files.is_solution(file)]
    if not inside:
        raise InputError(f"{path}: holds no solution; allowed: a folder with solution files")
    return inside


def require_owners(
    claims: Iterable[Claim], problem: str, everything: Iterable[Instance | SelectionProblem]
) -> None:
    """Raise `InputError` for a solution of another problem, or of no instance that is compared."""
    digests = {data.sha256 for data in everything}
    for claim in claims:
        if claim.solution.problem != problem:
            raise InputError(
                f'{claim.place}: problem = "{claim.solution.problem}"; allowed: "{problem}", '
                "the problem that is compared"
            )
        if claim.solution.instance_sha256 not in digests:
            name = claim.solution.instance or "unnamed"
            raise InputError(
                f"{claim.place}: is of another instance ({name}); "
                "allowed: solutions of the instances that are compared"
            )


def entries_of(
    data: Instance | SelectionProblem, claims: Iterable[Claim], taken: Iterable[str]
) -> list[Entry]:
    """The solutions of an instance, checked.

    Each has the name of its method; where that is taken, that of its file or a number as well.
    """
    names = set(taken)
    entries = []
    for claim in claims:
        if claim.solution.instance_sha256 == data.sha256:
            name = _name(claim, names)
            names.add(name)
            entries.append(_entry(data, claim.solution, name))
    return entries


def _name(claim: Claim, taken: set[str]) -> str:
    name = claim.solution.method or "unnamed"
    if name not in taken:
        return name
    if claim.stem and f"{name} ({claim.stem})" not in taken:
        return f"{name} ({claim.stem})"
    number = 2
    while f"{name} ({number})" in taken:
        number += 1
    return f"{name} ({number})"


def _entry(data: Instance | SelectionProblem, claim: formats.Solution, name: str) -> Entry:
    """A solution as an entry: energy and gap are recomputed, false claims are told."""
    complaints = check(data, claim)
    verdict, reason = (FALSE_CLAIM, complaints[0]) if complaints else ("", "")
    subject = as_problem(data) if claim.problem == "selection" else data
    if claim.selection is None:
        return Entry(name, _without(subject, claim, name), verdict, reason)
    decision, _ = decision_of(data, claim)
    if decision is not None and claim.problem == "allocation" and _others(decision):
        return Entry(name, None, REFUSED, "it serves other experts than this comparison")
    result = build(
        subject,
        name,
        decision,
        problem=claim.problem,
        bound_j=claim.bound_j,
        stats=claim.stats,
        message=claim.message,
        wall_s=claim.wall_s,
    )
    return Entry(name, result, verdict, reason)


def _others(decision: Decision) -> bool:
    """Whether an allocation is for other experts than those whose links are compared."""
    experts = chosen_experts(decision.instance, None)
    return bool((decision.selection != experts).any())


def _without(data: Instance | SelectionProblem, claim: formats.Solution, name: str) -> Result:
    """The result of a solution without an answer."""
    if claim.status == Status.INFEASIBLE:
        return infeasible(data, name, claim.message, problem=claim.problem)
    return build(
        data,
        name,
        problem=claim.problem,
        bound_j=claim.bound_j,
        message=claim.message,
        wall_s=claim.wall_s,
    )
