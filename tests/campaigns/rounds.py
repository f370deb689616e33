"""Small rounds against brute force over selections and assignments.

The truth shares no code with the package. Costs are not negative, so only the smallest sets that
serve a token need to be looked at, and one subcarrier per link is enough: several cost their
harmonic mean. Energies are floats added without rounding, right to 1e-12.
"""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import dmoe_opt
from dmoe_opt import InputError, Instance, Radio, Result
from tests.campaigns.outcome import TOO_WIDE, Fault, Outcome, judged

UNIT = 2**40
TOLERANCE = 1e-9
DEAD_J = 1e9
NOISE = 1e-9
OPTIMUM = 1e-6
ALWAYS = ("bcd", "lagrangian", "exact", "activation", "relaxed", "topk", "topp", "homogeneous")
MODELLED = {"pyomo": 0.08, "cvxpy": 0.05}
EXACT = ("exact", "pyomo", "cvxpy")
MOST_WAYS = 30_000
"""Ways to serve the tokens of a round; rounds with more are drawn again."""


@dataclass(frozen=True)
class Truth:
    """Energies of links, units of scores, units needed, and the optimum.

    `optimum` is None if the round is infeasible; `out_of_reach` says that thresholds make it so.
    """

    link: NDArray[np.float64]
    units: NDArray[np.int64]
    need: list[int]
    optimum: float | None
    out_of_reach: bool = False


class TooLarge(Exception):
    """Enumeration would take too long."""


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
    if status == "optimal" and energy > optimum * (1 + OPTIMUM):
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
    """Tokens that each link carries; a node's own expert needs no link."""
    loads: dict[tuple[int, int], int] = {}
    for t, i in enumerate(fields["source"].tolist()):
        for j in np.flatnonzero(answer.selection[t]).tolist():
            if i != j:
                loads[i, j] = loads.get((i, j), 0) + 1
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


def truth(fields: dict[str, Any]) -> Truth:
    """The optimum of a round by brute force.

    Raises
    ------
    TooLarge
        If there are more than `MOST_WAYS` ways to serve the tokens.
    """
    link = _links(fields)
    energy = fields["compute_energy"]
    units = np.rint(fields["scores"] * UNIT).astype(np.int64)
    need, ways = [], []
    out_of_reach = False
    for t, i in enumerate(fields["source"]):
        reachable = np.flatnonzero(np.isfinite(energy + link[i].min(axis=1))).tolist()
        wanted = math.ceil((float(fields["threshold"][t]) - TOLERANCE) * UNIT)
        sets = _sets(reachable, fields["max_experts"])
        reached = {members: sum(int(units[t, j]) for j in members) for members in sets}
        best = max(reached.values())
        if wanted > best and fields["on_shortfall"] == "infeasible":
            out_of_reach = True
        wanted = min(wanted, best)
        need.append(wanted)
        ways.append(_smallest([members for members in sets if reached[members] >= wanted]))
    if out_of_reach:
        return Truth(link, units, need, None, True)
    return Truth(link, units, need, _cheapest(fields, link, ways))


def _links(fields: dict[str, Any]) -> NDArray[np.float64]:
    """Joules per token of every link and subcarrier, inf where it is dead."""
    if "link_energy" in fields:
        link = np.array(fields["link_energy"])
    else:
        radio = fields["radio"]
        ratio = radio["gains"] * (radio["power_w"] / radio["noise_w"])
        rate = radio["bandwidth_hz"] * np.log1p(ratio) / math.log(2)
        ways = 2 if radio["round_trip"] else 1
        with np.errstate(divide="ignore", over="ignore"):
            link = ways * radio["power_w"] * radio["payload_bits"] / np.abs(rate)
    link = np.where(link > DEAD_J, np.inf, np.abs(link))
    for i in range(len(link)):
        link[i, i] = 0.0
    return link


def _sets(experts: list[int], most: int) -> list[tuple[int, ...]]:
    sizes = range(min(most, len(experts)) + 1)
    return [members for size in sizes for members in itertools.combinations(experts, size)]


