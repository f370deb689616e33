"""The joint optimum of a round (P2), proven.

1. The Lagrangian ascent (`lagrangian`) gives an answer of energy U and prices whose bound is L.
   Often L meets U.
2. Otherwise, everything that would lift L above U is decided: experts that a token cannot or must
   use, by DES at those prices; subcarriers that a link cannot use, by the reduced costs of the
   assignment.
3. Where spectrum is scarce and much is left, rents on subcarriers raise L further (`rented`).
4. HiGHS solves the integer program of the reduced round (`program`). What it proves there, or U,
   bounds the round.

See docs/problems/joint.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import Selection
from dmoe_opt.answer.result import Result
from dmoe_opt.answer.tolerances import OPTIMAL_GAP
from dmoe_opt.clock import OUT_OF_TIME, TimeUp, check, is_over, left_s, until
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.joint.decided import finish, solve_whole
from dmoe_opt.joint.descent import conclude, is_closed
from dmoe_opt.joint.lagrangian import Ascent, close_in
from dmoe_opt.joint.open_part import SLACK, Open, everything, share_kept
from dmoe_opt.joint.prices import evaluate_at, rents_of
from dmoe_opt.joint.rented import ascend_rented
from dmoe_opt.joint.steps import Log
from dmoe_opt.selection import des

MANY_PAIRS = 4_000  # of link and subcarrier: HiGHS soon decides fewer, and never more
SHARE = 0.2  # of the time, for prices on links where rents on subcarriers can do better
MOST_COLUMNS_PER_S = 20_000  # built and presolved, on a busy machine
LIMIT_S = 60.0  # unless told otherwise: the proof of a large round can take hours


class Dual(NamedTuple):
    """A bound in parts, J.

    DES of each token (T,), profit of each link (N, N), rent of each subcarrier (M,), and what each
    link would earn on each subcarrier (N, N, M).
    """

    bounds: NDArray[np.float64]
    profit: NDArray[np.float64]
    rent: NDArray[np.float64]
    earned: NDArray[np.float64]

    @property
    def value_j(self) -> float:
        """A lower bound of the round, J."""
        return float(self.bounds.sum() - self.profit.sum() - self.rent.sum())


def dual(instance: Instance, prices: NDArray[np.float64]) -> Dual:
    """The Lagrangian bound at prices (T, K) with the matching replaced by its dual.

    Any rents >= 0 give a valid bound.
    """
    at = evaluate_at(instance, prices)
    rent = rents_of(at.earned, at.allocation)
    profit = np.maximum((at.earned - rent).max(axis=2, initial=0.0), 0.0)
    return Dual(at.bounds, profit, rent, at.earned)


def reduce(instance: Instance, prices: NDArray[np.float64], energy_j: float) -> Open | None:
    """What answers of at most `energy_j` may and must use, by the bound at prices (T, K).

    The value is None if there is no such answer. It raises `TimeUp` where the time is up before.
    """
    problem = instance.selection_problem()
    at = dual(instance, prices)
    room = energy_j * (1 + SLACK) - at.value_j
    possible, certain = _experts(problem, instance.compute_energy + prices, at.bounds, room)
    # the bound rises by so much if the link takes that subcarrier
    rise = at.profit[:, :, None] + at.rent - at.earned
    # A link in use carries a token. What no answer can pay would only blur HiGHS' arithmetic.
    affordable = instance.link_energy <= energy_j * (1 + SLACK)
    subcarriers = (rise <= room) & affordable
    linked = np.asarray(subcarriers.any(axis=2))
    possible &= instance.to_experts(linked) | ~instance.away
    _, bounds = des.choose(problem, problem.cost, possible)
    if (certain & ~possible).any() or np.isinf(bounds).any():
        return None
    return Open(subcarriers, possible, certain)


def _experts(
    problem: SelectionProblem, cost: NDArray[np.float64], bounds: NDArray[np.float64], room: float
) -> tuple[Selection, Selection]:
    """Experts that a token may use, and must use, both (T, K).

    With any other choice its part of the bound rises by more than `room`.
    """
    possible = np.zeros(problem.scores.shape, dtype=bool)
    certain = np.zeros(problem.scores.shape, dtype=bool)
    for j in range(problem.num_experts):
        check()
        usable = problem.usable.copy()
        usable[:, j] = False
        certain[:, j] = des.choose(problem, cost, usable, des.QUICK_NODES)[1] > bounds + room
        free = cost.copy()
        free[:, j] = 0.0  # a set with expert j costs at least as much without its cost
        rest = des.choose(problem, free, problem.usable, des.QUICK_NODES)[1]
        possible[:, j] = problem.usable[:, j] & (rest + cost[:, j] <= bounds + room)
    return possible | certain, certain


def solve_exact(
    instance: Instance,
    *,
    time_limit: float | None = LIMIT_S,
    log: Log | None = None,
    start: Decision | None = None,
) -> Result:
    """Joint optimum, or the best answer and bound within the time limit.

    Parameters
    ----------
    time_limit
        Seconds; None for no limit.
    log
        Called with (incumbent in J or None, bound in J) as the search goes on.
    start
        An answer from which one more descent starts.

    Returns
    -------
    Result
        `stats` has `iterations` of the ascent, and `kept`, the share of (link, subcarrier) pairs
        that the integer program still had to decide.

    Examples
    --------
    >>> import dmoe_opt
    >>> from dmoe_opt.joint.exact import solve_exact
    >>> result = solve_exact(dmoe_opt.load("scarce-8x36-s0"))
    >>> print(f"{result.status}: {1e3 * result.objective_j:.3f} mJ")
    optimal: 30.748 mJ
    """
    with until(time_limit):
        if instance.optional_rules:
            return solve_whole(instance, log=log, start=start)
        first = close_in(instance, "exact", share=SHARE, log=log, start=start)
        if isinstance(first, Result):
            return first
        try:
            reduced = _open_part(instance, first)
            if reduced is not None and first.needed is not None and _pairs(reduced) > MANY_PAIRS:
                first, reduced = _rent(instance, first, first.needed, reduced, log)
        except TimeUp:
            reduced = everything(instance)
        return replace(_finish(instance, first, reduced, log), prices=first.point(instance))


def _open_part(instance: Instance, ascent: Ascent) -> Open | None:
    """What an ascent leaves open; None if no answer can be better than its own."""
    if ascent.answer is None:
        return everything(instance)
    if is_closed(ascent.answer, ascent.bound_j, OPTIMAL_GAP):
        return None
    return reduce(instance, ascent.prices, ascent.answer.energy_j)


def _rent(
    instance: Instance,
    ascent: Ascent,
    needed: NDArray[np.int64],
    reduced: Open,
    log: Log | None,
) -> tuple[Ascent, Open | None]:
    """Go on with rents on subcarriers, and reduce again; nothing changes if that is too much."""
    if ascent.answer is None:
        return ascent, reduced
    rented = ascend_rented(instance, needed, ascent.answer, ascent.bound_j, log=log)
    if rented is None:
        return ascent, reduced
    ascent = ascent._replace(answer=rented.answer, bound_j=rented.bound_j)
    try:
        left = _open_part(instance, ascent)
    except TimeUp:
        return ascent, reduced
    if left is None:
        return ascent, left
    return ascent, left._replace(subcarriers=left.subcarriers & rented.open_links[:, :, None])


def _finish(
    instance: Instance,
    ascent: Ascent,
    reduced: Open | None,
    log: Log | None,
) -> Result:
    """Decide by the integer program what the ascent left open; None if nothing better is left."""
    answer, bound_j = ascent.answer, ascent.bound_j
    stats = {"iterations": ascent.iterations, "kept": 0.0}
    if reduced is None:
        proven_j = np.inf if answer is None else answer.energy_j
        bound_j = bound_j if is_closed(answer, bound_j, OPTIMAL_GAP) else proven_j
        return conclude(instance, "exact", answer, bound_j, stats, OUT_OF_TIME)
    if is_over() or _is_too_large(reduced, left_s()):
        return conclude(instance, "exact", answer, bound_j, stats, OUT_OF_TIME)
    stats["kept"] = share_kept(instance, reduced)
    return finish(instance, answer, bound_j, reduced, stats, log)


def _is_too_large(part: Open, time_limit: float) -> bool:
    """Whether a program takes too long to build and to presolve, which HiGHS does not interrupt."""
    columns = int(part.possible.sum()) + 2 * int(part.subcarriers.sum())
    return columns > MOST_COLUMNS_PER_S * time_limit


def _pairs(reduced: Open) -> int:
    """Number of links and subcarriers that may be joined."""
    return int(reduced.subcarriers.sum())
