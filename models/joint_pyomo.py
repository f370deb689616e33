"""P2 in Pyomo: experts and subcarriers at once, an exact integer program (docs/problems/joint.md)."""

from __future__ import annotations

import time

import numpy as np
import pyomo.environ as pyo

from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.result import Result, infeasible
from dmoe_opt.answer.result import build as build_result
from dmoe_opt.data.instance import Instance
from dmoe_opt.joint.highs import NO_ALLOCATION, factor_of
from dmoe_opt.models.solvers import pyomo_solver
from dmoe_opt.selection.relaxed import relaxed_bound


def build(instance: Instance, *, factor: float = 1.0) -> pyo.ConcreteModel:
    """The program of a round; its objective is the energy times `factor`.

    alpha[t, j] is 1 where token t uses expert j; y[i, j, m] is 1 where link i -> j uses subcarrier m; f[i, j, m] is
    the number of tokens that the link sends on it. One subcarrier per link is enough, so f is all of its load.
    """
    problem = instance.selection_problem()
    g, theta, source, c = (
        problem.scores,
        problem.effective_threshold,
        instance.source,
        instance.link_energy,
    )
    pairs = [(t, j) for t, j in np.argwhere(problem.usable).tolist()]
    links = sorted({(int(source[t]), j) for t, j in pairs if source[t] != j})
    uses = [(i, j, m) for i, j in links for m in np.flatnonzero(np.isfinite(c[i, j])).tolist()]
    model = pyo.ConcreteModel("jesa")
    model.tokens = pyo.RangeSet(0, instance.num_tokens - 1)
    model.pairs = pyo.Set(initialize=pairs, dimen=2)
    model.links = pyo.Set(initialize=links, dimen=2)
    model.uses = pyo.Set(initialize=uses, dimen=3)
    model.alpha = pyo.Var(model.pairs, domain=pyo.Binary)
    model.y = pyo.Var(model.uses, domain=pyo.Binary)
    model.f = pyo.Var(model.uses, domain=pyo.NonNegativeReals)
    experts_of: dict[int, list[int]] = {t: [] for t in range(instance.num_tokens)}
    senders_of: dict[tuple[int, int], list[int]] = {link: [] for link in links}
    for t, j in pairs:
        experts_of[t].append(j)
        if source[t] != j:
            senders_of[int(source[t]), j].append(t)
    carriers_of: dict[tuple[int, int], list[int]] = {link: [] for link in links}
    links_on: dict[int, list[tuple[int, int]]] = {}
    for i, j, m in uses:
        carriers_of[i, j].append(m)
        links_on.setdefault(m, []).append((i, j))

    @model.Objective(sense=pyo.minimize)
    def energy(model):
        """Computing, and what the links send."""
        computing = sum(
            factor * float(instance.compute_energy[j]) * model.alpha[t, j] for t, j in pairs
        )
        return computing + sum(factor * float(c[i, j, m]) * model.f[i, j, m] for i, j, m in uses)

    @model.Constraint(model.tokens)
    def relevance(model, t):
        """(C1) The chosen experts reach the threshold."""
        if not experts_of[t]:
            return pyo.Constraint.Skip
        return sum(float(g[t, j]) * model.alpha[t, j] for j in experts_of[t]) >= float(theta[t])

    @model.Constraint(model.tokens)
    def cap(model, t):
        """(C2) A token uses at most D experts."""
        if not experts_of[t]:
            return pyo.Constraint.Skip
        return sum(model.alpha[t, j] for j in experts_of[t]) <= instance.max_experts

    @model.Constraint(sorted(links_on))
    def exclusive(model, m):
        """(C3) A subcarrier serves at most one link."""
        return sum(model.y[i, j, m] for i, j in links_on[m]) <= 1

    @model.Constraint(model.links)
    def single(model, i, j):
        """One subcarrier per link is enough."""
        return sum(model.y[i, j, m] for m in carriers_of[i, j]) <= 1

    @model.Constraint(model.links)
    def flow(model, i, j):
        """A link sends the tokens that chose its end."""
        return sum(model.f[i, j, m] for m in carriers_of[i, j]) == sum(
            model.alpha[t, j] for t in senders_of[i, j]
        )

    @model.Constraint(model.uses)
    def open_link(model, i, j, m):
        """(C4) Tokens go only where the link has the subcarrier."""
        return model.f[i, j, m] <= len(senders_of[i, j]) * model.y[i, j, m]

    @model.Constraint([(t, j) for t, j in pairs if source[t] != j])
    def reachable(model, t, j):
        """A token reaches an expert only over an open link; tightens the relaxation."""
        i = int(source[t])
        return model.alpha[t, j] <= sum(model.y[i, j, m] for m in carriers_of[i, j])

    return model


def solve(
    instance: Instance,
    *,
    time_limit: float | None = None,
    solver: str | None = None,
) -> Result:
    """Solve the round as one integer program with HiGHS, or with another solver by its Pyomo name."""
    problem = instance.selection_problem()
    stats = {"solver": solver or pyomo_solver.DEFAULT}
    started = time.monotonic()
    factor = factor_of(instance)
    model = build(instance, factor=factor)
    if not len(model.pairs):
        empty = np.zeros(problem.scores.shape, dtype=bool)
        return build_result(instance, "pyomo", Decision(instance, empty), bound_j=0.0, stats=stats)
    left = None if time_limit is None else max(time_limit - (time.monotonic() - started), 1e-3)
    outcome = pyomo_solver.run(model, solver, left)
    bound = (
        relaxed_bound(instance)[1] if outcome.bound is None else max(outcome.bound / factor, 0.0)
    )
    if not outcome.solved:
        if outcome.infeasible:
            return infeasible(instance, "pyomo", NO_ALLOCATION.format(instance.num_subcarriers))
        return build_result(
            instance, "pyomo", bound_j=bound, stats=stats, message="no answer within the limit"
        )
    selection = np.zeros(problem.scores.shape, dtype=bool)
    for t, j in model.pairs:
        selection[t, j] = pyo.value(model.alpha[t, j]) > 0.5
    allocation = np.zeros(instance.link_energy.shape, dtype=bool)
    for i, j, m in model.uses:
        allocation[i, j, m] = pyo.value(model.y[i, j, m]) > 0.5
    return build_result(
        instance, "pyomo", Decision(instance, selection, allocation), bound_j=bound, stats=stats
    )