def _smallest(sets: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The sets that hold no other set of the list."""
    return [members for members in sets if not any(set(other) < set(members) for other in sets)]


def _cheapest(
    fields: dict[str, Any], link: NDArray[np.float64], ways: list[list[tuple[int, ...]]]
) -> float | None:
    """The least energy over all ways to serve the tokens and all assignments of subcarriers."""
    states = {(): 0.0}  # loads of links, sorted, to the least energy of computing
    for i, sets in zip(fields["source"], ways, strict=True):
        grown: dict[tuple[tuple[tuple[int, int], int], ...], float] = {}
        for loads, spent in states.items():
            for members in sets:
                counts = dict(loads)
                for j in members:
                    if j != i:
                        counts[int(i), j] = counts.get((int(i), j), 0) + 1
                total = spent + math.fsum(float(fields["compute_energy"][j]) for j in members)
                key = tuple(sorted(counts.items()))
                grown[key] = min(grown.get(key, math.inf), total)
        states = grown
        if len(states) > MOST_WAYS:
            raise TooLarge
    best = link.min(axis=2)
    floors = {
        loads: spent + math.fsum(count * best[pair] for pair, count in loads)
        for loads, spent in states.items()
    }
    least = math.inf
    for loads in sorted(floors, key=floors.__getitem__):
        if floors[loads] > least * (1 + 1e-12):
            break
        least = min(least, states[loads] + _assigned(link, loads))
    return None if math.isinf(least) else least


def _assigned(link: NDArray[np.float64], loads: tuple[tuple[tuple[int, int], int], ...]) -> float:
    """The least energy of sending when every loaded link has a subcarrier of its own."""
    carriers = link.shape[2]
    if len(loads) > carriers:
        return math.inf
    taken = {0: 0.0}  # sets of subcarriers as bits, to the least energy of the links so far
    for pair, count in loads:
        prices = link[pair].tolist()
        grown: dict[int, float] = {}
        for used, spent in taken.items():
            for m in range(carriers):
                if not used >> m & 1 and prices[m] < math.inf:
                    key = used | 1 << m
                    grown[key] = min(grown.get(key, math.inf), spent + count * prices[m])
        taken = grown
    return min(taken.values(), default=math.inf)


def draw(rng: np.random.Generator) -> dict[str, Any]:
    """The fields of a random round; `radio` is a dictionary of the fields of a radio."""
    experts = int(rng.integers(2, 5))
    tokens = int(rng.choice([0, 1, 2, 3, 4, 5, 6], p=[0.02, 0.2, 0.18, 0.15, 0.15, 0.15, 0.15]))
    carriers = int(rng.integers(1, 9))
    shape = (experts, experts, carriers)
    scores = _scores(rng, (tokens, experts))
    most = int(rng.integers(1, experts + 1))
    threshold = rng.random(tokens) * rng.choice([0.5, 1.0, 1.5])
    exact = rng.random(tokens) < 0.4
    members = rng.random(scores.shape) < 0.5
    threshold = np.where(exact, np.where(members, scores, 0.0).sum(axis=1), threshold)
    threshold += rng.choice([0.0, 1e-9, 5e-10, 1.01e-9, 2e-9], size=tokens)
    if rng.random() < 0.2:  # all just above what two experts reach
        pair = np.argsort(rng.random(scores.shape), axis=1) < 2
        reached = np.where(pair, scores, 0.0).sum(axis=1)
        threshold = reached + TOLERANCE + rng.integers(1, 40) / UNIT
    on_shortfall = str(rng.choice(["top_d", "infeasible"], p=[0.8, 0.2]))
    if on_shortfall == "infeasible" and rng.random() < 0.7:
        threshold = np.minimum(threshold, np.sort(scores, axis=1)[:, -most:].sum(axis=1))
    fields: dict[str, Any] = {
        "source": rng.integers(0, rng.choice([1, experts]), size=tokens),
        "scores": scores,
        "threshold": threshold,
        "max_experts": most,
        "on_shortfall": on_shortfall,
        "compute_energy": _energies(rng, (experts,)),
    }
    if rng.random() < 0.5:
        return fields | {"link_energy": _link_energies(rng, shape)}
    return fields | {"radio": _radio(rng, shape)}


def _scores(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    family = rng.choice(["uniform", "coarse", "equal"])
    if family == "coarse":
        scores = rng.integers(0, 9, size=shape) / 8
    elif family == "equal":
        scores = np.full(shape, 1 / shape[1])
    else:
        scores = rng.dirichlet(np.ones(shape[1]), size=shape[0])
    return np.where((scores == 0) & (rng.random(shape) < 0.5), -0.0, scores)


def _energies(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Energies: alike, in steps, or over many orders; some 0 or -0.0."""
    shares = [0.3, 0.25, 0.2, 0.2, 0.05]
    family = rng.choice(["uniform", "coarse", "wide", "near", "far"], p=shares)
    if family == "coarse":
        energy = rng.integers(0, 5, size=shape) / 4
    elif family == "wide":
        reach = rng.choice([3, 6, 9])
        energy = 10 ** rng.uniform(-reach, reach, size=shape)
    elif family == "far":
        energy = 10 ** rng.uniform(-100, 100, size=shape)
    elif family == "near":
        energy = 1 + rng.integers(0, 5, size=shape) * 10.0 ** rng.integers(-13, -5)
    else:
        energy = rng.random(shape)
    if rng.random() < 0.2:
        energy = np.where(rng.random(shape) < 0.2, 0.0, energy)
    return np.where((energy == 0) & (rng.random(shape) < 0.5), -0.0, energy)


def _link_energies(rng: np.random.Generator, shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """Energies of links; sometimes dead ones, or one subcarrier that is best for all."""
    energy = _energies(rng, shape)
    if rng.random() < 0.4:
        energy[:, :, rng.integers(shape[2])] *= rng.choice([0.5, 1e-3, 0.999])
    if rng.random() < 0.4:
        energy = np.where(rng.random(shape) < rng.choice([0.1, 0.4, 0.8]), 1e10, energy)
    return energy


def _radio(rng: np.random.Generator, shape: tuple[int, int, int]) -> dict[str, Any]:
    """A radio with Rayleigh gains or gains from 1e-24 to 1e3; sometimes dead ones."""
    gains = rng.exponential(size=shape)
    if rng.random() < 0.4:
        gains = 10 ** rng.uniform(-24, 3, size=shape)
    if rng.random() < 0.4:
        dead = rng.random(shape) < rng.choice([0.1, 0.4, 0.8])
        gains = np.where(dead, rng.choice([0.0, -0.0]), gains)
    if rng.random() < 0.3:
        gains[:, :, rng.integers(shape[2])] *= 10
    return {
        "gains": gains,
        "bandwidth_hz": float(rng.choice([1.0, 1e6])),
        "power_w": float(rng.choice([1.0, 0.01])),
        "noise_w": float(rng.choice([1.0, 1e-3])),
        "payload_bits": float(rng.choice([1.0, 8192.0])),
        "round_trip": bool(rng.random() < 0.3),
    }


def written(fields: dict[str, Any]) -> str:
    """The fields of a round as JSON with every digit."""
    return json.dumps(fields, default=np.ndarray.tolist)
