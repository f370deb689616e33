"""The joint optimum of a round (P2), proven: bounds throw away most subcarriers, an integer program decides the rest.

1. `bcd` gives an answer of energy U; the relaxed bound is the sum of one bound per source node.
2. If link i -> j uses subcarrier m, node i pays at least the optimum of P1 with that link at price c[i, j, m] and all
   others on their best subcarrier. Where this lifts the bound of the round above U, the link cannot use m in any better
   answer. The price only grows along the subcarriers sorted by energy, so bisection finds the last one worth keeping.
   In the same way the bound of each token decides experts that it cannot, or must, use.
3. HiGHS solves the integer program of MODEL.md on what is left. What it proves there, or U, bounds the round.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dmoe_opt import des
from dmoe_opt.evaluate import Allocation, Selection
from dmoe_opt.instance import Instance, SelectionProblem
from dmoe_opt.jesa import solve_bcd
from dmoe_opt.models import joint_pyomo
from dmoe_opt.result import Result, Status, build

SLACK = 1e-9  # relative: what is within rounding of the incumbent is kept


def solve_exact(instance: Instance, *, time_limit: float | None = None) -> Result:
    """Joint optimum, or the best answer and bound within the time limit.

    Returns
    -------
    Result
        `stats` has `kept`, the share of (link, subcarrier) pairs that the integer program still had to decide.
    """
    started = time.monotonic()
    first = solve_bcd(instance)
    if first.status == Status.OPTIMAL:
        return _named(instance, first, first.bound_j, 0.0)
    reduced = None if first.objective_j is None else reduce(instance, first.objective_j)
    usable = np.isfinite(instance.link_energy)
    share = 1.0 if reduced is None else float(reduced.subcarriers.sum() / max(usable.sum(), 1))
    left = None if time_limit is None else max(time_limit - (time.monotonic() - started), 1e-3)
    second = joint_pyomo.solve(instance, time_limit=left, reduced=reduced)
    if second.status == Status.INFEASIBLE and first.objective_j is not None:
        return _named(instance, first, first.objective_j, share)  # nothing better is left
    bounds = [b for b in (first.bound_j, second.bound_j) if b is not None]
    answers = [r for r in (first, second) if r.objective_j is not None]
    if not answers:
        return _named(instance, second, max(bounds, default=None), share)
    best = min(answers, key=lambda r: r.objective_j or 0.0)
    bound = min(max(bounds), best.objective_j or 0.0)
    return _named(instance, best, bound, share)


def _named(instance: Instance, answer: Result, bound_j: float | None, share: float) -> Result:
    if answer.status == Status.INFEASIBLE:
        return replace(answer, method="exact")
    return build(
        instance, "exact", selection=answer.selection, allocation=answer.allocation, bound_j=bound_j,
        stats={"kept": share}, message=answer.message,
    )  # fmt: skip


def reduce(instance: Instance, energy_j: float) -> joint_pyomo.Reduced:
    """What answers that cost no more than `energy_j` may and must use."""
    problem = instance.selection_problem()
    _, bounds = des.choose(problem, problem.cost, problem.usable)
    room = energy_j * (1 + SLACK) - float(bounds.sum())
    possible, certain = _experts(problem, bounds, room)
    return joint_pyomo.Reduced(_subcarriers(instance, problem, bounds, room), possible, certain)


def _experts(problem: SelectionProblem, bounds: NDArray[np.float64], room: float) -> tuple[Selection, Selection]:
    """Experts that a token may use, and must use, for its own bound not to rise by more than `room`."""
    possible = np.zeros(problem.scores.shape, dtype=bool)
    certain = np.zeros(problem.scores.shape, dtype=bool)
    for j in range(problem.num_experts):
        usable = problem.usable.copy()
        usable[:, j] = False
        certain[:, j] = des.choose(problem, problem.cost, usable)[1] > bounds + room
        cost = problem.cost.copy()
        cost[:, j] = 0.0  # with expert j for free, a set with it costs at least the rest
        free = des.choose(problem, cost, problem.usable)[1]
        possible[:, j] = problem.usable[:, j] & (free + problem.cost[:, j] <= bounds + room)
    return possible | certain, certain


def _subcarriers(instance: Instance, problem: SelectionProblem, bounds: NDArray[np.float64], room: float) -> Allocation:
    """Subcarriers that a link may use for the bound of its node not to rise by more than `room`, shape (K, K, M)."""
    order = np.argsort(instance.link_energy, axis=2)
    allowed = np.zeros(instance.link_energy.shape, dtype=bool)
    for i in np.unique(instance.source):
        tokens = np.flatnonzero(instance.source == i)
        part = SelectionProblem(
            scores=problem.scores[tokens],
            cost=problem.cost[tokens],
            threshold=problem.threshold[tokens],
            max_experts=problem.max_experts,
            on_shortfall=problem.on_shortfall,
            usable=problem.usable[tokens],
        )
        for j in range(instance.num_experts):
            if j == i or not np.isfinite(instance.best_link_energy[i, j]):
                continue
            ladder = instance.link_energy[i, j, order[i, j]]
            ladder = ladder[np.isfinite(ladder)]
            last = _last_within(part, instance, j, ladder, room + float(bounds[tokens].sum()))
            allowed[i, j, order[i, j, : last + 1]] = True
    return allowed


def _last_within(part: SelectionProblem, instance: Instance, j: int, ladder: NDArray[np.float64], most_j: float) -> int:
    """Last position of the ascending prices at which the tokens of one node stay within `most_j`; 0 always does."""
    low, high = 0, len(ladder)
    while high - low > 1:
        middle = (low + high) // 2
        cost = part.cost.copy()
        cost[:, j] = instance.compute_energy[j] + ladder[middle]
        if float(des.choose(part, cost, part.usable)[1].sum()) <= most_j:
            low = middle
        else:
            high = middle
    return low
