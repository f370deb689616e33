"""P1 token by token: each token is a small program of its own, scaled to its own answer.

Solvers work to absolute tolerances. Per token, therefore,

1. DES gives a known answer of energy U and a bound L in a few nodes;
2. experts that alone cost more than U are dropped, since no optimum uses them;
3. the objective is measured in units of L (of U where L is 0), so that the optimum is about 1;
4. an answer that misses the threshold by the solver's tolerance is cut off, and the program is
   solved again (`dmoe_opt.selection.covers`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import token_energy_j
from dmoe_opt.answer.result import Result, build
from dmoe_opt.data.problem import SelectionProblem, score_units
from dmoe_opt.selection import des
from dmoe_opt.selection.covers import MOST_CUTS, Cut, cuts
from dmoe_opt.selection.search import Progress

WIDEST = 1e9  # of known answer over bound: beyond, tolerances hide the cheap experts
SLACK = 1e-9  # relative: an expert within rounding of the known answer is kept


class Scaled(NamedTuple):
    """Units and candidates of every token.

    `factor` (T,) brings the optimum of a token to about 1, in 1/J. `candidates` (T, K) are the
    usable experts that cost no more than a known answer; `wide` (T,) marks tokens whose known
    answer is too far above their bound for a solver.
    """

    factor: NDArray[np.float64]
    candidates: NDArray[np.bool_]
    wide: NDArray[np.bool_]


class Token(NamedTuple):
    """A token for a solver: number, units, candidates, and what cuts off sets that fall short."""

    t: int
    factor: float
    candidates: NDArray[np.bool_]
    cuts: list[Cut]
    time_limit: float | None


class TokenAnswer(NamedTuple):
    """What a solver says of one token: chosen (K,) in [0, 1], and a bound in J; None if unknown."""

    chosen: NDArray[np.float64] | NDArray[np.bool_] | None
    bound_j: float | None


def scaled(problem: SelectionProblem) -> Scaled:
    """Units and candidates, from the first nodes of DES."""
    selection, bound_j = des.choose(problem, problem.cost, problem.usable, des.QUICK_NODES)
    answer_j = token_energy_j(problem, selection)
    unit_j = np.where(bound_j > 0, bound_j, answer_j)
    unit_j = np.where((unit_j > 0) & np.isfinite(unit_j), unit_j, 1.0)
    candidates = problem.usable & (problem.cost <= answer_j[:, None] * (1 + SLACK))
    with np.errstate(over="ignore", divide="ignore"):
        factor = np.minimum(1.0 / unit_j, np.finfo(float).max)
    return Scaled(factor, candidates, answer_j > WIDEST * unit_j)


def solve_each(
    problem: SelectionProblem,
    method: str,
    solve_token: Callable[[Token], TokenAnswer],
    *,
    time_limit: float | None,
    progress: Progress | None,
    stats: dict[str, Any],
) -> Result:
    """Solve token after token.

    The tokens share the time limit evenly, so that a hard token starves no other. A token without
    an answer leaves the result without one.
    """
    deadline = np.inf if time_limit is None else time.monotonic() + time_limit
    scale = scaled(problem)
    chosen = np.zeros(problem.scores.shape, dtype=bool)
    bounds = np.zeros(problem.num_tokens)
    messages: list[str] = []
    any_bound = not problem.num_tokens
    for t in range(problem.num_tokens):
        share_s = (deadline - time.monotonic()) / (problem.num_tokens - t)
        answer, message = _solve_one(problem, scale, t, solve_token, share_s)
        if answer.chosen is not None:
            chosen[t] = answer.chosen
        if answer.bound_j is not None:
            bounds[t] = max(answer.bound_j, 0.0)
            any_bound = True
        messages += [message] if message else []
        if progress:
            progress(t + 1, problem.num_tokens)
    return build(
        problem,
        method,
        None if messages else Decision(problem, chosen),
        bound_j=float(bounds.sum()) if any_bound else None,  # not every solver hands its bound on
        stats=stats | {"token_bound_j": bounds},
        message=messages[0] if messages else "",
    )


def _solve_one(
    problem: SelectionProblem,
    scale: Scaled,
    t: int,
    solve_token: Callable[[Token], TokenAnswer],
    share_s: float,
) -> tuple[TokenAnswer, str]:
    """The answer to a token, chosen (K,) True or False, and why there is none."""
    if scale.wide[t]:
        text = "costs span too many orders of magnitude for a solver; allowed: des, exhaustive"
        return TokenAnswer(None, None), f"token {t}: {text}"
    missing = f"the solver gave no selection of token {t}"
    limited = " within the limit" if share_s < np.inf else ""
    units = np.where(scale.candidates[t], score_units(problem.scores[t]), 0.0)
    need, most = float(problem.need_units[t]), problem.max_experts
    known: list[Cut] = []
    deadline = time.monotonic() + share_s
    answer = TokenAnswer(None, None)
    for _ in range(MOST_CUTS):
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            return TokenAnswer(None, answer.bound_j), missing + limited
        limit_s = None if left_s == np.inf else left_s
        token = Token(t, float(scale.factor[t]), scale.candidates[t], known, limit_s)
        answer = solve_token(token)
        if answer.chosen is None:
            return answer, missing + limited
        experts = answer.chosen > 0.5
        if units[experts].sum() >= need:
            return TokenAnswer(experts, answer.bound_j), ""
        known += cuts(units, need, most, experts)
    text = f"{missing} that reaches its threshold exactly, in {MOST_CUTS} tries"
    return TokenAnswer(None, answer.bound_j), text
