"""Enumerate every set of at most D experts: the reference in the tests of other methods."""

from __future__ import annotations

import math
from decimal import Decimal
from itertools import chain, combinations, islice

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import Selection, visits
from dmoe_opt.answer.result import Result, build
from dmoe_opt.clock import is_over, until
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.errors import InputError
from dmoe_opt.selection.des import relaxation

MOST_SETS = 5_000_000
BLOCK = 4096


def number_of_sets(num_experts: int, max_experts: int) -> int:
    """How many sets of at most `max_experts` experts there are."""
    return sum(math.comb(num_experts, n) for n in range(min(num_experts, max_experts) + 1))


def solve_exhaustive(problem: SelectionProblem, *, time_limit: float | None = None) -> Result:
    """The cheapest of all sets for every token; it is optimal because all sets were looked at.

    `time_limit` is in seconds. When it strikes, the result has the best sets so far and the bound
    of the linear relaxation, and `stats` says how many `sets` were tried.

    Raises
    ------
    InputError
        If there are more than `MOST_SETS` sets.
    """
    tokens, experts = problem.scores.shape
    count = _checked_number(experts, problem.max_experts)
    best = np.full(tokens, np.inf)
    selection = np.zeros((tokens, experts), dtype=bool)
    units = problem.usable_units
    sizes = range(min(experts, problem.max_experts) + 1)
    sets = chain.from_iterable(combinations(range(experts), n) for n in sizes)
    seen = 0
    with until(time_limit):
        while block := list(islice(sets, BLOCK)):
            if not _improve(problem, units, _incidence(block, experts), best, selection):
                break
            seen += len(block)
    if seen < count:
        message = f"time limit of {time_limit:g} s after {seen:,} of {count:,} sets"
        return _stopped(problem, best, selection, seen, message)
    return build(
        problem,
        "exhaustive",
        Decision(problem, selection),
        bound_j=float(best.sum()),
        stats={"sets": seen},
    )


def _checked_number(experts: int, cap: int) -> int:
    """The number of sets; raises InputError if there are too many."""
    count = number_of_sets(experts, cap)
    if count > MOST_SETS:
        size = f"{experts} experts with at most {cap} make {Decimal(count):.3g} sets"
        raise InputError(f"exhaustive: {size}; allowed: {MOST_SETS:,}")
    return count


def _stopped(
    problem: SelectionProblem,
    best: NDArray[np.float64],
    selection: Selection,
    seen: int,
    message: str,
) -> Result:
    """The result at the time limit: an answer only if every token has met a feasible set."""
    is_served = bool(np.isfinite(best).all())
    return build(
        problem,
        "exhaustive",
        Decision(problem, selection) if is_served else None,
        bound_j=relaxation(problem),
        stats={"sets": seen},
        message=message,
    )


def _incidence(block: list[tuple[int, ...]], experts: int) -> NDArray[np.float64]:
    """1.0 where a set of the block has an expert, shape (sets, K)."""
    members = np.zeros((len(block), experts))
    for row, chosen in zip(members, block, strict=True):
        row[list(chosen)] = 1.0
    return members


def _improve(
    problem: SelectionProblem,
    units: NDArray[np.float64],
    members: NDArray[np.float64],
    best: NDArray[np.float64],
    selection: Selection,
) -> bool:
    """Replace the best set of every token, in place, if a set of `members` (sets, K) is cheaper.

    Returns whether there was time for all tokens.
    """
    opening = np.zeros((len(members), problem.num_tokens))
    if problem.placement is not None and problem.node_cost is not None:
        visited = visits(members > 0, problem.placement, problem.node_cost.shape[1])
        opening = visited @ problem.node_cost.T
    for t in range(problem.num_tokens):
        if is_over():
            return False
        allowed = members @ units[t] >= problem.need_units[t]
        allowed &= members @ (~problem.usable[t]).astype(float) == 0
        cost = np.where(allowed, members @ problem.cost[t] + opening[:, t], np.inf)
        first = int(np.argmin(cost))
        if cost[first] < best[t]:
            best[t] = cost[first]
            selection[t] = members[first] > 0
    return True
