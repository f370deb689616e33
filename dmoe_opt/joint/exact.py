"""The joint optimum of a round (P2), proven: prices on links close most of the gap, an integer program the rest.

1. The Lagrangian ascent (`lagrangian.py`) gives an answer of energy U and prices whose bound is L. Often L meets U.
2. Otherwise, whatever would lift L above U is decided: experts that a token cannot or must use, by DES at those prices;
   subcarriers that a link cannot use, by the reduced costs of the assignment.
3. HiGHS solves the integer program of docs/problems/joint.md on what is left. What it proves there, or U, bounds the round.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.objective import Allocation, Selection
from dmoe_opt.answer.result import OPTIMAL_GAP, Result, build, infeasible
from dmoe_opt.data.instance import Instance, SelectionProblem
from dmoe_opt.joint import highs
from dmoe_opt.joint.descent import conclude
from dmoe_opt.joint.lagrangian import Ascent, Log, close_in, evaluate_at
from dmoe_opt.models.solvers.tokenwise import NO_ALLOCATION
from dmoe_opt.selection import des

SLACK = 1e-9  # relative: what is within rounding of the incumbent is kept


class Dual(NamedTuple):
    """A bound in parts: DES per token (T,), what links keep (K, K), what subcarriers cost (M,), and link earnings."""

    bounds: NDArray[np.float64]
    profit: NDArray[np.float64]
    rent: NDArray[np.float64]
    earned: NDArray[np.float64]

    @property
    def value(self) -> float:
        """A lower bound of the round, J."""
        return float(self.bounds.sum() - self.profit.sum() - self.rent.sum())


def dual(instance: Instance, prices: NDArray[np.float64]) -> Dual:
    """The Lagrangian bound at prices (T, K) with the matching replaced by its dual: any rents >= 0 give a valid bound."""
    at = evaluate_at(instance, prices)
    rent = _rents(at.earned, at.allocation)
    profit = np.maximum((at.earned - rent).max(axis=2, initial=0.0), 0.0)
    return Dual(at.bounds, profit, rent, at.earned)


def _rents(earned: NDArray[np.float64], allocation: Allocation) -> NDArray[np.float64]:
    """Least dual prices of the subcarriers (M,): longest paths of exchanges, by the method of Bellman and Ford."""
    served = allocation.any(axis=2)
    rent = np.asarray(earned[~served].max(axis=0, initial=0.0))
    i, j, m = np.nonzero(allocation)
    asks = earned[i, j] - earned[i, j, m][:, None]
    for _ in range(len(m)):
        raised = np.maximum((asks + rent[m][:, None]).max(axis=0, initial=0.0), rent)
        if (raised == rent).all():
            break
        rent = raised
    return rent


def reduce(instance: Instance, prices: NDArray[np.float64], energy_j: float) -> highs.Reduced | None:
    """What answers that cost no more than `energy_j` may and must use, by the bound at prices (T, K); None if none can."""
    problem = instance.selection_problem()
    at = dual(instance, prices)
    room = energy_j * (1 + SLACK) - at.value
    possible, certain = _experts(problem, instance.compute_energy + prices, at.bounds, room)
    rise = at.profit[:, :, None] + at.rent - at.earned  # of the bound if the link takes that subcarrier
    subcarriers = (rise <= room) & np.isfinite(instance.link_energy)
    linked = subcarriers.any(axis=2) | np.eye(instance.num_experts, dtype=bool)
    possible &= np.asarray(linked[instance.source])
    _, bounds = des.choose(problem, problem.cost, possible)
    if (certain & ~possible).any() or np.isinf(bounds).any():
        return None
    return highs.Reduced(subcarriers, possible, certain)


def _experts(
    problem: SelectionProblem, cost: NDArray[np.float64], bounds: NDArray[np.float64], room: float
) -> tuple[Selection, Selection]:
    """Experts that a token may use, and must use, for its part of the bound not to rise by more than `room`."""
    possible = np.zeros(problem.scores.shape, dtype=bool)
    certain = np.zeros(problem.scores.shape, dtype=bool)
    for j in range(problem.num_experts):
        usable = problem.usable.copy()
        usable[:, j] = False
        certain[:, j] = des.choose(problem, cost, usable, des.QUICK_NODES)[1] > bounds + room
        free = cost.copy()
        free[:, j] = 0.0  # with expert j for free, a set with it costs at least the rest
        rest = des.choose(problem, free, problem.usable, des.QUICK_NODES)[1]
        possible[:, j] = problem.usable[:, j] & (rest + cost[:, j] <= bounds + room)
    return possible | certain, certain


def solve_exact(instance: Instance, *, time_limit: float | None = None, log: Log | None = None) -> Result:
    """Joint optimum, or the best answer and bound within the time limit.

    Parameters
    ----------
    log
        Called with (incumbent in J or None, bound in J) as the search goes on.

    Returns
    -------
    Result
        `stats` has `iterations` of the ascent, and `kept`, the share of (link, subcarrier) pairs that the integer
        program still had to decide.

    Examples
    --------
    >>> import dmoe_opt
    >>> from dmoe_opt.joint.exact import solve_exact
    >>> result = solve_exact(dmoe_opt.load("scarce-8x36-s0"), time_limit=60.0)
    >>> print(f"{result.status}: {1e3 * result.objective_j:.3f} mJ")
    optimal: 30.748 mJ
    """
    deadline = np.inf if time_limit is None else time.monotonic() + time_limit
    found = close_in(instance, deadline=deadline, log=log)
    if isinstance(found, Result):
        return replace(found, method="exact", stats={"iterations": 0, "kept": 0.0})
    return _finish(instance, found, deadline, log)


def _finish(instance: Instance, ascent: Ascent, deadline: float, log: Log | None) -> Result:
    """Decide by the integer program what the ascent left open."""
    answer, bound = ascent.answer, ascent.bound_j
    energy_j = np.inf if answer is None else answer.energy_j
    stats = {"iterations": ascent.iterations, "kept": 0.0}
    without = "no answer within the limit"
    left = deadline - time.monotonic()
    closed = answer is not None and energy_j - bound <= OPTIMAL_GAP * energy_j
    if closed or left <= 0:
        return conclude(instance, "exact", answer, bound, stats, without)
    problem, usable = instance.selection_problem(), np.isfinite(instance.link_energy)
    everything = highs.Reduced(usable, problem.usable, np.zeros_like(problem.usable))
    reduced = everything if answer is None else reduce(instance, ascent.prices, energy_j)
    if reduced is None:
        return conclude(instance, "exact", answer, energy_j, stats, without)
    links = usable & ~np.eye(instance.num_experts, dtype=bool)[:, :, None]
    stats["kept"] = float((reduced.subcarriers & links).sum() / max(links.sum(), 1))

    def seen(incumbent_j: float | None, bound_j: float) -> None:
        known = min((e for e in (incumbent_j, energy_j) if e is not None and np.isfinite(e)), default=None)
        if log:
            log(known, max(bound, min(bound_j, energy_j)))

    start = None if answer is None else (answer.selection, answer.allocation)
    found = highs.solve(instance, reduced, start, deadline - time.monotonic(), seen)
    if found.infeasible and answer is None:
        return infeasible(instance, "exact", NO_ALLOCATION.format(instance.num_subcarriers))
    bound = max(bound, energy_j if found.infeasible else min(found.bound_j, energy_j))
    rest = build(instance, "exact", selection=found.selection, allocation=found.allocation, bound_j=bound, stats=stats)
    if rest.objective_j is not None and rest.objective_j < energy_j:
        return rest
    return conclude(instance, "exact", answer, bound, stats, without)
