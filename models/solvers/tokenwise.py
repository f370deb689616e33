"""What the solver back-ends share: tolerances, scaling, and for P1 a loop over tokens, each a small program of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import token_energy_j
from dmoe_opt.answer.result import Result, build
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.selection.baselines import topk_selection
from dmoe_opt.selection.des import Progress


class TokenAnswer(NamedTuple):
    """What a solver says of one model, in the units of the data; None where it has nothing."""

    chosen: NDArray[np.float64] | None
    bound_j: float | None


def scale(problem: SelectionProblem) -> NDArray[np.float64]:
    """Factor per token that brings its optimum below 1: one over the price of its D best scores, shape (T,).

    Solvers work to absolute tolerances of about 1e-6, and a token costs about 1e-3 J.
    """
    total = token_energy_j(problem, topk_selection(problem))
    return np.asarray(1.0 / np.where(total > 1e-200, total, 1.0))


def solve_each(
    problem: SelectionProblem,
    method: str,
    solve_one: Callable[[int, float | None], TokenAnswer],
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
        if (
            time_limit is not None
        ):  # an even share of what is left, so that a hard token starves no other
            left = (time_limit - (time.monotonic() - started)) / (problem.num_tokens - t)
        answer = TokenAnswer(None, None) if left is not None and left <= 0 else solve_one(t, left)
        if answer.chosen is None:
            message = message or f"the solver gave no selection of token {t}" + (
                " within the limit" if time_limit else ""
            )
        else:
            chosen[t] = answer.chosen > 0.5
        known |= answer.bound_j is not None
        bounds[t] = 0.0 if answer.bound_j is None else max(answer.bound_j, 0.0)
        if progress:
            progress(t + 1, problem.num_tokens)
    return build(
        problem,
        method,
        None if message else Decision(problem, chosen),
        bound_j=float(bounds.sum()) if known else None,  # not every solver hands its bound on
        stats=stats | {"token_bound_j": bounds},
        message=message,
    )
