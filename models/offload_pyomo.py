"""Clairvoyant offloading in Pyomo: an interval packing that knows all arrivals.

::

    min  sum_na regret[n, a] alpha[n, a]
         sum_a alpha[n, a] = 1                                for each subtask n
         sum_n size[n] alpha[n, a] <= capacity of expert a    for each crowd that meets there
         alpha binary

See docs/problems/offloading.md.
"""

from __future__ import annotations

import pyomo.environ as pyo

from dmoe_opt.models.solvers import pyomo_solver
from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.optimum import Optimum, conclude, crowds, options, regret


def build(episode: Episode, *, relax: bool = False) -> pyo.ConcreteModel:
    """Minimise the regret: how much less subtasks earn than each would alone.

    Variable alpha[n, a] is 1 where subtask n goes to expert a < E, stays on the device (a = E) or
    is lost (a = E + 1). `relax` drops integrality.
    """
    cost, size = regret(episode), episode.size
    model = pyo.ConcreteModel("offloading")
    model.subtasks = pyo.RangeSet(0, episode.num_subtasks - 1)
    model.options = pyo.Set(initialize=options(episode), dimen=2)
    model.alpha = pyo.Var(model.options, domain=pyo.NonNegativeReals if relax else pyo.Binary)
    actions_of: dict[int, list[int]] = {}
    for n, a in model.options:
        actions_of.setdefault(n, []).append(a)
    together = crowds(episode)
    model.crowds = pyo.RangeSet(0, len(together) - 1)

    @model.Objective(sense=pyo.minimize)
    def given_up(model):
        """Regret of all subtasks."""
        return sum(float(cost[n, a]) * model.alpha[n, a] for n, a in model.options)

    @model.Constraint(model.subtasks)
    def placed_once(model, n):
        """A subtask is served, local or lost exactly once."""
        return sum(model.alpha[n, a] for a in actions_of[n]) == 1

    @model.Constraint(model.crowds)
    def room(model, k):
        """An expert holds no more at once than its capacity."""
        expert, crowd, capacity = together[k]
        return sum(float(size[n]) * model.alpha[n, expert] for n in crowd) <= capacity

    return model


def solve(
    episode: Episode,
    *,
    relax: bool = False,
    solver: str | None = None,
    time_limit: float | None = None,
) -> Optimum:
    """Solve with HiGHS, or with another solver by its Pyomo name.

    `relax` gives the bound of the linear relaxation.
    """
    model = build(episode, relax=relax)
    outcome = pyomo_solver.run(model, solver, time_limit)
    chosen = (
        [key for key in model.options if pyo.value(model.alpha[key]) > 0.5]
        if outcome.solved and not relax
        else None
    )
    return conclude(episode, "pyomo", chosen, outcome.bound)
