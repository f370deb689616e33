"""Selection problems of many tokens against enumeration in exact arithmetic.

Scores are whole multiples of 2^-40 and costs are fractions, so the truth has no rounding. It
shares no code with the package, only the rule of the threshold: it is met by what reaches it up to
1e-9, and the shortfall rule lowers it to the best that is in reach.
"""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

import dmoe_opt
from dmoe_opt import Result, SelectionProblem
from tests.campaigns.outcome import TOO_WIDE, Fault, Outcome, judged

UNIT = 2**40
TOLERANCE = 1e-9
NOISE = Fraction(1, 10**9)
GAPS = {"des": NOISE, "exhaustive": NOISE}
"""Relative error of an optimum; by default `OPTIMUM`."""
OPTIMUM = Fraction(1, 10**6)
PROVING = ("des", "exhaustive")
OFTEN = {"exhaustive": 0.5, "greedy": 0.4, "topk": 0.3, "topp": 0.3}
MODELLED = {"pyomo": 0.03, "cvxpy": 0.02}
MOST_MODELLED = 4
"""Tokens of a problem that goes to a solver of integer programs."""
STEPS = (0.0, 1e-9, 5e-10, 9.9e-10, 1.01e-9, 2e-9, 1e-6, -1e-9, -5e-10, -1e-6)
"""From what a set reaches to the threshold."""


@dataclass(frozen=True)
class Truth:
    """What is right: units per token and expert, the units needed, and the optimum of each token.

    `optima` is None if the problem is infeasible.
    """

    units: NDArray[np.int64]
    need: NDArray[np.int64]
    optima: list[Fraction] | None

    @property
    def optimum(self) -> Fraction | None:
        """The optimum of the problem, J; None if it is infeasible."""
        return None if self.optima is None else sum(self.optima, Fraction(0))


def attack(seed: int) -> Outcome:
    """One problem: draw it, solve it by several methods, judge the answers."""
    rng = np.random.default_rng(seed)
    outcome = Outcome()
    problem = SelectionProblem(**draw(rng))
    outcome.counts["problems"] += 1
    outcome.counts["tokens"] += problem.num_tokens
    right = truth(problem)
    methods = ["des"] + [name for name, share in OFTEN.items() if rng.random() < share]
    for method in methods:
        _try(problem, right, method, seed, outcome)
    few = problem.rows(np.arange(min(problem.num_tokens, MOST_MODELLED)))
    for method, share in MODELLED.items():
        if rng.random() < share:
            _try(few, truth(few), method, seed, outcome)
    for what in _signs(problem):
        outcome.faults.append(Fault(what, seed, written(problem)))
    return outcome


def _try(problem: SelectionProblem, right: Truth, method: str, seed: int, outcome: Outcome) -> None:
    """Solve by one method; faults are shown on a single token if one has them too."""
    outcome.counts[f"answers of {method}"] += 1
    complaints = complaints_about(problem, right, method)
    if not complaints:
        return
    for t in range(problem.num_tokens):
        single = problem.rows(np.array([t]))
        alone = complaints_about(single, truth(single), method)
        if alone:
            problem, complaints = single, alone
            break
    what = f"{method}: {'; '.join(complaints)}"
    outcome.faults.append(Fault(what, seed, written(problem)))


def complaints_about(problem: SelectionProblem, right: Truth, method: str) -> list[str]:
    """What is wrong with the answer of a method."""
    return judged(problem, "selection", method, lambda answer: judge(problem, answer, right))


def judge(problem: SelectionProblem, answer: Result, right: Truth) -> list[str]:
    """What is wrong with an answer, in words; empty if nothing is."""
    optimum = right.optimum
    status = answer.status.value
    if optimum is None:
        return [] if status == "infeasible" else [f"infeasible, yet the status is {status}"]
    if status == "infeasible":
        return ["claimed infeasible, yet it is not"]
    complaints = []
    if answer.method in PROVING and status != "optimal":
        complaints.append(f"the status is {status} without a limit: {answer.message}")
    if answer.bound_j is not None and Fraction(answer.bound_j) > optimum * (1 + NOISE):
        wanted = float(optimum)
        complaints.append(f"the bound {answer.bound_j!r} is above the optimum {wanted!r}")
    if answer.selection is None:
        left_to_des = answer.method in MODELLED and TOO_WIDE in answer.message
        if answer.method in (*PROVING, *MODELLED) and not left_to_des:
            complaints.append(f"no answer, yet one is possible: {answer.message}")
        return complaints
    complaints += _broken(problem, answer, right)
    gap = GAPS.get(answer.method, OPTIMUM)
    energy = Fraction(answer.objective_j)
    if status == "optimal" and energy * (1 - gap) > optimum:
        complaints.append(f"optimal at {answer.objective_j!r}, the optimum is {float(optimum)!r}")
    if energy < optimum * (1 - NOISE):
        complaints.append(f"{answer.objective_j!r} is below the optimum {float(optimum)!r}")
    if answer.method in PROVING and status == "optimal":
        complaints += _costlier_tokens(problem, answer, right)
    return complaints


