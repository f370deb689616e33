"""P1 in Pyomo: choose at most D experts per token that reach its threshold at least energy (docs/problems/selection.md)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyomo.environ as pyo

from dmoe_opt.answer.result import Result
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.models.solvers import pyomo_solver
from dmoe_opt.models.solvers.tokenwise import TokenAnswer, scale, solve_each
from dmoe_opt.selection.des import Progress


def build(
    problem: SelectionProblem,
    tokens: Iterable[int] | None = None,
    *,
    relax: bool = False,
    factor: float = 1.0,
) -> pyo.ConcreteModel:
    """The integer program of some tokens (default: all) in one model; `relax` drops integrality.

    Variable x[t, j] is 1 where token t uses expert j; the objective is in units of 1/factor joules.
    """
    g, e, theta = problem.scores, problem.cost, problem.effective_threshold
    model = pyo.ConcreteModel("selection")
    model.tokens = pyo.Set(initialize=range(problem.num_tokens) if tokens is None else tokens)
    model.experts = pyo.RangeSet(0, problem.num_experts - 1)
    model.x = pyo.Var(model.tokens, model.experts, domain=pyo.UnitInterval if relax else pyo.Binary)

    @model.Objective(sense=pyo.minimize)
    def energy(m):
        """Energy of all chosen experts."""
        return sum(factor * float(e[t, j]) * m.x[t, j] for t in m.tokens for j in m.experts)

    @model.Constraint(model.tokens)
    def relevance(m, t):
        """(C1) The chosen experts reach the threshold."""
        return sum(float(g[t, j]) * m.x[t, j] for j in m.experts) >= float(theta[t])

    @model.Constraint(model.tokens)
    def cap(m, t):
        """(C2) A token uses at most D experts."""
        return sum(m.x[t, j] for j in m.experts) <= problem.max_experts

    for t in model.tokens:
        for j in np.flatnonzero(~problem.usable[t]):
            model.x[t, int(j)].fix(0)
    return model


def solve(
    problem: SelectionProblem,
    *,
    time_limit: float | None = None,
    solver: str | None = None,
    progress: Progress | None = None,
) -> Result:
    """Solve token after token with HiGHS, or with another solver by its Pyomo name."""
    factors = scale(problem)

    def solve_one(t: int, left: float | None) -> TokenAnswer:
        model = build(problem, [t], factor=float(factors[t]))
        outcome = pyomo_solver.run(model, solver, left)
        bound = None if outcome.bound is None else outcome.bound / factors[t]
        if not outcome.solved:
            return TokenAnswer(None, bound)
        return TokenAnswer(np.array([pyo.value(model.x[t, j]) for j in model.experts]), bound)

    return solve_each(
        problem,
        "pyomo",
        solve_one,
        time_limit,
        progress,
        {"solver": solver or pyomo_solver.DEFAULT},
    )


def relaxation(problem: SelectionProblem, solver: str | None = None) -> float:
    """Optimum of the linear relaxation of all tokens, J: what DES computes by `des.relaxation`."""
    factors = scale(problem)
    total = 0.0
    for t in range(problem.num_tokens):
        model = build(problem, [t], relax=True, factor=float(factors[t]))
        pyomo_solver.run(model, solver, None)
        total += float(pyo.value(model.energy) / factors[t])
    return total
