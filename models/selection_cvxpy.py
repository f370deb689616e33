"""P1 in CVXPY: choose at most D experts per token that reach its threshold at least energy.

::

    min  sum_j e[j] alpha[j]
    (C1) sum_j g[j] alpha[j] >= theta
    (C2) sum_j alpha[j] <= D

No rule ties two tokens together, so this is the program of one token, solved once for each. See
docs/problems/selection.md.
"""

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


class TokenProgram:
    """The integer program of one token, with parameters, so that all tokens share one compilation.

    alpha[j] is 1 where the token uses expert j; `relax` drops integrality.
    """

    def __init__(self, problem: SelectionProblem, *, relax: bool = False) -> None:
        experts = problem.num_experts
        self.problem = problem
        self.g = cp.Parameter(experts, nonneg=True)
        self.e = cp.Parameter(experts, nonneg=True)
        self.theta = cp.Parameter(nonneg=True)
        self.usable = cp.Parameter(experts, nonneg=True)
        self.alpha = cp.Variable(experts, boolean=not relax)

        energy = self.e @ self.alpha
        # (C1) the chosen experts reach the threshold
        self.relevance = self.g @ self.alpha >= self.theta
        # (C2) a token uses at most D experts
        self.cap = cp.sum(self.alpha) <= problem.max_experts
        bounds = [self.alpha >= 0, self.alpha <= self.usable]
        self.program = cp.Problem(cp.Minimize(energy), [self.relevance, self.cap, *bounds])

    def set_token(self, t: int, factor: float = 1.0) -> None:
        """Fill in the data of token t; the objective is then in units of 1/factor joules."""
        self.g.value = self.problem.scores[t]
        self.e.value = factor * self.problem.cost[t]
        self.theta.value = float(self.problem.effective_threshold[t])
        self.usable.value = self.problem.usable[t].astype(np.float64)


def build(problem: SelectionProblem, *, relax: bool = False) -> TokenProgram:
    """The program of one token; `set_token` fills in which. `relax` drops integrality."""
    return TokenProgram(problem, relax=relax)


def solve(
    problem: SelectionProblem,
    *,
    time_limit: float | None = None,
    solver: str | None = None,
    progress: Progress | None = None,
) -> Result:
    """Solve token after token with HiGHS, or with another solver by its CVXPY name.

    The tokens share `time_limit`, in seconds.
    """
    factors = scale(problem)
    model = build(problem)

    def solve_one(t: int, left: float | None) -> TokenAnswer:
        model.set_token(t, float(factors[t]))
        outcome = cvxpy_solver.run(model.program, solver, left)
        bound_j = None if outcome.bound is None else outcome.bound / factors[t]
        return TokenAnswer(np.asarray(model.alpha.value) if outcome.solved else None, bound_j)

    stats = {"solver": solver or cvxpy_solver.DEFAULT}
    return solve_each(problem, "cvxpy", solve_one, time_limit, progress, stats)


class Duals(NamedTuple):
    """Optimum of the linear relaxation of every token, J, and its prices, all of shape (T,).

    `relevance` is what one more unit of score would cost, J; `cap` what one more expert would
    save, J.
    """

    bound_j: NDArray[np.float64]
    relevance: NDArray[np.float64]
    cap: NDArray[np.float64]


def duals(problem: SelectionProblem, solver: str | None = None) -> Duals:
    """The linear relaxation token by token, with the dual prices of (C1) and (C2).

    Where several prices are optimal, the solver decides which ones are returned. The bound of a
    token that cannot be served is inf. Values that are not known, such as the prices of that token,
    are nan.
    """
    factors = scale(problem)
    model = build(problem, relax=True)
    answer = Duals(*np.full((3, problem.num_tokens), np.nan))
    for t in range(problem.num_tokens):
        model.set_token(t, float(factors[t]))
        outcome = cvxpy_solver.run(model.program, solver, None)
        if outcome.infeasible:
            answer.bound_j[t] = np.inf
        elif outcome.solved:
            answer.bound_j[t] = _or_nan(model.program.value) / factors[t]
            answer.relevance[t] = _or_nan(model.relevance.dual_value) / factors[t]
            answer.cap[t] = _or_nan(model.cap.dual_value) / factors[t]
    return answer


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value


def relaxation(problem: SelectionProblem, solver: str | None = None) -> float:
    """Optimum of the linear relaxation of all tokens, J; `des.relaxation` computes the same."""
    return float(duals(problem, solver).bound_j.sum())
