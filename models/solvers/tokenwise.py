"""What the back-ends for P1 share: scaling, and a loop over tokens, each with a small program."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
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
    """What a solver says of one token: values of alpha, shape (K,), and a proven bound, J.

    What it does not know is None.
    """

    chosen: NDArray[np.float64] | None
    bound_j: float | None


NO_ANSWER = TokenAnswer(None, None)


def scale(problem: SelectionProblem) -> NDArray[np.float64]:
    """Factor per token that brings its optimum below 1, shape (T,).

    It is one over the energy of the token's D best scores. Solvers work to absolute tolerances of
    about 1e-6, and a token costs about 1e-3 J.
    """
    total = token_energy_j(problem, topk_selection(problem))
    return np.asarray(1.0 / np.where(total > 1e-200, total, 1.0))


def solve_each(
    problem: SelectionProblem,
    method: str,
    solve_one: Callable[[int, float | None], TokenAnswer],
    time_limit: float | None,
    progress: Progress | None,
    stats: Mapping[str, Any],
) -> Result:
    """Solve token after token; `solve_one` gets the token and its seconds.

    All tokens share `time_limit`, in seconds. If a token has no answer, neither has the result.
    """
    started = time.monotonic()
    answers = []
    for t in range(problem.num_tokens):
        if time_limit is None:
            answers.append(solve_one(t, None))
        else:
            # an even share of the remaining time, so that a hard token starves no other
            remaining = time_limit - (time.monotonic() - started)
            share = remaining / (problem.num_tokens - t)
            answers.append(solve_one(t, share) if share > 0 else NO_ANSWER)
        if progress:
            progress(t + 1, problem.num_tokens)

    bounds = np.array([max(answer.bound_j or 0.0, 0.0) for answer in answers])
    decision, missing = _decision(problem, answers)
    limit = " within the limit" if time_limit else ""
    return build(
        problem,
        method,
        decision,
        bound_j=float(bounds.sum()) if _some_bound(answers) else None,
        stats={**stats, "token_bound_j": bounds},
        message="" if decision else f"the solver gave no selection of token {missing}{limit}",
    )


def _decision(
    problem: SelectionProblem, answers: Sequence[TokenAnswer]
) -> tuple[Decision | None, int | None]:
    """The selection that the values of alpha say, or the first token without an answer."""
    selection = np.zeros(problem.scores.shape, dtype=bool)
    for t, answer in enumerate(answers):
        if answer.chosen is None:
            return None, t
        selection[t] = answer.chosen > 0.5
    return Decision(problem, selection), None


def _some_bound(answers: Sequence[TokenAnswer]) -> bool:
    """Whether the solver hands its bounds on; not every solver does."""
    return not answers or any(answer.bound_j is not None for answer in answers)
