"""Certificates of bounds: written here, and believed only where `check_proof` accepts them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import msgspec
import numpy as np

from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.result import Result, Status
from dmoe_opt.data.files import as_json
from dmoe_opt.data.formats import Solution
from dmoe_opt.data.instance import Instance, as_problem
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError
from dmoe_opt.joint.passages import Costs
from dmoe_opt.proof import check_proof, files
from dmoe_opt.proof.bounding import given, priced, trees
from dmoe_opt.proof.refuting import refutation, unproven


@dataclass(frozen=True)
class Certificate:
    """A proof that the exact checker has accepted.

    `bound_j` is what it proves, rounded down; None where it proves that there is no answer.
    `open_tokens` are those whose tree would have grown too large, of which it proves less than was
    claimed. `fields` is the document.
    """

    bound_j: float | None
    open_tokens: tuple[int, ...]
    fields: dict[str, Any]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it: an archive if the name ends in .npz, and JSON otherwise."""
        files.save(self.fields, path)


def prove(data: Instance | SelectionProblem, result: Result) -> Certificate:
    """A certificate for the bound of a result, as far as trees and prices reach.

    Experts alone (`selection`) get a tree per token. A round (`jesa`) gets prices and rents of the
    Lagrangian bound too, and a tree per token at these prices. Subcarriers for given experts
    (`allocation`) get the dual prices of the assignment. Where there is no answer, prices and trees
    show that of a round whose energies are all 0.

    Raises
    ------
    InputError
        If the result is none, or has neither an answer nor a proof that there is none, or if no
        certificate of that was found.

    Examples
    --------
    >>> import dmoe_opt
    >>> from dmoe_opt.proof.certificates import prove
    >>> problem = dmoe_opt.load("tiny-s1").selection_problem()
    >>> result = dmoe_opt.solve(problem)
    >>> certificate = prove(problem, result)
    >>> certificate.bound_j > result.bound_j * (1 - 1e-9), certificate.open_tokens
    (True, ())
    """
    fields, open_tokens = draft(data, result)
    # The exact checker itself says what is proven, and would raise `Refused`.
    bound = check_proof.proven_bound(json.loads(as_json(data)), fields, result.solution().selection)
    if "refuted" in fields and isinstance(bound, Fraction):
        raise unproven(result.problem)
    fields["bound_j"] = _down(bound) if isinstance(bound, Fraction) else None
    return Certificate(fields["bound_j"], open_tokens, fields)


def draft(
    data: Instance | SelectionProblem, result: Result
) -> tuple[dict[str, Any], tuple[int, ...]]:
    """The fields of a certificate that nobody has checked yet, and its open tokens.

    Raises
    ------
    InputError
        As `prove`.
    """
    if not isinstance(result, Result):
        raise fail("result", result, "a Result")
    open_tokens: tuple[int, ...] = ()
    if result.status == Status.INFEASIBLE:
        fields = refutation(data, result.problem, result.given)
    elif result.decision is None:
        asked = f"a proof of {result.problem} ({result.status})"
        raise InputError(f"{asked}; allowed: an answer, or a proof that there is none")
    else:
        fields, open_tokens = _bound(data, result, result.decision)
    fields |= {"format": files.FORMAT, "version": files.VERSION, "problem": result.problem}
    fields["instance_sha256"] = data.sha256
    return fields, open_tokens


def _bound(
    data: Instance | SelectionProblem, result: Result, decision: Decision
) -> tuple[dict[str, Any], tuple[int, ...]]:
    """The fields that prove a bound, and the tokens of which less is proven than is known."""
    if isinstance(data, Instance) and result.problem == "allocation":
        return given(data, decision)
    if isinstance(data, Instance) and result.problem == "jesa":
        return priced(data, decision, result.prices)
    part = as_problem(data)
    return trees(part, Costs(part.cost, part.node_cost), part.usable)


def refusal(data: Instance | SelectionProblem, claim: Solution, fields: Any) -> str:
    """Why a certificate does not prove what a solution claims; empty if it does."""
    return check_proof.verdict(json.loads(as_json(data)), msgspec.to_builtins(claim), fields)


def _down(bound: Fraction) -> float:
    """The largest float that is not above."""
    value = float(bound)
    return value if Fraction(value) <= bound else float(np.nextafter(value, 0.0))
