"""What the solver back-ends share: tolerances, scaling, and for P1 a loop over tokens, each a small program of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.objective import token_energy_j
from dmoe_opt.answer.result import Result, build
from dmoe_opt.data.instance import Instance, SelectionProblem
from dmoe_opt.selection.baselines import topk_selection
from dmoe_opt.selection.des import Progress
from dmoe_opt.selection.relaxed import relaxed_bound

FEASIBILITY = 1e-9
"""Feasibility tolerance asked of solvers; their defaults (1e-6) accept wrong sets on near-ties."""
HIGHS_TOLERANCES = {
    "primal_feasibility_tolerance": FEASIBILITY,
    "dual_feasibility_tolerance": FEASIBILITY,
    "mip_feasibility_tolerance": FEASIBILITY,
}

NO_ALLOCATION = "proven by the solver: the links that the tokens need cannot all have one of the {} subcarriers"


class Answer(NamedTuple):
    """What a solver says of one model, in the units of the data; None where it has nothing."""

    chosen: NDArray[np.float64] | None
    bound_j: float | None


def scale(problem: SelectionProblem) -> NDArray[np.float64]:
    """Factor per token that brings its optimum below 1: one over the price of its D best scores, shape (T,).

    Solvers work to absolute tolerances of about 1e-6, and a token costs about 1e-3 J.
    """
    total = token_energy_j(problem, topk_selection(problem))
    return np.asarray(1.0 / np.where(total > 1e-200, total, 1.0))


def factor_of(instance: Instance, energy_j: float | None = None) -> float:
    """Factor that brings the energy of a round to about one a token; by its relaxed bound if `energy_j` is not known.

    The dearest link says nothing of the answer: weak links cost orders of magnitude more than any that is used.
    """
    energy_j = relaxed_bound(instance)[1] if energy_j is None else energy_j
    return instance.num_tokens / energy_j if 0 < energy_j < np.inf else 1.0


def solve_each(
    problem: SelectionProblem,
    method: str,
    solve_one: Callable[[int, float | None], Answer],
    time_limit: float | None,
    progress: Progress | None,
    stats: dict[str, Any],
) -> Result:
    """Solve token after token, sharing the time limit; a token without an answer leaves the result without one."""
    started = time.monotonic()
    chosen = np.zeros(problem.scores.shape, dtype=bool)
    bounds = np.zeros(problem.num_tokens)
    message = ""
    known = not problem.num_tokens
    for t in range(problem.num_tokens):
        left = None
        if time_limit is not None:  # an even share of what is left, so that a hard token starves no other
            left = (time_limit - (time.monotonic() - started)) / (problem.num_tokens - t)
        answer = Answer(None, None) if left is not None and left <= 0 else solve_one(t, left)
        if answer.chosen is None:
            message = message or f"the solver gave no selection of token {t}" + (" within the limit" if time_limit else "")
        else:
            chosen[t] = answer.chosen > 0.5
        known |= answer.bound_j is not None
        bounds[t] = 0.0 if answer.bound_j is None else max(answer.bound_j, 0.0)
        if progress:
            progress(t + 1, problem.num_tokens)
    return build(
        problem,
        method,
        selection=None if message else chosen,
        bound_j=float(bounds.sum()) if known else None,  # not every solver hands its bound on
        stats=stats | {"token_bound_j": bounds},
        message=message,
    )
