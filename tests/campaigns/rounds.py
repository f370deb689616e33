"""Small rounds against brute force over selections and assignments.

Energies are floats added without rounding, right to 1e-12.
"""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

import dmoe_opt
from dmoe_opt import InputError, Instance, Radio, Result
from tests.campaigns.brute_force import TooLarge, Truth, truth, visited
from tests.campaigns.drawn_rounds import draw
from tests.campaigns.outcome import TOO_WIDE, Fault, Outcome, judged

NOISE = 1e-9
OPTIMUM = 1e-6
ALWAYS = ("bcd", "lagrangian", "exact", "activation", "relaxed", "topk", "topp", "homogeneous")
MODELLED = {"pyomo": 0.08, "cvxpy": 0.05}
EXACT = ("exact", "pyomo", "cvxpy")


def attack(seed: int) -> Outcome:
    """One round: draw it, solve it by all methods, judge the answers."""
    rng = np.random.default_rng(seed)
    outcome = Outcome()
    fields = draw(rng)
    methods = list(ALWAYS) + [name for name, share in MODELLED.items() if rng.random() < share]
    try:
        right = truth(fields)
    except TooLarge:
        outcome.counts["too large"] += 1
        return outcome
    outcome.counts["rounds"] += 1
    outcome.counts["infeasible"] += right.optimum is None
    outcome.counts["sent once"] += fields.get("send_once", False)
    for method in methods:
        outcome.counts[f"answers of {method}"] += 1
        complaints = complaints_about(fields, right, method)
        if complaints:
            smallest, complaints = _shrunk(fields, method, complaints)
            what = f"{method}: {'; '.join(complaints)}"
            outcome.faults.append(Fault(what, seed, written(smallest)))
    for what in _signs(fields):
        outcome.faults.append(Fault(what, seed, written(fields)))
    return outcome


def _shrunk(
    fields: dict[str, Any], method: str, complaints: list[str]
) -> tuple[dict[str, Any], list[str]]:
    """The round without the tokens that the fault does not need, and its complaints."""
    t = 0
    while t < len(fields["source"]):
        fewer = dict(fields)
        for name in ("source", "scores", "threshold"):
            fewer[name] = np.delete(fields[name], t, axis=0)
        still = complaints_about(fewer, truth(fewer), method)
        if still:
            fields, complaints = fewer, still
        else:
            t += 1
    return fields, complaints


def made(fields: dict[str, Any]) -> Instance:
    """The round of these fields."""
    fields = dict(fields)
    if "radio" in fields:
        fields["radio"] = Radio(**fields["radio"])
    return Instance(**fields)


def complaints_about(fields: dict[str, Any], right: Truth, method: str) -> list[str]:
    """What is wrong with the answer of a method."""
    try:
        instance = made(fields)
    except InputError as error:
        return [f"a valid round was refused: {error}"]
    return judged(instance, "jesa", method, lambda answer: judge(fields, answer, right))


def judge(fields: dict[str, Any], answer: Result, right: Truth) -> list[str]:
    """What is wrong with an answer, in words; empty if nothing is."""
    status = answer.status.value
    optimum = right.optimum
    if optimum is None:
        must_know = right.out_of_reach or answer.method in EXACT
        if status in ("optimal", "feasible") or (must_know and status != "infeasible"):
            return [f"infeasible, yet the status is {status}: {answer.message}"]
        return []
    if status == "infeasible":
        return [f"claimed infeasible, yet {optimum!r} J is possible"]
    complaints = []
    if answer.method == "exact" and status != "optimal":
        complaints.append(f"the status is {status} without a limit: {answer.message}")
    if answer.bound_j is not None and answer.bound_j > optimum * (1 + NOISE):
        complaints.append(f"the bound {answer.bound_j!r} is above the optimum {optimum!r}")
    if answer.selection is None:
        if answer.method in EXACT and not _left_to_exact(answer):
            complaints.append(f"no answer, yet {optimum!r} J is possible: {answer.message}")
        return complaints
    complaints += _broken(fields, answer, right)
    energy = answer.objective_j
    if status == "optimal" and energy * (1 - OPTIMUM) > optimum:
        complaints.append(f"optimal at {energy!r}, the optimum is {optimum!r}")
    if energy < optimum * (1 - NOISE):
        complaints.append(f"{energy!r} is below the optimum {optimum!r}")
    return complaints


