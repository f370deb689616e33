"""Enumerate every set of at most D experts: the reference that the other methods are tested against."""

from __future__ import annotations

import math
import time
from decimal import Decimal
from itertools import chain, combinations, islice

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.result import Result, build
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.errors import InputError
from dmoe_opt.selection.des import relaxation

MOST_SETS = 5_000_000
BLOCK = 4096


def number_of_sets(num_experts: int, max_experts: int) -> int:
    """How many sets of at most `max_experts` experts there are."""
    return sum(math.comb(num_experts, n) for n in range(min(num_experts, max_experts) + 1))


def solve_exhaustive(problem: SelectionProblem, *, time_limit: float | None = None) -> Result:
    """The cheapest of all sets for every token; proven optimal by having looked at all of them.

    Raises
    ------
    InputError
        If there are more than `MOST_SETS` sets.
    """
    started = time.monotonic()
    tokens, experts = problem.scores.shape
    count = number_of_sets(experts, problem.max_experts)
    if count > MOST_SETS:
        raise InputError(
            f"exhaustive: {experts} experts with at most {problem.max_experts} make {Decimal(count):.3g} sets; "
            f"allowed: {MOST_SETS:,}"
        )
    best = np.full(tokens, np.inf)
    selection = np.zeros((tokens, experts), dtype=bool)
    units = problem.usable_units
    sizes = range(min(experts, problem.max_experts) + 1)
    sets = chain.from_iterable(combinations(range(experts), n) for n in sizes)
    seen = 0
    while block := list(islice(sets, BLOCK)):
        _improve(problem, units, _incidence(block, experts), best, selection)
        seen += len(block)
        if time_limit is not None and time.monotonic() - started > time_limit and seen < count:
            partial = Decision(problem, selection) if np.isfinite(best).all() else None
            return build(
                problem, "exhaustive", partial, bound_j=relaxation(problem), stats={"sets": seen},
                message=f"time limit of {time_limit:g} s after {seen:,} of {count:,} sets",
            )  # fmt: skip
    return build(
        problem,
        "exhaustive",
        Decision(problem, selection),
        bound_j=float(best.sum()),
        stats={"sets": seen},
    )


def _incidence(block: list[tuple[int, ...]], experts: int) -> NDArray[np.float64]:
    members = np.zeros((len(block), experts))
    for row, chosen in zip(members, block, strict=True):
        row[list(chosen)] = 1.0
    return members


def _improve(
    problem: SelectionProblem,
    units: NDArray[np.float64],
    members: NDArray[np.float64],
    best: NDArray[np.float64],
    selection: NDArray[np.bool_],
) -> None:
    for t in range(problem.num_tokens):
        allowed = members @ units[t] >= problem.need_units[t]
        allowed &= members @ (~problem.usable[t]).astype(float) == 0
        cost = np.where(allowed, members @ problem.cost[t], np.inf)
        first = int(np.argmin(cost))
        if cost[first] < best[t]:
            best[t] = cost[first]
            selection[t] = members[first] > 0
