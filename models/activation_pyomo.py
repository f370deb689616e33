"""Which links may be active, in Pyomo: P2 without telling subcarriers apart (MODEL.md section 2, scarce spectrum).

Every link is priced on its best subcarrier, and no more links may be active than subcarriers exist. That bounds the
round; where too many links are needed, it has no answer.
"""

from __future__ import annotations

import time

import numpy as np
import pyomo.environ as pyo

from dmoe_opt.assignment import allocate
from dmoe_opt.evaluate import loads
from dmoe_opt.instance import Instance
from dmoe_opt.models import pyomo_solver
from dmoe_opt.models.tokenwise import scale
from dmoe_opt.result import Result, infeasible
from dmoe_opt.result import build as build_result


def build(
    instance: Instance, *, factor: float = 1.0, node: int | None = None, fewest: list[int] | None = None
) -> pyo.ConcreteModel:
    """The program of a round; with `node`, of that node's tokens alone, counting links in place of energy.

    u[i, j] is 1 where link i -> j may be active; alpha[t, j] is 1 where token t uses expert j. `fewest` are links that
    each node needs at least, if known. The objective is the energy times `factor`.
    """
    problem = instance.selection_problem()
    g, theta, source = problem.scores, problem.effective_threshold, instance.source
    mine = np.ones(len(source), dtype=bool) if node is None else source == node
    pairs = [(t, j) for t, j in np.argwhere(problem.usable & mine[:, None]).tolist()]
    away = [(t, j) for t, j in pairs if source[t] != j]
    experts_of: dict[int, list[int]] = {t: [] for t in np.flatnonzero(mine).tolist()}
    for t, j in pairs:
        experts_of[t].append(j)
    tokens = [t for t, experts in experts_of.items() if experts]
    model = pyo.ConcreteModel("activation")
    model.pairs = pyo.Set(initialize=pairs, dimen=2)
    model.links = pyo.Set(initialize=sorted({(int(source[t]), j) for t, j in away}), dimen=2)
    model.alpha = pyo.Var(model.pairs, domain=pyo.Binary)
    model.u = pyo.Var(model.links, domain=pyo.Binary)
    model.number = pyo.Expression(expr=sum(model.u[link] for link in model.links))

    @model.Objective(sense=pyo.minimize)
    def least(model):
        """Energy with every link on its best subcarrier, or the number of links."""
        return (
            model.number if node is not None else sum(factor * float(problem.cost[t, j]) * model.alpha[t, j] for t, j in pairs)
        )

    @model.Constraint(tokens)
    def relevance(model, t):
        """(C1) The chosen experts reach the threshold."""
        return sum(float(g[t, j]) * model.alpha[t, j] for j in experts_of[t]) >= float(theta[t])

    @model.Constraint(tokens)
    def cap(model, t):
        """(C2) A token uses at most D experts."""
        return sum(model.alpha[t, j] for j in experts_of[t]) <= instance.max_experts

    @model.Constraint(away)
    def reachable(model, t, j):
        """(C4) A token reaches an expert only over an active link."""
        return model.alpha[t, j] <= model.u[int(source[t]), j]

    if node is None:
        model.budget = pyo.Constraint(expr=model.number <= instance.num_subcarriers)  # (C3), counted

        @model.Constraint(list(enumerate(fewest or [])))
        def needed(model, i, number):
            """What each node needs by itself; tightens the relaxation."""
            outgoing = [model.u[link] for link in model.links if link[0] == i]
            return sum(outgoing) >= number if outgoing else pyo.Constraint.Skip

    return model


def fewest_links(instance: Instance, time_limit: float | None = None) -> list[int]:
    """Least number of active links with which each node can serve its tokens (proven lower bounds), one per node.

    Nodes share no link, so the sum is what the round needs at least.
    """
    deadline = None if time_limit is None else time.monotonic() + time_limit
    fewest = []
    for node in range(instance.num_experts):
        model = build(instance, node=node)
        if not len(model.links):
            fewest.append(0)
            continue
        left = None if deadline is None else max(deadline - time.monotonic(), 1e-3)
        bound = pyomo_solver.run(model, None, left).bound
        fewest.append(0 if bound is None else max(0, int(np.ceil(bound - 1e-6))))
    return fewest


def too_many_links(instance: Instance, fewest: list[int]) -> str | None:
    """Why a round cannot be served, in words, if the links that its nodes need are more than the subcarriers."""
    if sum(fewest) <= instance.num_subcarriers:
        return None
    nodes = ", ".join(f"{n} from node {i}" for i, n in enumerate(fewest) if n)
    return f"at least {sum(fewest)} links must be active ({nodes}) and {instance.num_subcarriers} subcarriers exist"


def solve(instance: Instance, *, time_limit: float | None = None) -> Result:
    """Bound of the round, and the answer that its active links give once they are assigned subcarriers.

    Returns
    -------
    Result
        `infeasible` with the number of links needed, where that is more than the subcarriers; `stats` has
        `fewest_links`, the number needed at least.
    """
    started = time.monotonic()
    fewest = fewest_links(instance, time_limit)
    if reason := too_many_links(instance, fewest):
        return infeasible(instance, "activation", reason)
    problem = instance.selection_problem()
    stats = {"fewest_links": sum(fewest)}
    factor = float(np.median(scale(problem))) if problem.num_tokens else 1.0
    model = build(instance, factor=factor, fewest=fewest)
    selection = np.zeros(problem.scores.shape, dtype=bool)
    if not len(model.pairs):
        return build_result(instance, "activation", selection=selection, bound_j=0.0, stats=stats)
    left = None if time_limit is None else max(time_limit - (time.monotonic() - started), 1e-3)
    outcome = pyomo_solver.run(model, None, left)
    bound = None if outcome.bound is None else max(outcome.bound / factor, 0.0)
    if outcome.infeasible:
        return infeasible(instance, "activation", "proven by the solver: the tokens need more links than subcarriers exist")
    if not outcome.solved:
        return build_result(instance, "activation", bound_j=bound, stats=stats, message="no answer within the limit")
    for t, j in model.pairs:
        selection[t, j] = pyo.value(model.alpha[t, j]) > 0.5
    allocation = allocate(instance, loads(instance, selection))
    if allocation is None:
        message = "a bound only: the active links cannot all be given a subcarrier that works"
        return build_result(instance, "activation", bound_j=bound, stats=stats, message=message)
    return build_result(instance, "activation", selection=selection, allocation=allocation, bound_j=bound, stats=stats)
