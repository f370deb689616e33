"""P2 in CVXPY: experts and subcarriers at once, an exact integer program in matrix form (docs/problems/joint.md)."""

from __future__ import annotations

import cvxpy as cp
import numpy as np

from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.result import Result, infeasible
from dmoe_opt.answer.result import build as build_result
from dmoe_opt.data.instance import Instance
from dmoe_opt.joint.highs import NO_ALLOCATION, factor_of
from dmoe_opt.models.solvers import cvxpy_solver
from dmoe_opt.selection.relaxed import relaxed_bound


class Model:
    """The program of a round; its objective is the energy times `factor`.

    alpha (T, K) is 1 where a token uses an expert; y (n, M) is 1 where link l, from `ends[l, 0]` to `ends[l, 1]`, uses a
    subcarrier; f (n, M) is the number of tokens that the link sends on it.
    """

    def __init__(self, instance: Instance, *, factor: float = 1.0) -> None:
        problem = instance.selection_problem()
        g, theta, source, experts = (
            problem.scores,
            problem.effective_threshold,
            instance.source,
            instance.num_experts,
        )
        self.ends = np.argwhere(
            np.isfinite(instance.best_link_energy) & ~np.eye(experts, dtype=bool)
        )
        i, j = self.ends.T
        works = np.isfinite(instance.link_energy[i, j])
        c = np.where(works, instance.link_energy[i, j], 0.0)
        tokens_of = (source == np.arange(experts)[:, None]).astype(np.float64)  # (K, T)
        link = np.full((experts, experts), -1)
        link[i, j] = np.arange(len(self.ends))
        t, away = np.nonzero(
            problem.usable & (link >= 0)[source]
        )  # tokens and the experts they need a link to

        self.alpha = cp.Variable(g.shape, boolean=True)
        energy = (factor * instance.compute_energy) @ cp.sum(self.alpha, axis=0)
        constraints = [
            cp.sum(cp.multiply(g, self.alpha), axis=1)
            >= theta,  # (C1) the chosen experts reach the threshold
            cp.sum(self.alpha, axis=1)
            <= instance.max_experts,  # (C2) a token uses at most D experts
            self.alpha <= problem.usable.astype(np.float64),
        ]
        self.y = cp.Variable(c.shape, boolean=True) if len(self.ends) else None
        if self.y is not None:
            y, f = self.y, cp.Variable(c.shape, nonneg=True)
            load = (tokens_of @ self.alpha)[i, j]
            energy += cp.sum(cp.multiply(factor * c, f))
            constraints += [
                cp.sum(y, axis=0) <= 1,  # (C3) a subcarrier serves at most one link
                cp.sum(y, axis=1) <= 1,  # one subcarrier per link is enough
                cp.sum(f, axis=1) == load,  # a link sends the tokens that chose its end
                f
                <= cp.multiply(
                    tokens_of.sum(axis=1)[i, None] * works, y
                ),  # (C4) only where it has the subcarrier
                self.alpha[t, away]
                <= cp.sum(y, axis=1)[link[source[t], away]],  # tightens the relaxation
            ]
        self.program = cp.Problem(cp.Minimize(energy), constraints)


def solve(
    instance: Instance, *, time_limit: float | None = None, solver: str | None = None
) -> Result:
    """Solve the round as one integer program with HiGHS, or with another solver by its CVXPY name."""
    problem = instance.selection_problem()
    stats = {"solver": solver or cvxpy_solver.DEFAULT}
    selection = np.zeros(problem.scores.shape, dtype=bool)
    if not problem.num_tokens:
        return build_result(
            instance, "cvxpy", Decision(instance, selection), bound_j=0.0, stats=stats
        )
    factor = factor_of(instance)
    model = Model(instance, factor=factor)
    outcome = cvxpy_solver.run(model.program, solver, time_limit)
    bound = (
        relaxed_bound(instance)[1] if outcome.bound is None else max(outcome.bound / factor, 0.0)
    )
    if outcome.infeasible:
        return infeasible(instance, "cvxpy", NO_ALLOCATION.format(instance.num_subcarriers))
    if not outcome.solved:
        return build_result(
            instance, "cvxpy", bound_j=bound, stats=stats, message="no answer within the limit"
        )
    selection = np.asarray(model.alpha.value > 0.5)
    allocation = np.zeros(instance.link_energy.shape, dtype=bool)
    if model.y is not None:
        allocation[model.ends[:, 0], model.ends[:, 1]] = model.y.value > 0.5
    return build_result(
        instance, "cvxpy", Decision(instance, selection, allocation), bound_j=bound, stats=stats
    )
