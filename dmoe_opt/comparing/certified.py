"""Certified bounds beside the claimed ones: one certificate for an instance and all its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dmoe_opt.answer.result import Result, Status
from dmoe_opt.comparing.judged import FALSE_CLAIM, WRONG_BOUND, Entry, MethodRow
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.errors import InputError
from dmoe_opt.proof.certificates import prove

CERTIFIED = "certified in exact arithmetic"


def certified(
    data: Instance | SelectionProblem, entries: Sequence[Entry], rows: Sequence[MethodRow]
) -> list[MethodRow]:
    """The rows with the bound that the exact checker has accepted now.

    No method is asked again: the best answer, or a proof that there is none, is what is proven.
    Where there is no certificate, the row of that answer says why.
    """
    place = _to_prove(entries, rows)
    if place is None:
        return list(rows)
    result = entries[place].result
    assert isinstance(result, Result)
    try:
        bound_j = prove(data, result).bound_j
    except InputError as error:
        message = f"not certified: {error}"
        return [replace(row, message=message) if k == place else row for k, row in enumerate(rows)]
    if bound_j is not None:
        return [replace(row, certified_j=bound_j) for row in rows]
    return [
        replace(row, message=f"{row.message}; {CERTIFIED}")
        if row.status == Status.INFEASIBLE
        else row
        for row in rows
    ]


def _to_prove(entries: Sequence[Entry], rows: Sequence[MethodRow]) -> int | None:
    """The place of the least energy, or else of a proof that there is no answer."""
    refutations = [k for k, row in enumerate(rows) if row.status == Status.INFEASIBLE]
    energies = [
        (row.energy_j, k)
        for k, (row, entry) in enumerate(zip(rows, entries, strict=True))
        if row.energy_j is not None and row.status not in (WRONG_BOUND, FALSE_CLAIM)
    ]
    if energies:
        return min(energies)[1]
    return refutations[0] if refutations else None
