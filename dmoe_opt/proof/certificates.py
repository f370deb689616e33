"""Certificates of bounds: written here, and believed only where `check_proof` accepts them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.result import Result
from dmoe_opt.data import files
from dmoe_opt.data.files import as_json
from dmoe_opt.data.instance import Instance, as_problem, require_plain
from dmoe_opt.data.problem import SCORE_UNIT, SelectionProblem, score_units
from dmoe_opt.errors import InputError
from dmoe_opt.joint.exact import dual
from dmoe_opt.joint.lagrangian import as_descent, ascend
from dmoe_opt.proof import check_proof
from dmoe_opt.proof.trees import Token, prove_token, root_bound
from dmoe_opt.selection import des

FORMAT, VERSION = "dmoe-opt/certificate", 1
DOWN = 1 - 2e-12  # trees prove a little less than the optimum, so that exact arithmetic agrees


@dataclass(frozen=True)
class Certificate:
    """A proof that the exact checker has accepted.

    `bound_j` is what it proves, rounded down.
    `open_tokens` are those whose tree would have grown too large, of which it proves less than was
    claimed. `fields` is the document.
    """

    bound_j: float
    open_tokens: tuple[int, ...]
    fields: dict[str, Any]

    def json(self) -> bytes:
        """The certificate as a JSON file."""
        return json.dumps(self.fields).encode() + b"\n"


def prove(data: Instance | SelectionProblem, result: Result) -> Certificate:
    """A certificate for the bound of a result, as far as trees and prices reach.

    Experts alone (`selection`) get a tree per token. A round (`jesa`) gets prices and rents of the
    Lagrangian bound too, and a tree per token at these prices.

    Raises
    ------
    InputError
        If the result is of the problem `allocation` or has no answer, or the round has optional
        rules.

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
    require_plain(data, "a certificate")
    if result.problem == "allocation" or result.decision is None:
        allowed = "an answer to selection or jesa"
        raise InputError(f"a proof of {result.problem} ({result.status}); allowed: {allowed}")
    problem = as_problem(data)
    if result.problem == "selection":
        fields, open_tokens = _trees(problem, problem.cost)
    else:
        assert isinstance(data, Instance)
        end = ascend(data, as_descent(result), 0.0)  # the known bound would end it at once
        cost = data.compute_energy + np.where(data.away, end.prices, 0.0)
        fields, open_tokens = _trees(problem, cost)
        fields |= {"prices": _listed(end.prices), "rents": dual(data, end.prices).rent.tolist()}
    fields |= {"format": FORMAT, "version": VERSION, "problem": result.problem}
    fields["instance_sha256"] = data.sha256
    instance = json.loads(as_json(data))
    # The exact checker itself says what is proven, and would raise `Refused`.
    fields["bound_j"] = _down(check_proof.proven_bound(instance, fields))
    return Certificate(fields["bound_j"], open_tokens, fields)


def read(path: str) -> Any:
    """A certificate from its file, as plain data; `refusal` judges it."""
    try:
        return json.loads(files.read(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"is no certificate: {str(error)[:80]}") from None


def refusal(
    data: Instance | SelectionProblem, problem: str, bound_j: float | None, fields: Any
) -> str:
    """Why a certificate does not prove a bound of an instance; empty if it does."""
    if bound_j is None:
        return "there is no bound"
    if not isinstance(fields, dict) or fields.get("problem") != problem:
        return f"it is of another problem than {problem}"
    return check_proof.verdict(json.loads(as_json(data)), bound_j, fields)


def _listed(prices: NDArray[np.float64]) -> list[list[float]]:
    return [[float(price) for price in row] for row in prices]


def _down(bound: Fraction) -> float:
    """The largest float that is not above."""
    value = float(bound)
    return value if Fraction(value) <= bound else float(np.nextafter(value, 0.0))


def _trees(
    problem: SelectionProblem, cost: NDArray[np.float64]
) -> tuple[dict[str, Any], tuple[int, ...]]:
    """A line per token, and the tokens of which less is proven than DES knows."""
    _, bounds = des.choose(problem, cost, problem.usable)
    units = score_units(problem.scores)
    lines, open_tokens = [], []
    for t, bound_j in enumerate(bounds.tolist()):
        price = np.where(problem.usable[t], cost[t], np.inf)
        token = Token(price, units[t], float(problem.need_units[t]), problem.max_experts)
        z = bound_j * DOWN
        tree = prove_token(token, z)
        if tree is None:
            open_tokens.append(t)
            z, tree = root_bound(token)
            z *= DOWN
        lines.append({"z": z, "tree": _priced(tree)})
    return {"tokens": lines}, tuple(open_tokens)


def _priced(tree: Any) -> Any:
    """The tree with prices in J per unit of relevance, in place of J per score unit."""
    if not isinstance(tree, list):
        return tree * SCORE_UNIT
    if tree[0] == "sizes":
        return ["sizes", [_priced(child) for child in tree[1]]]
    return [tree[0], _priced(tree[1]), _priced(tree[2])]