def _left_to_exact(answer: Result) -> bool:
    """Whether a solver of integer programs was refused costs that it cannot tell apart."""
    return answer.method in MODELLED and TOO_WIDE in answer.message


def _broken(fields: dict[str, Any], answer: Result, right: Truth) -> list[str]:
    """Rules that an answer breaks, and its energy if it is another than it says."""
    complaints = _broken_by_tokens(fields, answer, right)
    loads = _loads(fields, answer)
    owners: dict[int, int] = {}
    for i, j, m in np.argwhere(answer.allocation).tolist():
        owners[m] = owners.get(m, 0) + 1
        if (i, j) not in loads:
            complaints.append(f"link {i} -> {j} has a subcarrier and carries no token")
    if any(count > 1 for count in owners.values()):
        complaints.append("a subcarrier serves two links")
    spent = answer.selection.sum(axis=0) * fields["compute_energy"]
    sent = [
        count * _harmonic_mean(right.link[i, j, answer.allocation[i, j]].tolist())
        for (i, j), count in loads.items()
    ]
    total = math.fsum([*spent.tolist(), *sent])
    if math.isinf(total):
        complaints.append("a link carries tokens without a subcarrier that works")
    elif abs(total - answer.objective_j) > NOISE * total:
        complaints.append(f"the energy is {answer.objective_j!r}, yet it costs {total!r}")
    return complaints


def _broken_by_tokens(fields: dict[str, Any], answer: Result, right: Truth) -> list[str]:
    complaints = []
    for t, row in enumerate(answer.selection):
        if row.sum() > fields["max_experts"]:
            complaints.append(f"token {t} uses more than D experts")
        if int(right.units[t, row].sum()) < right.need[t]:
            complaints.append(f"token {t} stays below its threshold")
    return complaints


def _loads(fields: dict[str, Any], answer: Result) -> dict[tuple[int, int], int]:
    """Tokens that each link carries; a node's own experts need no link."""
    loads: dict[tuple[int, int], int] = {}
    for t, i in enumerate(fields["source"].tolist()):
        for n in visited(fields, i, np.flatnonzero(answer.selection[t]).tolist()):
            loads[i, n] = loads.get((i, n), 0) + 1
    return loads


def _harmonic_mean(prices: list[float]) -> float:
    """Energy of one token over several subcarriers; inf if none works."""
    working = [price for price in prices if price < math.inf]
    if not working:
        return math.inf
    if min(working) == 0:
        return 0.0
    least = min(working)
    return len(prices) * least / math.fsum(least / price for price in working)


def _signs(fields: dict[str, Any]) -> list[str]:
    """What changes if every 0 becomes -0.0; nothing may."""
    twin = _with_minus(fields)
    plain, minus = made(fields), made(twin)
    if plain.sha256 != minus.sha256:
        return ["-0.0 for 0 changes the digest"]
    first, second = (dmoe_opt.solve(data, "jesa", "exact") for data in (plain, minus))
    if first.status != second.status or first.objective_j != second.objective_j:
        return ["-0.0 for 0 changes the answer of exact"]
    return []


def _with_minus(fields: dict[str, Any]) -> dict[str, Any]:
    twin = {}
    for name, value in fields.items():
        if isinstance(value, dict):
            value = _with_minus(value)
        elif isinstance(value, np.ndarray) and value.dtype == float:
            value = np.where(value == 0, -0.0, value)
        twin[name] = value
    return twin


def written(fields: dict[str, Any]) -> str:
    """The fields of a round as JSON with every digit."""
    return json.dumps(fields, default=np.ndarray.tolist)
