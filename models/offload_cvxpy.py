"""Clairvoyant offloading in CVXPY: an interval packing that knows all arrivals.

The program is that of `offload_pyomo`, with its options in one vector. See
docs/problems/offloading.md.
"""

from __future__ import annotations

import cvxpy as cp
import numpy as np
from scipy.sparse import csr_array

from dmoe_opt.models.solvers import cvxpy_solver
from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.optimum import Optimum, conclude, crowds, options, regret


def build(episode: Episode, *, relax: bool = False) -> tuple[cp.Problem, cp.Variable]:
    """Minimise the regret: how much less subtasks earn than each would alone.

    Entry k of the variable alpha is 1 where the k-th of `options` (n, a) is taken: subtask n goes
    to expert a < E, stays on the device (a = E) or is lost (a = E + 1). `relax` drops integrality.
    """
    pairs = options(episode)
    subtask, action = np.array(pairs).T
    alpha = cp.Variable(len(pairs), boolean=not relax)

    given_up = regret(episode)[subtask, action] @ alpha
    ones = csr_array((np.ones(len(pairs)), (subtask, np.arange(len(pairs)))))
    placed_once = ones @ alpha == 1  # a subtask is served, local or lost exactly once
    constraints = [placed_once, alpha >= 0]
    together = crowds(episode)
    if together:  # an expert holds no more at once than its capacity
        column = {pair: k for k, pair in enumerate(pairs)}
        rows = np.repeat(np.arange(len(together)), [len(crowd) for _, crowd, _ in together])
        columns = [column[n, expert] for expert, crowd, _ in together for n in crowd]
        inside = csr_array(
            (episode.size[subtask[columns]], (rows, columns)), shape=(len(together), len(pairs))
        )
        capacity = np.array([most for _, _, most in together], dtype=float)
        constraints.append(inside @ alpha <= capacity)
    return cp.Problem(cp.Minimize(given_up), constraints), alpha


def solve(
    episode: Episode,
    *,
    relax: bool = False,
    solver: str | None = None,
    time_limit: float | None = None,
) -> Optimum:
    """Solve with HiGHS, or with another solver by its CVXPY name.

    `relax` gives the bound of the linear relaxation.
    """
    program, alpha = build(episode, relax=relax)
    outcome = cvxpy_solver.run(program, solver, time_limit)
    chosen = None
    if outcome.solved and not relax:
        taken = np.asarray(alpha.value) > 0.5
        chosen = [pair for pair, is_taken in zip(options(episode), taken, strict=True) if is_taken]
    return conclude(episode, "cvxpy", chosen, outcome.bound)
