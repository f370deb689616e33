"""P1 in CVXPY: choose at most D experts per token that reach its threshold at least energy.

::

    min  e @ alpha
    (C1) g @ alpha >= theta
    (C2) sum(alpha) <= D
         alpha binary

for each token. Where a token pays p once for each node that it uses, p @ omega is added, and
omega[node of j] >= alpha[j] for every expert j. See docs/problems/selection.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.result import Result
from dmoe_opt.data.problem import GRID, SelectionProblem
from dmoe_opt.models.solvers import cvxpy_solver
from dmoe_opt.models.solvers.tokenwise import Token, TokenAnswer, scaled, solve_each
from dmoe_opt.selection.covers import threshold_rows
from dmoe_opt.selection.search import Progress


@dataclass(frozen=True)
class TokenProgram:
    """The integer program of one token.

    Its data are parameters, so that all tokens share one compiled program. `relevance` is (C1) and
    `cap` (C2), for their dual prices.
    """

    problem: SelectionProblem
    scores: NDArray[np.float64]
    thresholds: NDArray[np.float64]
    g: cp.Parameter
    e: cp.Parameter
    p: cp.Parameter | None
    theta: cp.Parameter
    usable: cp.Parameter
    alpha: cp.Variable
    relevance: cp.Constraint
    cap: cp.Constraint
    program: cp.Problem

    def set_token(
        self, t: int, factor: float = 1.0, candidates: NDArray[np.bool_] | None = None
    ) -> None:
        """Fill in the data of token t; the objective is then in units of 1/factor joules.

        `candidates` (K,) are experts that may be chosen, by default all that are usable.
        """
        usable = self.problem.usable[t] if candidates is None else candidates
        self.g.value = self.scores[t]
        self.e.value = factor * np.where(usable, self.problem.cost[t], 0.0)
        if self.p is not None and self.problem.node_cost is not None:
            self.p.value = factor * self.problem.node_cost[t]
        self.theta.value = max(float(self.thresholds[t]), 0.0)
        self.usable.value = usable.astype(np.float64)


def build(problem: SelectionProblem, *, relax: bool = False) -> TokenProgram:
    """The program of a token of a problem; `set_token` says of which one.

    Variable alpha[j] is 1 where the token uses expert j; `relax` drops integrality.
    """
    experts = problem.num_experts
    g = cp.Parameter(experts, nonneg=True)
    e = cp.Parameter(experts, nonneg=True)
    theta = cp.Parameter(nonneg=True)
    usable = cp.Parameter(experts, nonneg=True)
    alpha = cp.Variable(experts, boolean=not relax)

    energy = cp.Minimize(e @ alpha)
    relevance = g @ alpha >= theta  # (C1) the chosen experts reach the threshold
    cap = cp.sum(alpha) <= problem.max_experts  # (C2) a token uses at most D experts
    rules = [relevance, cap, alpha >= 0, alpha <= usable]
    p = None
    if problem.placement is not None and problem.node_cost is not None:
        p = cp.Parameter(problem.node_cost.shape[1], nonneg=True)
        omega = cp.Variable(problem.node_cost.shape[1])
        energy = cp.Minimize(e @ alpha + p @ omega)
        rules += [omega[problem.placement] >= alpha, omega >= 0]
    program = cp.Problem(energy, rules)
    rows = threshold_rows(problem, relax=relax)
    return TokenProgram(problem, *rows, g, e, p, theta, usable, alpha, relevance, cap, program)


def solve(
    problem: SelectionProblem,
    *,
    time_limit: float | None = None,
    solver: str | None = None,
    progress: Progress | None = None,
) -> Result:
    """Solve token after token with HiGHS, or with another solver by its CVXPY name."""
    model = build(problem)

    def solve_token(token: Token) -> TokenAnswer:
        model.set_token(token.t, token.factor, token.candidates)
        program = model.program
        if token.cuts:
            cuts = [cut.weights @ model.alpha >= cut.least for cut in token.cuts]
            program = cp.Problem(program.objective, [*program.constraints, *cuts])
        outcome = cvxpy_solver.run(program, solver, token.time_limit)
        bound_j = None if outcome.bound is None else outcome.bound / token.factor
        return TokenAnswer(np.asarray(model.alpha.value) if outcome.solved else None, bound_j)

    return solve_each(
        problem,
        "cvxpy",
        solve_token,
        time_limit=time_limit,
        progress=progress,
        stats={"solver": solver or cvxpy_solver.DEFAULT},
    )


class Duals(NamedTuple):
    """Optimum of the linear relaxation of every token, J, and its prices, all of shape (T,).

    `relevance` is the price of one more unit of score, J; `cap` the saving by one more expert, J.
    """

    bound_j: NDArray[np.float64]
    relevance: NDArray[np.float64]
    cap: NDArray[np.float64]


def duals(problem: SelectionProblem, solver: str | None = None) -> Duals:
    """The linear relaxation token by token, with the dual prices of (C1) and (C2).

    Where several prices are optimal, the solver decides which ones are returned. A token that
    cannot be served has the bound inf. Other unknown values, such as the prices of such a token,
    are nan.
    """
    factor = scaled(problem).factor
    model = build(problem, relax=True)
    duals = Duals(*(np.full(problem.num_tokens, np.nan) for _ in range(3)))
    for t in range(problem.num_tokens):
        model.set_token(t, float(factor[t]))
        outcome = cvxpy_solver.run(model.program, solver, None)
        if outcome.infeasible:
            duals.bound_j[t] = np.inf
        elif outcome.solved:
            prices = (model.relevance.dual_value, model.cap.dual_value)
            solved = (model.program.value, *prices)
            for values, value, unit in zip(duals, solved, (1.0, GRID, 1.0), strict=True):
                values[t] = np.nan if value is None else value * unit / factor[t]
    return duals


def relaxation(problem: SelectionProblem, solver: str | None = None) -> float:
    """Optimum of the linear relaxation of all tokens, J; `des.relaxation` computes the same."""
    return float(duals(problem, solver).bound_j.sum())
