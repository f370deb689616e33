"""P1 in Pyomo: choose at most D experts per token that reach its threshold at least energy.

::

    min  sum_tj e[t, j] alpha[t, j]
    (C1) sum_j g[t, j] alpha[t, j] >= theta[t]   for every token t
    (C2) sum_j alpha[t, j] <= D                  for every token t

See docs/problems/selection.md.
"""

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

    alpha[t, j] is 1 where token t uses expert j; the objective is in units of 1/factor joules.
    """
    g, e, theta = problem.scores, problem.cost, problem.effective_threshold
    domain = pyo.UnitInterval if relax else pyo.Binary
    model = pyo.ConcreteModel("selection")
    model.tokens = pyo.Set(initialize=range(problem.num_tokens) if tokens is None else tokens)
    model.experts = pyo.RangeSet(0, problem.num_experts - 1)
    model.alpha = pyo.Var(model.tokens, model.experts, domain=domain)

    @model.Objective(sense=pyo.minimize)
    def energy(m):
        """Energy of all chosen experts."""
        return sum(factor * float(e[t, j]) * m.alpha[t, j] for t in m.tokens for j in m.experts)

    @model.Constraint(model.tokens)
    def relevance(m, t):
        """(C1) The chosen experts reach the threshold."""
        return sum(float(g[t, j]) * m.alpha[t, j] for j in m.experts) >= float(theta[t])

    @model.Constraint(model.tokens)
    def cap(m, t):
        """(C2) A token uses at most D experts."""
        return sum(m.alpha[t, j] for j in m.experts) <= problem.max_experts

    for t in model.tokens:
        for j in np.flatnonzero(~problem.usable[t]).tolist():
            model.alpha[t, j].fix(0)
    return model


def solve(
    problem: SelectionProblem,
    *,
    time_limit: float | None = None,
    solver: str | None = None,
    progress: Progress | None = None,
) -> Result:
    """Solve token after token with HiGHS, or with another solver by its Pyomo name.

    The tokens share `time_limit`, in seconds.
    """
    factors = scale(problem)

    def solve_one(t: int, left: float | None) -> TokenAnswer:
        model = build(problem, [t], factor=float(factors[t]))
        outcome = pyomo_solver.run(model, solver, left)
        bound_j = None if outcome.bound is None else outcome.bound / factors[t]
        if not outcome.solved:
            return TokenAnswer(None, bound_j)
        chosen = np.array([pyo.value(model.alpha[t, j]) for j in model.experts])
        return TokenAnswer(chosen, bound_j)

    stats = {"solver": solver or pyomo_solver.DEFAULT}
    return solve_each(problem, "pyomo", solve_one, time_limit, progress, stats)


def relaxation(problem: SelectionProblem, solver: str | None = None) -> float:
    """Optimum of the linear relaxation of all tokens, J; `des.relaxation` computes the same."""
    factors = scale(problem)
    total = 0.0
    for t in range(problem.num_tokens):
        model = build(problem, [t], relax=True, factor=float(factors[t]))
        pyomo_solver.run(model, solver, None)
        total += float(pyo.value(model.energy) / factors[t])
    return total
