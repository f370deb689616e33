"""P2 in CVXPY: experts and subcarriers at once, an exact integer program in matrix form.

::

    min  sum_tj a[j] alpha[t, j] + sum_lm c[l, m] f[l, m]
    (C1) sum_j g[t, j] alpha[t, j] >= theta[t]
    (C2) sum_j alpha[t, j] <= D
    (C3) sum_l y[l, m] <= 1
         sum_m y[l, m] <= 1
         sum_m f[l, m] = sum of alpha[t, j] over the tokens t of node i, for l from i to j
    (C4) f[l, m] <= tokens of node i * y[l, m]
         alpha[t, j] <= sum_m y[l, m] for the tokens t of node i

See docs/problems/joint.md.
"""

from __future__ import annotations

from typing import NamedTuple

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.result import Result
from dmoe_opt.data.instance import Instance
from dmoe_opt.joint.highs import factor_of
from dmoe_opt.models.solvers import cvxpy_solver, roundwise


class RoundProgram(NamedTuple):
    """The program of a round and its variables.

    alpha (T, K) is 1 where a token uses an expert. y (n, M) is 1 where link l, from `ends[l, 0]` to
    `ends[l, 1]`, uses a subcarrier. f (n, M) is the number of tokens that the link sends on it.
    Without links, y and f are None.
    """

    program: cp.Problem
    alpha: cp.Variable
    y: cp.Variable | None
    f: cp.Variable | None
    ends: NDArray[np.int64]


def build(instance: Instance, *, factor: float = 1.0) -> RoundProgram:
    """The program of a round; its objective is the energy times `factor`."""
    problem = instance.selection_problem()
    g, theta = problem.scores, problem.effective_threshold
    alpha = cp.Variable(g.shape, boolean=True)
    energy = (factor * instance.compute_energy) @ cp.sum(alpha, axis=0)
    constraints = [
        cp.sum(cp.multiply(g, alpha), axis=1) >= theta,  # (C1) the experts reach the threshold
        cp.sum(alpha, axis=1) <= instance.max_experts,  # (C2) a token uses at most D experts
        alpha <= problem.usable.astype(np.float64),
    ]
    ends = _links(instance)
    if not len(ends):
        return RoundProgram(cp.Problem(cp.Minimize(energy), constraints), alpha, None, None, ends)

    i, j = ends.T
    works = np.isfinite(instance.link_energy[i, j])
    c = np.where(works, instance.link_energy[i, j], 0.0)
    tokens_of = (instance.source == np.arange(instance.num_experts)[:, None]).astype(np.float64)
    most_tokens = tokens_of.sum(axis=1)[i, None] * works
    t, away, link = _sent(instance, ends)

    y = cp.Variable(c.shape, boolean=True)
    f = cp.Variable(c.shape, nonneg=True)
    load = (tokens_of @ alpha)[i, j]
    energy += cp.sum(cp.multiply(factor * c, f))
    constraints += [
        cp.sum(y, axis=0) <= 1,  # (C3) a subcarrier serves at most one link
        cp.sum(y, axis=1) <= 1,  # one subcarrier per link is enough
        cp.sum(f, axis=1) == load,  # a link sends the tokens that chose its end
        f <= cp.multiply(most_tokens, y),  # (C4) only where it has the subcarrier
        alpha[t, away] <= cp.sum(y, axis=1)[link],  # tightens the relaxation
    ]
    return RoundProgram(cp.Problem(cp.Minimize(energy), constraints), alpha, y, f, ends)


def _links(instance: Instance) -> NDArray[np.int64]:
    """The links that have a working subcarrier, shape (n, 2)."""
    own = np.eye(instance.num_experts, dtype=bool)
    return np.argwhere(np.isfinite(instance.best_link_energy) & ~own)


def _sent(instance: Instance, ends: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
    """Tokens, the experts that they may use over a link, and the numbers of these links."""
    number = np.full((instance.num_experts, instance.num_experts), -1)
    number[ends[:, 0], ends[:, 1]] = np.arange(len(ends))
    needed = number[instance.source]
    t, expert = np.nonzero(instance.selection_problem().usable & (needed >= 0))
    return t, expert, needed[t, expert]


def solve(
    instance: Instance, *, time_limit: float | None = None, solver: str | None = None
) -> Result:
    """Solve the round as one integer program with HiGHS, or another solver by its CVXPY name.

    `time_limit` is in seconds.
    """
    stats = {"solver": solver or cvxpy_solver.DEFAULT}
    if not instance.num_tokens:
        return roundwise.empty(instance, "cvxpy", stats)
    factor = factor_of(instance)
    model = build(instance, factor=factor)
    outcome = cvxpy_solver.run(model.program, solver, time_limit)
    decision = _decision(instance, model) if outcome.solved else None
    return roundwise.conclude(instance, "cvxpy", outcome, factor, decision, stats)


def _decision(instance: Instance, model: RoundProgram) -> Decision:
    """The decision that the values of the variables say."""
    selection = np.asarray(model.alpha.value > 0.5)
    allocation = np.zeros(instance.link_energy.shape, dtype=bool)
    if model.y is not None:
        allocation[model.ends[:, 0], model.ends[:, 1]] = model.y.value > 0.5
    return Decision(instance, selection, allocation)
