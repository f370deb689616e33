"""P1 in CVXPY: choose at most D experts per token that reach its threshold at least energy (docs/problems/selection.md)."""

from __future__ import annotations

from typing import NamedTuple

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.result import Result
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.models.solvers import cvxpy_solver
from dmoe_opt.models.solvers.tokenwise import TokenAnswer, scale, solve_each
from dmoe_opt.selection.des import Progress


class Model:
    """The integer program of one token, with parameters, so that all tokens share one compiled problem.

    Variable x[j] is 1 where the token uses expert j; `relax` drops integrality.
    """

    def __init__(self, problem: SelectionProblem, *, relax: bool = False) -> None:
        self.problem = problem
        experts = problem.num_experts
        self.g = cp.Parameter(experts, nonneg=True)
        self.e = cp.Parameter(experts, nonneg=True)
        self.theta = cp.Parameter(nonneg=True)
        self.usable = cp.Parameter(experts, nonneg=True)
        self.x = cp.Variable(experts, boolean=not relax)

        energy = self.e @ self.x
        self.relevance = (
            self.g @ self.x >= self.theta
        )  # (C1) the chosen experts reach the threshold
        self.cap = cp.sum(self.x) <= problem.max_experts  # (C2) a token uses at most D experts
        bounds = [self.x >= 0, self.x <= self.usable]
        self.program = cp.Problem(cp.Minimize(energy), [self.relevance, self.cap, *bounds])

    def set_token(self, t: int, factor: float = 1.0) -> None:
        """Fill in the data of token t; the objective is then in units of 1/factor joules."""
        self.g.value = self.problem.scores[t]
        self.e.value = factor * self.problem.cost[t]
        self.theta.value = float(self.problem.effective_threshold[t])
        self.usable.value = self.problem.usable[t].astype(np.float64)


def solve(
    problem: SelectionProblem,
    *,
    time_limit: float | None = None,
    solver: str | None = None,
    progress: Progress | None = None,
) -> Result:
    """Solve token after token with HiGHS, or with another solver by its CVXPY name."""
    factors = scale(problem)
    model = Model(problem)

    def solve_one(t: int, left: float | None) -> TokenAnswer:
        model.set_token(t, float(factors[t]))
        outcome = cvxpy_solver.run(model.program, solver, left)
        bound = None if outcome.bound is None else outcome.bound / factors[t]
        return TokenAnswer(np.asarray(model.x.value) if outcome.solved else None, bound)

    return solve_each(
        problem,
        "cvxpy",
        solve_one,
        time_limit,
        progress,
        {"solver": solver or cvxpy_solver.DEFAULT},
    )


class Duals(NamedTuple):
    """Optimum of the linear relaxation of every token, J, and its prices, all of shape (T,).

    `relevance` is what one more unit of score would cost, J; `cap` what one more expert would save, J.
    """

    bound_j: NDArray[np.float64]
    relevance: NDArray[np.float64]
    cap: NDArray[np.float64]


def duals(problem: SelectionProblem, solver: str | None = None) -> Duals:
    """The linear relaxation token by token, with the dual prices of (C1) and (C2).

    Where several prices are optimal, which ones are returned is up to the solver. A token that cannot be served has
    the bound inf; what else is not known, the prices of such a token among it, is nan.
    """
    factors = scale(problem)
    model = Model(problem, relax=True)
    found = Duals(*(np.full(problem.num_tokens, np.nan) for _ in range(3)))
    for t in range(problem.num_tokens):
        model.set_token(t, float(factors[t]))
        outcome = cvxpy_solver.run(model.program, solver, None)
        if outcome.infeasible:
            found.bound_j[t] = np.inf
        elif outcome.solved:
            solved = (model.program.value, model.relevance.dual_value, model.cap.dual_value)
            for values, value in zip(found, solved, strict=True):
                values[t] = np.nan if value is None else value / factors[t]
    return found


def relaxation(problem: SelectionProblem, solver: str | None = None) -> float:
    """Optimum of the linear relaxation of all tokens, J: what DES computes by `des.relaxation`."""
    return float(duals(problem, solver).bound_j.sum())