def _broken(problem: SelectionProblem, answer: Result, right: Truth) -> list[str]:
    """Rules that a selection breaks, by counting."""
    complaints = []
    chosen = answer.selection
    if (chosen & ~problem.usable).any():
        complaints.append("an expert is used that cannot be used")
    if (chosen.sum(axis=1) > problem.max_experts).any():
        complaints.append("a token uses more than D experts")
    if (np.where(chosen, right.units, 0).sum(axis=1) < right.need).any():
        complaints.append("a token stays below its threshold")
    spent = sum((_price(problem.cost[t], row) for t, row in enumerate(chosen)), Fraction(0))
    if abs(spent - Fraction(answer.objective_j)) > spent * NOISE:
        complaints.append(f"the energy is {answer.objective_j!r}, yet costs {float(spent)!r}")
    return complaints


def _costlier_tokens(problem: SelectionProblem, answer: Result, right: Truth) -> list[str]:
    """Tokens of a proven optimum that are not optimal, though the sum hides it."""
    for t, least in enumerate(right.optima or []):
        spent = _price(problem.cost[t], answer.selection[t])
        if spent > least * (1 + NOISE):
            return [f"token {t} costs {float(spent)!r}, its optimum is {float(least)!r}"]
    return []


def _price(cost: NDArray[np.float64], row: NDArray[np.bool_]) -> Fraction:
    """Exact cost of the chosen experts of a token."""
    return sum(map(Fraction, cost[row].tolist()), Fraction(0))


def _signs(problem: SelectionProblem) -> list[str]:
    """What changes if every 0 becomes -0.0; nothing may."""
    arrays = {name: getattr(problem, name) for name in ("scores", "cost", "threshold")}
    minus = {name: np.where(array == 0, -0.0, array) for name, array in arrays.items()}
    twin = problem.replace(**minus)
    if twin.sha256 != problem.sha256:
        return ["-0.0 for 0 changes the digest"]
    answers = [dmoe_opt.solve(data, "selection", "des") for data in (problem, twin)]
    chosen = [None if a.selection is None else a.selection.tolist() for a in answers]
    if chosen[0] != chosen[1] or answers[0].objective_j != answers[1].objective_j:
        return ["-0.0 for 0 changes the answer of des"]
    return []


def truth(problem: SelectionProblem) -> Truth:
    """The optimum of every token by enumeration in exact arithmetic."""
    sets = _sets(problem.num_experts, problem.max_experts)
    units = np.rint(problem.scores * UNIT).astype(np.int64)
    reached = units @ sets.T
    possible = (~problem.usable).astype(np.int64) @ sets.T == 0
    wanted = [math.ceil((float(value) - TOLERANCE) * UNIT) for value in problem.threshold]
    need = np.array(wanted, dtype=np.int64)
    best = np.where(possible, reached, 0).max(axis=1, initial=0)
    if problem.on_shortfall == "top_d":
        need = np.minimum(need, best)
    elif (need > best).any():
        return Truth(units, need, None)
    meets = possible & (reached >= need[:, None])
    prices = np.where(meets, problem.cost @ sets.T.astype(float), np.inf)
    least = prices.min(axis=1, initial=np.inf)
    optima = []
    for t in range(problem.num_tokens):
        near = sets[prices[t] <= least[t] * (1 + 1e-12)] > 0
        bundles = {tuple(sorted(problem.cost[t, members].tolist())) for members in near}
        optima.append(min(sum(map(Fraction, bundle), Fraction(0)) for bundle in bundles))
    return Truth(units, need, optima)


@cache
def _sets(experts: int, most: int) -> NDArray[np.int64]:
    """Every set of at most `most` experts as a row of zeros and ones."""
    rows = []
    for size in range(min(experts, most) + 1):
        for members in itertools.combinations(range(experts), size):
            row = np.zeros(experts, dtype=np.int64)
            row[list(members)] = 1
            rows.append(row)
    return np.array(rows)


