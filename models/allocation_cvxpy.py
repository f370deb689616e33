"""P3 in CVXPY: every active link gets a subcarrier of its own at least energy.

::

    min  sum_lm cost[l, m] y[l, m]
    (C3) sum_l y[l, m] <= 1
    (C4) sum_m y[l, m] = 1
         y binary

See docs/problems/allocation.md.
"""

from __future__ import annotations

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray

from dmoe_opt.allocation.links import LinkAnswer, solve_with
from dmoe_opt.allocation.routes import Routes, require_whole, solve_routes
from dmoe_opt.answer.objective import Selection
from dmoe_opt.answer.result import Result
from dmoe_opt.clock import left_s, until
from dmoe_opt.data.instance import Instance
from dmoe_opt.models.solvers import cvxpy_solver


def build(cost: NDArray[np.float64], *, relax: bool = False) -> tuple[cp.Problem, cp.Variable]:
    """The assignment of n links to M subcarriers at `cost` (n, M).

    A cost of inf says that a link cannot use a subcarrier. Variable y[l, m] is 1 where link l uses
    subcarrier m; `relax` drops integrality.
    """
    works = np.isfinite(cost)
    y = cp.Variable(cost.shape, boolean=not relax)

    energy = cp.sum(cp.multiply(np.where(works, cost, 0.0), y))
    served = cp.sum(y, axis=1) == 1  # (C4) an active link has a subcarrier
    exclusive = cp.sum(y, axis=0) <= 1  # (C3) a subcarrier serves at most one link
    bounds = [y >= 0, y <= works.astype(np.float64)]
    return cp.Problem(cp.Minimize(energy), [served, exclusive, *bounds]), y


def build_in_time(routes: Routes) -> tuple[cp.Problem, cp.Variable]:
    """The program of `allocation.routes`, under a deadline; links may have several subcarriers.

    y[l, m] is 1 where link l uses subcarrier m, and f[l, m] are the tokens that it sends there.
    """
    y = cp.Variable(routes.room.shape, boolean=True)
    f = cp.Variable(routes.room.shape, nonneg=True)

    energy = cp.sum(cp.multiply(routes.energy, f))
    exclusive = cp.sum(y, axis=0) <= 1  # (C3) a subcarrier serves at most one link
    served = cp.sum(f, axis=1) == routes.load  # (C4) a link sends all of its tokens
    enough = cp.sum(y, axis=1) >= routes.needed  # so many subcarriers at least
    in_time = f <= cp.multiply(routes.room, y)  # (C7) what a subcarrier can send in time
    usable = y <= (routes.room > 0).astype(np.float64)
    return cp.Problem(cp.Minimize(energy), [exclusive, served, enough, in_time, usable]), y


def solve(
    instance: Instance,
    *,
    selection: Selection | None = None,
    time_limit: float | None = None,
    solver: str | None = None,
    relax: bool = False,
) -> Result:
    """Solve with HiGHS, or with another solver by its CVXPY name.

    `selection` is as in `links.chosen_experts`. `relax` solves the linear relaxation: its vertices
    are assignments, so a simplex method ends at an optimum.
    """

    def assign_links(cost: NDArray[np.float64]) -> LinkAnswer:
        if cost.size > cvxpy_solver.MOST_PER_S * left_s():
            return LinkAnswer(None, None)  # translating it cannot be interrupted
        program, y = build(cost, relax=relax)
        outcome = cvxpy_solver.run(program, solver, None if time_limit is None else left_s())
        return LinkAnswer(np.asarray(y.value) > 0.5 if outcome.solved else None, outcome.bound)

    def send(routes: Routes) -> LinkAnswer:
        program, y = build_in_time(routes)
        outcome = cvxpy_solver.run(program, solver, None if time_limit is None else left_s())
        chosen = np.asarray(y.value) > 0.5 if outcome.solved else None
        return LinkAnswer(chosen, outcome.bound, outcome.infeasible)

    stats = {"solver": solver or cvxpy_solver.DEFAULT}
    with until(time_limit):
        if instance.air_tokens is None:
            return solve_with("cvxpy", assign_links, instance, selection, stats)
        require_whole(relax)
        return solve_routes("cvxpy", send, instance, selection, stats)
