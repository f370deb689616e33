"""Certificates of bounds: written here, and believed only where `check_proof` accepts them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from dmoe_opt.allocation.assignment import allocate
from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.result import Result, Status
from dmoe_opt.data.files import as_json
from dmoe_opt.data.formats import Solution
from dmoe_opt.data.instance import Instance, as_problem, require_plain
from dmoe_opt.data.problem import SCORE_UNIT, SelectionProblem, score_units
from dmoe_opt.errors import InputError
from dmoe_opt.joint.descent import Descent
from dmoe_opt.joint.exact import dual
from dmoe_opt.joint.lagrangian import ascend
from dmoe_opt.joint.prices import rents_of
from dmoe_opt.proof import check_proof, files
from dmoe_opt.proof.refuting import refutation
from dmoe_opt.proof.trees import Token, prove_token, root_bound
from dmoe_opt.selection import des

DOWN = 1 - 2e-12  # trees prove a little less than the optimum, so that exact arithmetic agrees
NEAR = 1e-8  # relative, of a bound that DES takes for the optimum


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
    (`allocation`) get the dual prices of the assignment. A round without an answer gets the token
    that no experts serve, or trees for the number of links that its nodes need.

    Raises
    ------
    InputError
        If the result has neither an answer nor a proof that there is none, or that proof is not by
        counting, or the round has optional rules.

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
    if isinstance(data, Instance):
        require_plain(data, "a certificate")
    open_tokens: tuple[int, ...] = ()
    if result.status == Status.INFEASIBLE:
        fields = refutation(data, result.problem)
    elif result.decision is None:
        asked = f"a proof of {result.problem} ({result.status})"
        raise InputError(f"{asked}; allowed: an answer, or a proof that there is none")
    else:
        fields, open_tokens = _bound(data, result.problem, result.decision)
    fields |= {"format": files.FORMAT, "version": files.VERSION, "problem": result.problem}
    fields["instance_sha256"] = data.sha256
    # The exact checker itself says what is proven, and would raise `Refused`.
    bound = check_proof.proven_bound(json.loads(as_json(data)), fields, result.solution().selection)
    fields["bound_j"] = _down(bound) if isinstance(bound, Fraction) else None
    return Certificate(fields["bound_j"], open_tokens, fields)


def _bound(
    data: Instance | SelectionProblem, problem: str, decision: Decision
) -> tuple[dict[str, Any], tuple[int, ...]]:
    """The fields that prove a bound, and the tokens of which less is proven than is known."""
    if problem == "selection":
        return _trees(as_problem(data), as_problem(data).cost)
    assert isinstance(data, Instance)
    if problem == "allocation":
        return {"rents": _assignment_rents(data, decision.loads).tolist()}, ()
    start = Descent(decision, [decision.energy_j])
    end = ascend(data, start, 0.0)  # the known bound would end it at once
    cost = data.compute_energy + np.where(data.away, end.prices, 0.0)
    fields, open_tokens = _trees(as_problem(data), cost)
    fields |= {"prices": end.prices.tolist(), "rents": dual(data, end.prices).rent.tolist()}
    return fields, open_tokens


def _assignment_rents(instance: Instance, load: NDArray[np.int64]) -> NDArray[np.float64]:
    """Dual prices (M,) of the subcarriers where links have to carry a load, J."""
    allocation = allocate(instance, load)
    assert allocation is not None  # there is an answer
    energy = np.full(instance.link_energy.shape, np.inf)
    active = load > 0
    energy[active] = load[active][:, None] * instance.link_energy[active]
    return rents_of(-energy, allocation)


def refusal(data: Instance | SelectionProblem, claim: Solution, fields: Any) -> str:
    """Why a certificate does not prove what a solution claims; empty if it does."""
    return check_proof.verdict(json.loads(as_json(data)), msgspec.to_builtins(claim), fields)


def _down(bound: Fraction) -> float:
    """The largest float that is not above."""
    value = float(bound)
    return value if Fraction(value) <= bound else float(np.nextafter(value, 0.0))


def _trees(
    problem: SelectionProblem, cost: NDArray[np.float64]
) -> tuple[dict[str, Any], tuple[int, ...]]:
    """A line per token, and the tokens of which less is proven than DES knows."""
    chosen, bounds = des.choose(problem, cost, problem.usable, node_cost=problem.node_cost)
    units = score_units(problem.scores)
    lines, open_tokens = [], []
    for t, bound_j in enumerate(bounds.tolist()):
        price = np.where(problem.usable[t], cost[t], np.inf)
        step = max(np.gcd.reduce(units[t].astype(np.int64)), 1)  # as sums of scores go
        need = float(np.ceil(problem.need_units[t] / step) * step)
        entry = None if problem.node_cost is None else problem.node_cost[t]
        token = Token(price, units[t], need, problem.max_experts, problem.placement, entry)
        paid, _, _ = token.prices_at(np.flatnonzero(chosen[t]), np.zeros(0, dtype=np.int64), 1)
        # DES stops at a bound that is a little below its answer, where the answer itself is proven.
        close = paid * (1 - NEAR) <= bound_j < paid
        z = (paid if close else bound_j) * DOWN
        tree = prove_token(token, z)
        if tree is None and close:
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