def draw(rng: np.random.Generator) -> dict[str, Any]:
    """The fields of a random problem."""
    experts = int(rng.integers(1, 11))
    tokens = int(rng.choice([0, 1, 2, 5, 50, 200, 400], p=[0.01, 0.1, 0.1, 0.1, 0.2, 0.3, 0.19]))
    most = int(rng.integers(1, 5))
    scores = _scores(rng, (tokens, experts))
    cost = _costs(rng, scores)
    usable = np.ones(scores.shape, dtype=bool)
    if rng.random() < 0.3:
        usable = rng.random(scores.shape) < 0.85
    on_shortfall = str(rng.choice(["top_d", "infeasible"], p=[0.6, 0.4]))
    threshold = _thresholds(rng, scores, most)
    if on_shortfall == "infeasible" and rng.random() < 0.8:
        best = np.sort(np.where(usable, scores, 0.0), axis=1)[:, -most:].sum(axis=1)
        threshold = np.minimum(threshold, best)
    return {
        "scores": scores,
        "cost": cost,
        "threshold": threshold,
        "max_experts": most,
        "on_shortfall": on_shortfall,
        "usable": usable,
    }


def _scores(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    family = rng.choice(["uniform", "softmax", "equal", "coarse", "grid", "near", "units"])
    if family == "softmax":
        logits = rng.normal(size=shape) * 10 ** rng.uniform(-1, 1.5)
        weights = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
        scores = weights / weights.sum(axis=1, keepdims=True)
    elif family == "equal":
        scores = np.full(shape, rng.choice([1 / shape[1], 0.25, 0.1, 1.0]))
    elif family == "coarse":
        scores = rng.integers(0, 17, size=shape) / 16
    elif family == "grid":
        scores = np.rint(rng.random(shape) * 2**20) / 2**20
    elif family == "units":  # halves of units too, where rounding decides
        scores = rng.integers(0, 2 ** int(rng.integers(2, 42)), size=shape) / 2.0**41
    elif family == "near":
        scores = np.clip(0.25 + rng.integers(-4, 5, size=shape) * 2.0**-31, 0, 1)
    else:
        scores = rng.random(shape)
    return _with_zeros(rng, scores)


def _costs(rng: np.random.Generator, scores: NDArray[np.float64]) -> NDArray[np.float64]:
    family = rng.choice(["uniform", "follow", "equal", "coarse", "wide", "across", "near"])
    shape = scores.shape
    if family == "follow":
        cost = scores * rng.choice([1.0, 1e-3, 100.0]) * rng.uniform(0.95, 1.05, size=shape)
    elif family == "equal":
        cost = np.full(shape, rng.choice([1.0, 1e-3, 0.1]))
    elif family == "coarse":
        cost = rng.integers(0, 17, size=shape) / 16
    elif family == "wide":
        cost = 10 ** rng.uniform(-6, 6, size=shape)
    elif family == "across":
        cost = rng.random(shape) * 10 ** rng.uniform(-100, 100, size=(shape[0], 1))
    elif family == "near":
        cost = 1.0 + rng.integers(0, 5, size=shape) * 10.0 ** rng.integers(-15, -5)
    else:
        cost = rng.random(shape)
    return _with_zeros(rng, cost)


def _with_zeros(rng: np.random.Generator, array: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sometimes with entries of 0 and -0.0."""
    if rng.random() < 0.7:
        return array
    array = np.where(rng.random(array.shape) < 0.2, 0.0, array)
    return np.where((array == 0) & (rng.random(array.shape) < 0.5), -0.0, array)


def _thresholds(
    rng: np.random.Generator, scores: NDArray[np.float64], most: int
) -> NDArray[np.float64]:
    """Anywhere, at and beside what a set reaches, out of reach, and 0."""
    tokens, experts = scores.shape
    order = rng.permuted(np.tile(np.arange(experts), (tokens, 1)), axis=1)
    sizes = rng.integers(0, min(most, experts) + 1, size=(tokens, 1))
    members = order < sizes
    reached = np.where(members, scores, 0.0).sum(axis=1)
    beside = reached + rng.choice(STEPS, size=tokens)
    anywhere = rng.random(tokens) * rng.choice([0.5, 1.0, 2.0])
    beyond = np.full(tokens, rng.choice([1.5, 5.0, 1e6]))
    nothing = np.where(rng.random(tokens) < 0.5, 0.0, -0.0)
    shares = [0.55, 0.35, 0.05, 0.05]
    kind = rng.choice(4, size=tokens, p=shares)
    threshold = np.choose(kind, [beside, anywhere, beyond, nothing])
    return np.maximum(threshold, 0.0)


def written(problem: SelectionProblem) -> str:
    """A problem as JSON with every digit, the keyword arguments of `SelectionProblem`."""
    fields = ("scores", "cost", "threshold", "usable")
    arrays = {name: getattr(problem, name).tolist() for name in fields}
    rules = {"max_experts": problem.max_experts, "on_shortfall": problem.on_shortfall}
    return json.dumps(arrays | rules)
