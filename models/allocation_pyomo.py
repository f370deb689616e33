"""P3 in Pyomo: every active link gets a subcarrier of its own at least energy.

::

    min  sum_lm cost[l, m] y[l, m]
    (C4) sum_m y[l, m] = 1    for every active link l
    (C3) sum_l y[l, m] <= 1   for every subcarrier m

See docs/problems/allocation.md.
"""

from __future__ import annotations

import numpy as np
import pyomo.environ as pyo
from numpy.typing import NDArray

from dmoe_opt.allocation.links import LinkAnswer, solve_with
from dmoe_opt.answer.objective import Selection
from dmoe_opt.answer.result import Result
from dmoe_opt.data.instance import Instance
from dmoe_opt.models.solvers import pyomo_solver


def build(cost: NDArray[np.float64], *, relax: bool = False) -> pyo.ConcreteModel:
    """The assignment of n links to M subcarriers.

    `cost` (n, M) is inf where a link cannot use a subcarrier. y[l, m] is 1 where link l uses
    subcarrier m; `relax` drops integrality.
    """
    uses = [(link, m) for link, m in np.argwhere(np.isfinite(cost)).tolist()]
    subcarriers_of: dict[int, list[int]] = {}
    links_on: dict[int, list[int]] = {}
    for link, m in uses:
        subcarriers_of.setdefault(link, []).append(m)
        links_on.setdefault(m, []).append(link)

    model = pyo.ConcreteModel("allocation")
    model.links = pyo.RangeSet(0, len(cost) - 1)
    model.subcarriers = pyo.Set(initialize=sorted(links_on))
    model.uses = pyo.Set(initialize=uses, dimen=2)
    model.y = pyo.Var(model.uses, domain=pyo.NonNegativeReals if relax else pyo.Binary)

    @model.Objective(sense=pyo.minimize)
    def energy(model):
        """Energy of all links."""
        return sum(float(cost[link, m]) * model.y[link, m] for link, m in uses)

    @model.Constraint(model.links)
    def served(model, link):
        """(C4) An active link has a subcarrier."""
        return sum(model.y[link, m] for m in subcarriers_of[link]) == 1

    @model.Constraint(model.subcarriers)
    def exclusive(model, m):
        """(C3) A subcarrier serves at most one link."""
        return sum(model.y[link, m] for link in links_on[m]) <= 1

    return model


def solve(
    instance: Instance,
    *,
    selection: Selection | None = None,
    time_limit: float | None = None,
    solver: str | None = None,
    relax: bool = False,
) -> Result:
    """Solve with HiGHS, or with another solver by its Pyomo name.

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
        model = build(cost, relax=relax)
        outcome = pyomo_solver.run(model, solver, time_limit)
        if not outcome.solved:
            return LinkAnswer(None, outcome.bound)
        chosen = np.zeros(cost.shape, dtype=bool)
        for link, m in model.uses:
            chosen[link, m] = pyo.value(model.y[link, m]) > 0.5
        return LinkAnswer(chosen, outcome.bound)

    stats = {"solver": solver or pyomo_solver.DEFAULT}
    return solve_with("pyomo", assign_links, instance, selection, stats)
