"""P3 in CVXPY: every active link gets a subcarrier of its own at least energy.

::

    min  sum_lm cost[l, m] y[l, m]
    (C4) sum_m y[l, m] = 1    for every active link l
    (C3) sum_l y[l, m] <= 1   for every subcarrier m

See docs/problems/allocation.md.
"""

from __future__ import annotations

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray

from dmoe_opt.allocation.links import LinkAnswer, solve_with
from dmoe_opt.answer.objective import Selection
from dmoe_opt.answer.result import Result
from dmoe_opt.data.instance import Instance
from dmoe_opt.models.solvers import cvxpy_solver


def build(cost: NDArray[np.float64], *, relax: bool = False) -> tuple[cp.Problem, cp.Variable]:
    """The assignment of n links to M subcarriers, and its variable y.

    `cost` (n, M) is inf where a link cannot use a subcarrier. y[l, m] is 1 where link l uses
    subcarrier m; `relax` drops integrality.
    """
    works = np.isfinite(cost)
    y = cp.Variable(cost.shape, boolean=not relax)

    energy = cp.sum(cp.multiply(np.where(works, cost, 0.0), y))
    served = cp.sum(y, axis=1) == 1  # (C4) an active link has a subcarrier
    exclusive = cp.sum(y, axis=0) <= 1  # (C3) a subcarrier serves at most one link
    bounds = [y >= 0, y <= works.astype(np.float64)]
    return cp.Problem(cp.Minimize(energy), [served, exclusive, *bounds]), y


def solve(
    instance: Instance,
    *,
    selection: Selection | None = None,
    time_limit: float | None = None,
    solver: str | None = None,
    relax: bool = False,
) -> Result:
    """Solve with HiGHS, or with another solver by its CVXPY name.

    Parameters
    ----------
    selection
        The experts chosen, shape (T, K), as in `allocation.links.chosen_experts`.
    time_limit
        Seconds.
    relax
        Solve the linear relaxation. Its vertices are assignments, so a simplex method ends at an
        optimum.
    """

    def assign_links(cost: NDArray[np.float64]) -> LinkAnswer:
        program, y = build(cost, relax=relax)
        outcome = cvxpy_solver.run(program, solver, time_limit)
        chosen = np.asarray(y.value) > 0.5 if outcome.solved else None
        return LinkAnswer(chosen, outcome.bound)

    stats = {"solver": solver or cvxpy_solver.DEFAULT}
    return solve_with("cvxpy", assign_links, instance, selection, stats)
