"""P1 in Pyomo: choose at most D experts per token that reach its threshold at least energy.

::

    min  sum_j e[t, j] alpha[t, j]
    (C1) sum_j g[t, j] alpha[t, j] >= theta[t]
    (C2) sum_j alpha[t, j] <= D
         alpha binary

Where a token pays p[t, n] once for each node n that it uses, sum_n p[t, n] omega[t, n] is added,
and

::

    omega[t, n] >= alpha[t, j] for every expert j on node n

See docs/problems/selection.md.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyomo.environ as pyo
from numpy.typing import NDArray

from dmoe_opt.answer.result import Result
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.models.solvers import pyomo_solver
from dmoe_opt.models.solvers.tokenwise import Token, TokenAnswer, scaled, solve_each
from dmoe_opt.selection.covers import threshold_rows
from dmoe_opt.selection.search import Progress


def build(
    problem: SelectionProblem,
    tokens: Iterable[int] | None = None,
    *,
    relax: bool = False,
    factor: float = 1.0,
    candidates: NDArray[np.bool_] | None = None,
) -> pyo.ConcreteModel:
    """The integer program of some tokens (default: all) in one model.

    Variable alpha[t, j] is 1 where token t uses expert j; `relax` drops integrality. The objective
    is in units of 1/factor joules. `candidates` (T, K) are experts that may be chosen, by default
    all that are usable.
    """
    usable = problem.usable if candidates is None else candidates
    g, theta = threshold_rows(problem, relax=relax)
    e = np.where(usable, problem.cost, 0.0)
    model = pyo.ConcreteModel("selection")
    model.tokens = pyo.Set(initialize=range(problem.num_tokens) if tokens is None else tokens)
    model.experts = pyo.RangeSet(0, problem.num_experts - 1)
    domain = pyo.UnitInterval if relax else pyo.Binary
    model.alpha = pyo.Var(model.tokens, model.experts, domain=domain)

    p = np.zeros((problem.num_tokens, 0)) if problem.node_cost is None else problem.node_cost
    model.nodes = pyo.RangeSet(0, p.shape[1] - 1)
    model.omega = pyo.Var(model.tokens, model.nodes, domain=pyo.UnitInterval)

    @model.Objective(sense=pyo.minimize)
    def energy(m):
        """Energy of all chosen experts."""
        paid = sum(factor * float(e[t, j]) * m.alpha[t, j] for t in m.tokens for j in m.experts)
        return paid + sum(
            factor * float(p[t, n]) * m.omega[t, n] for t in m.tokens for n in m.nodes
        )

    @model.Constraint(model.tokens)
    def relevance(m, t):
        """(C1) The chosen experts reach the threshold."""
        return sum(float(g[t, j]) * m.alpha[t, j] for j in m.experts) >= float(theta[t])

    @model.Constraint(model.tokens)
    def cap(m, t):
        """(C2) A token uses at most D experts."""
        return sum(m.alpha[t, j] for j in m.experts) <= problem.max_experts

    if problem.placement is not None:
        node_of = problem.placement.tolist()

        @model.Constraint(model.tokens, model.experts)
        def once(m, t, j):
            """The node of a chosen expert is paid for."""
            return m.omega[t, node_of[j]] >= m.alpha[t, j]

    for t in model.tokens:
        for j in np.flatnonzero(~usable[t]).tolist():
            model.alpha[t, j].fix(0)
    return model


def solve(
    problem: SelectionProblem,
    *,
    time_limit: float | None = None,
    solver: str | None = None,
    progress: Progress | None = None,
) -> Result:
    """Solve token after token with HiGHS, or with another solver by its Pyomo name."""

    def solve_token(token: Token) -> TokenAnswer:
        t = token.t
        candidates = np.broadcast_to(token.candidates, problem.scores.shape)
        model = build(problem, [t], factor=token.factor, candidates=candidates)
        model.cuts = pyo.ConstraintList()
        for cut in token.cuts:
            chosen = sum(float(cut.weights[j]) * model.alpha[t, j] for j in model.experts)
            model.cuts.add(chosen >= cut.least)
        outcome = pyomo_solver.run(model, solver, token.time_limit)
        bound_j = None if outcome.bound is None else outcome.bound / token.factor
        if not outcome.solved:
            return TokenAnswer(None, bound_j)
        return TokenAnswer(np.array([pyo.value(model.alpha[t, j]) for j in model.experts]), bound_j)

    return solve_each(
        problem,
        "pyomo",
        solve_token,
        time_limit=time_limit,
        progress=progress,
        stats={"solver": solver or pyomo_solver.DEFAULT},
    )


def relaxation(problem: SelectionProblem, solver: str | None = None) -> float:
    """Optimum of the linear relaxation of all tokens, J; `des.relaxation` computes the same."""
    factor = scaled(problem).factor
    total_j = 0.0
    for t in range(problem.num_tokens):
        model = build(problem, [t], relax=True, factor=float(factor[t]))
        pyomo_solver.run(model, solver, None)
        total_j += float(pyo.value(model.energy) / factor[t])
    return total_j
