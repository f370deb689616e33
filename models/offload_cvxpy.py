"""Clairvoyant offloading in CVXPY: an interval packing that knows all arrivals (docs/problems/offloading.md)."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
from scipy.sparse import csr_array

from dmoe_opt.models.solvers import cvxpy_solver
from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.optimum import Optimum, conclude, crowds, options, regret


def build(episode: Episode, *, relax: bool = False) -> tuple[cp.Problem, cp.Variable]:
    """Minimise the regret: what subtasks earn less than each would alone; `relax` drops integrality.

    Entry k of the variable x is 1 where the k-th of `options` (n, a) is taken: subtask n goes to expert a < E, stays on the
    device (a = E) or is lost (a = E + 1).
    """
    pairs = options(episode)
    subtask, action = np.array(pairs).T
    column = {pair: k for k, pair in enumerate(pairs)}
    together = crowds(episode)
    x = cp.Variable(len(pairs), boolean=not relax)

    given_up = regret(episode)[subtask, action] @ x
    ones = csr_array((np.ones(len(pairs)), (subtask, np.arange(len(pairs)))))
    placed_once = ones @ x == 1  # a subtask is served, local or lost exactly once
    constraints = [placed_once, x >= 0]
    if (
        together
    ):  # of the subtasks that would be at an expert together, it holds no more than its capacity
        rows = np.repeat(np.arange(len(together)), [len(crowd) for _, crowd, _ in together])
        columns = [column[n, expert] for expert, crowd, _ in together for n in crowd]
        inside = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(together), len(pairs)))
        constraints.append(
            inside @ x <= np.array([capacity for _, _, capacity in together], dtype=float)
        )
    return cp.Problem(cp.Minimize(given_up), constraints), x


def solve(
    episode: Episode,
    *,
    relax: bool = False,
    solver: str | None = None,
    time_limit: float | None = None,
) -> Optimum:
    """Solve with HiGHS, or with another solver by its CVXPY name; `relax` gives the bound of the linear relaxation."""
    program, x = build(episode, relax=relax)
    outcome = cvxpy_solver.run(program, solver, time_limit)
    chosen = None
    if outcome.solved and not relax:
        chosen = [
            pair
            for pair, value in zip(options(episode), np.asarray(x.value), strict=True)
            if value > 0.5
        ]
    return conclude(episode, "cvxpy", chosen, outcome.bound)
