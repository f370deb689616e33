"""Clairvoyant offloading in CVXPY: an interval packing that knows all arrivals.

::

    min  sum_na regret[n, a] alpha[n, a]
         sum_a alpha[n, a] = 1                 for every subtask n
         sum_{n in Q} alpha[n, e] <= slots     for every set Q that would be at expert e together

The regret of an option is what it earns less than the best option of its subtask, so the least
regret is the greatest return. See docs/problems/offloading.md.
"""

from __future__ import annotations

import cvxpy as cp
import numpy as np
from scipy.sparse import csr_array

from dmoe_opt.models.solvers import cvxpy_solver
from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.optimum import Optimum, conclude, crowds, options, regret


def build(episode: Episode, *, relax: bool = False) -> tuple[cp.Problem, cp.Variable]:
    """Minimise the regret of all subtasks; `relax` drops integrality. Also returns alpha.

    Entry k of alpha is 1 where the k-th of `options` (n, a) is taken: subtask n goes to expert
    a < E, stays on the device (a = E) or is lost (a = E + 1).
    """
    subtask, action = np.array(options(episode)).T
    number = len(subtask)
    alpha = cp.Variable(number, boolean=not relax)

    given_up = regret(episode)[subtask, action] @ alpha
    belongs = csr_array((np.ones(number), (subtask, np.arange(number))))
    placed_once = belongs @ alpha == 1  # a subtask is served, local or lost exactly once
    constraints = [placed_once, alpha >= 0]
    together = crowds(episode)
    if together:
        # of the subtasks that would be at an expert together, it holds as many as it has slots
        slots = np.array([slots for _, _, slots in together], dtype=float)
        constraints.append(_inside(episode, together) @ alpha <= slots)
    return cp.Problem(cp.Minimize(given_up), constraints), alpha


def _inside(episode: Episode, together: list[tuple[int, list[int], int]]) -> csr_array:
    """One row for each crowd, with ones at the options that would be in it."""
    column = {option: k for k, option in enumerate(options(episode))}
    rows: list[int] = []
    columns: list[int] = []
    for row, (expert, crowd, _) in enumerate(together):
        rows += [row] * len(crowd)
        columns += [column[n, expert] for n in crowd]
    shape = (len(together), len(column))
    return csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)


def solve(
    episode: Episode,
    *,
    relax: bool = False,
    solver: str | None = None,
    time_limit: float | None = None,
) -> Optimum:
    """Solve with HiGHS, or with another solver by its CVXPY name.

    `relax` gives the bound of the linear relaxation; `time_limit` is in seconds.
    """
    program, alpha = build(episode, relax=relax)
    outcome = cvxpy_solver.run(program, solver, time_limit)
    chosen = None
    if outcome.solved and not relax:
        taken = np.asarray(alpha.value) > 0.5
        chosen = [option for option, take in zip(options(episode), taken, strict=True) if take]
    return conclude(episode, "cvxpy", chosen, outcome.bound)
