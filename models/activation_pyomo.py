"""Which links may be active, in Pyomo: P2 without telling subcarriers apart (MODEL.md section 2, scarce spectrum).

Every link is priced on its best subcarrier, and no more links may be active than subcarriers exist. That bounds the
round, and its links can be assigned subcarriers to make an answer.
"""

from __future__ import annotations

import numpy as np
import pyomo.environ as pyo
from numpy.typing import NDArray

from dmoe_opt.activation import fewest_links, too_many_links
from dmoe_opt.assignment import allocate
from dmoe_opt.evaluate import loads
from dmoe_opt.instance import Instance
from dmoe_opt.models import pyomo_solver
from dmoe_opt.models.tokenwise import scale
from dmoe_opt.result import Result, infeasible
from dmoe_opt.result import build as build_result


def build(instance: Instance, *, needed: NDArray[np.int64], factor: float = 1.0) -> pyo.ConcreteModel:
    """The program of a round; its objective is the energy times `factor`.

    u[i, j] is 1 where link i -> j may be active; alpha[t, j] is 1 where token t uses expert j. `needed` (K,) are links
    that each node needs at least, which tightens the relaxation; zeros if unknown.
    """
    problem = instance.selection_problem()
    g, theta, source = problem.scores, problem.effective_threshold, instance.source
    pairs = [(t, j) for t, j in np.argwhere(problem.usable).tolist()]
    away = [(t, j) for t, j in pairs if source[t] != j]
    experts_of: dict[int, list[int]] = {}
    for t, j in pairs:
        experts_of.setdefault(t, []).append(j)
    links_of: dict[int, list[int]] = {}
    for i, j in sorted({(int(source[t]), j) for t, j in away}):
        links_of.setdefault(i, []).append(j)
    model = pyo.ConcreteModel("activation")
    model.pairs = pyo.Set(initialize=pairs, dimen=2)
    model.links = pyo.Set(initialize=[(i, j) for i, ends in links_of.items() for j in ends], dimen=2)
    model.alpha = pyo.Var(model.pairs, domain=pyo.Binary)
    model.u = pyo.Var(model.links, domain=pyo.Binary)

    @model.Objective(sense=pyo.minimize)
    def energy(model):
        """Computing and sending, every link on its best subcarrier."""
        return sum(factor * float(problem.cost[t, j]) * model.alpha[t, j] for t, j in pairs)

    @model.Constraint(sorted(experts_of))
    def relevance(model, t):
        """(C1) The chosen experts reach the threshold."""
        return sum(float(g[t, j]) * model.alpha[t, j] for j in experts_of[t]) >= float(theta[t])

    @model.Constraint(sorted(experts_of))
    def cap(model, t):
        """(C2) A token uses at most D experts."""
        return sum(model.alpha[t, j] for j in experts_of[t]) <= instance.max_experts

    @model.Constraint([0] if links_of else [])
    def budget(model, _):
        """(C3) counted: there are as many links as subcarriers at most."""
        return sum(model.u[link] for link in model.links) <= instance.num_subcarriers

    @model.Constraint(away)
    def reachable(model, t, j):
        """(C4) A token reaches an expert only over an active link."""
        return model.alpha[t, j] <= model.u[int(source[t]), j]

    @model.Constraint(sorted(links_of))
    def fewest(model, i):
        """A node needs so many links to serve its tokens."""
        return sum(model.u[i, j] for j in links_of[i]) >= int(needed[i])

    return model


def solve(instance: Instance, *, time_limit: float | None = None) -> Result:
    """Bound of the round, and the answer that its active links give once they are assigned subcarriers.

    Returns
    -------
    Result
        `infeasible` with the number of links needed, where that is more than the subcarriers; `stats` has
        `links_needed`, a lower bound on the active links.
    """
    needed = fewest_links(instance).needed
    if reason := too_many_links(instance, needed):
        return infeasible(instance, "activation", reason)
    problem = instance.selection_problem()
    stats = {"links_needed": int(needed.sum())}
    factor = float(np.median(scale(problem))) if problem.num_tokens else 1.0
    model = build(instance, needed=needed, factor=factor)
    selection = np.zeros(problem.scores.shape, dtype=bool)
    if not len(model.pairs):
        return build_result(instance, "activation", selection=selection, bound_j=0.0, stats=stats)
    outcome = pyomo_solver.run(model, None, time_limit)
    bound = None if outcome.bound is None else max(outcome.bound / factor, 0.0)
    if not outcome.solved:
        return build_result(instance, "activation", bound_j=bound, stats=stats, message="no answer within the limit")
    for t, j in model.pairs:
        selection[t, j] = pyo.value(model.alpha[t, j]) > 0.5
    allocation = allocate(instance, loads(instance, selection))
    if allocation is None:
        message = "a bound only: the active links cannot all be given a subcarrier that works"
        return build_result(instance, "activation", bound_j=bound, stats=stats, message=message)
    return build_result(instance, "activation", selection=selection, allocation=allocation, bound_j=bound, stats=stats)
