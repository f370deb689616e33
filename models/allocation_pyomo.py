"""P3 in Pyomo: every active link gets a subcarrier of its own at least energy.

::

    min  sum_lm cost[l, m] y[l, m]
    (C3) sum_l y[l, m] <= 1
    (C4) sum_m y[l, m] = 1
         y binary

See docs/problems/allocation.md.
"""

from __future__ import annotations

import time

import numpy as np
import pyomo.environ as pyo
from numpy.typing import NDArray

from dmoe_opt.allocation.links import LinkAnswer, solve_with
from dmoe_opt.allocation.routes import Routes, require_whole, solve_routes
from dmoe_opt.answer.objective import Selection
from dmoe_opt.answer.result import Result
from dmoe_opt.clock import left_s, until
from dmoe_opt.data.instance import Instance
from dmoe_opt.models.solvers import pyomo_solver


def build(cost: NDArray[np.float64], *, relax: bool = False) -> pyo.ConcreteModel:
    """The assignment of n links to M subcarriers at `cost` (n, M).

    A cost of inf says that a link cannot use a subcarrier. Variable y[l, m] is 1 where link l uses
    subcarrier m; `relax` drops integrality.
    """
    uses = [(link, m) for link, m in np.argwhere(np.isfinite(cost)).tolist()]
    subcarriers_of, links_on = _by_link_and_subcarrier(uses)
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


def build_in_time(routes: Routes) -> pyo.ConcreteModel:
    """The program of `allocation.routes`, under a deadline; links may have several subcarriers.

    y[l, m] is 1 where link l uses subcarrier m, and f[l, m] are the tokens that it sends there.
    """
    uses = [(link, m) for link, m in np.argwhere(routes.room).tolist()]
    subcarriers_of, links_on = _by_link_and_subcarrier(uses)
    model = pyo.ConcreteModel("allocation")
    model.links = pyo.Set(initialize=sorted(subcarriers_of))
    model.uses = pyo.Set(initialize=uses, dimen=2)
    model.y = pyo.Var(model.uses, domain=pyo.Binary)
    model.f = pyo.Var(model.uses, domain=pyo.NonNegativeReals)

    @model.Objective(sense=pyo.minimize)
    def energy(model):
        """Energy of all links."""
        return sum(float(routes.energy[use]) * model.f[use] for use in uses)

    @model.Constraint(sorted(links_on))
    def exclusive(model, m):
        """(C3) A subcarrier serves at most one link."""
        return sum(model.y[link, m] for link in links_on[m]) <= 1

    @model.Constraint(model.links)
    def served(model, link):
        """(C4) A link sends all of its tokens."""
        return sum(model.f[link, m] for m in subcarriers_of[link]) == int(routes.load[link])

    @model.Constraint(model.links)
    def enough(model, link):
        """A link needs so many subcarriers at least; tightens the relaxation."""
        return sum(model.y[link, m] for m in subcarriers_of[link]) >= int(routes.needed[link])

    @model.Constraint(model.uses)
    def in_time(model, link, m):
        """(C7) A subcarrier sends no more tokens than it can before the deadline."""
        return model.f[link, m] <= int(routes.room[link, m]) * model.y[link, m]

    return model


def _by_link_and_subcarrier(
    uses: list[tuple[int, int]],
) -> tuple[dict[int, list[int]], dict[int, list[int]]]:
    """The subcarriers that each link can use, and the links that can use each subcarrier."""
    subcarriers_of: dict[int, list[int]] = {}
    links_on: dict[int, list[int]] = {}
    for link, m in uses:
        subcarriers_of.setdefault(link, []).append(m)
        links_on.setdefault(m, []).append(link)
    return subcarriers_of, links_on


def solve(
    instance: Instance,
    *,
    selection: Selection | None = None,
    time_limit: float | None = None,
    solver: str | None = None,
    relax: bool = False,
) -> Result:
    """Solve with HiGHS, or with another solver by its Pyomo name.

    `selection` is as in `links.chosen_experts`. `relax` solves the linear relaxation: its vertices
    are assignments, so a simplex method ends at an optimum.
    """

    def assign_links(cost: NDArray[np.float64]) -> LinkAnswer:
        if np.isfinite(cost).sum() > pyomo_solver.MOST_PER_S * left_s():
            return LinkAnswer(None, None)  # building it cannot be interrupted
        began = time.monotonic()
        model = build(cost, relax=relax)
        limit_s = pyomo_solver.limit_after(time.monotonic() - began)
        outcome = pyomo_solver.run(model, solver, limit_s)
        if not outcome.solved:
            return LinkAnswer(None, outcome.bound)
        chosen = np.zeros(cost.shape, dtype=bool)
        for link, m in model.uses:
            chosen[link, m] = pyo.value(model.y[link, m]) > 0.5
        return LinkAnswer(chosen, outcome.bound)

    def send(routes: Routes) -> LinkAnswer:
        began = time.monotonic()
        model = build_in_time(routes)
        limit_s = pyomo_solver.limit_after(time.monotonic() - began)
        outcome = pyomo_solver.run(model, solver, limit_s)
        if not outcome.solved:
            return LinkAnswer(None, outcome.bound, outcome.infeasible)
        chosen = np.zeros(routes.room.shape, dtype=bool)
        for use in model.uses:
            chosen[use] = pyo.value(model.y[use]) > 0.5
        return LinkAnswer(chosen, outcome.bound)

    stats = {"solver": solver or pyomo_solver.DEFAULT}
    with until(time_limit):
        if instance.air_tokens is None:
            return solve_with("pyomo", assign_links, instance, selection, stats)
        require_whole(relax)
        return solve_routes("pyomo", send, instance, selection, stats)
