"""Where to put the experts, in CVXPY: the program of `placement_pyomo` in matrix form.

See docs/problems/placement.md.
"""

from __future__ import annotations

from typing import NamedTuple

import cvxpy as cp
import numpy as np

from dmoe_opt.clock import left_s, until
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.models.solvers import cvxpy_solver
from dmoe_opt.placing.exact import factor_of, most_together, placed
from dmoe_opt.placing.problem import Placed, PlacementProblem
from dmoe_opt.selection.covers import MOST_CUTS, missed, threshold_rows


class PlacementProgram(NamedTuple):
    """The program and its variables: x (K, N) and, where experts are chosen, alpha (T, K)."""

    program: cp.Problem
    x: cp.Variable
    alpha: cp.Variable | None


def build(
    problem: PlacementProblem,
    choice: SelectionProblem | None = None,
    *,
    relax: bool = False,
    factor: float = 1.0,
) -> PlacementProgram:
    """The program; its objective is in units of 1/factor joules.

    x[j, n] is 1 where expert j is on node n. `choice` has scores, thresholds and cap of the tokens,
    whose experts are then chosen too: alpha[t, j] is 1 where token t uses expert j. `relax` drops
    integrality.
    """
    x = cp.Variable((problem.num_experts, problem.num_nodes), boolean=not relax)
    rules = [
        cp.sum(x, axis=1) == 1,  # (P1) every expert is on one node
        problem.size @ x <= problem.room,  # (P2) the experts of a node fit in its memory
        x >= 0,
    ]
    if choice is None:
        energy = cp.sum(cp.multiply(factor * problem.linear, x))
        sets, setup = problem.sets
        if len(sets):
            omega = cp.Variable(setup.shape, bounds=[0, 1])
            energy += cp.sum(cp.multiply(factor * setup, omega))
            s, j = np.nonzero(sets)
            rules.append(omega[s] >= x[j])  # (P3) a token goes to the nodes of its experts
            rules += _pairs(problem, x, omega)
        return PlacementProgram(cp.Problem(cp.Minimize(energy), rules), x, None)

    g, theta = threshold_rows(choice)
    alpha = cp.Variable(g.shape, boolean=not relax)
    omega = cp.Variable(problem.price.shape, bounds=[0, 1])
    v = [cp.Variable(g.shape, bounds=[0, 1]) for _ in range(problem.num_nodes)]
    sent = factor * problem.price
    energy = cp.sum(cp.multiply(sent, omega)) if problem.send_once else 0.0
    rules += [
        cp.sum(cp.multiply(g, alpha), axis=1) >= theta,  # (C1) the experts reach the threshold
        cp.sum(alpha, axis=1) <= choice.max_experts,  # (C2) a token uses at most D experts
        sum(v) == alpha,  # (P4) a token uses an expert where it is
    ]
    column, row = np.ones((problem.num_tokens, 1)), np.ones((1, problem.num_experts))
    for n, used in enumerate(v):
        work = factor * problem.factor[n] * problem.work
        energy += cp.sum(
            cp.multiply(work if problem.send_once else work + sent[:, n : n + 1], used)
        )
        rules.append(used <= column @ x[:, n : n + 1].T)  # (P4) an expert is used only where it is
        rules.append(omega[:, n : n + 1] @ row >= used)  # (P3) a token goes to these nodes
    return PlacementProgram(cp.Problem(cp.Minimize(energy), rules), x, alpha)


def _pairs(problem: PlacementProblem, x: cp.Variable, omega: cp.Variable) -> list[cp.Constraint]:
    """(P5) and (P6): pairs z (P, N) of experts on one node, which strengthen (P3)."""
    sets = problem.sets[0]
    first, second = np.nonzero(np.triu(sets.T.astype(int) @ sets, 1))
    if not len(first):
        return []
    z = cp.Variable((len(first), problem.num_nodes), bounds=[0, 1])
    end = np.eye(problem.num_experts)
    partners = end[:, first] * problem.size[second] + end[:, second] * problem.size[first]
    rules = [
        z <= x[first],  # (P5) a pair is on a node only if both of its experts are
        z <= x[second],
        # (P5) the partners of an expert fit beside it
        partners @ z <= cp.multiply(problem.room - problem.size[:, None], x),
    ]
    inside = (sets[:, first] & sets[:, second]).astype(np.float64)
    for m in range(1, most_together(problem)):  # (P6) the bound on a union
        larger = np.flatnonzero(sets.sum(axis=1) > m)
        if len(larger):
            one, two = sets[larger].astype(np.float64) @ x, inside[larger] @ z
            rules.append(omega[larger] >= 2 / (m + 1) * (one - two / m))
    return rules


def solve(
    problem: PlacementProblem,
    choice: SelectionProblem | None = None,
    *,
    time_limit: float | None = None,
    solver: str | None = None,
) -> Placed:
    """Solve with HiGHS, or with another solver by its CVXPY name, up to a limit in seconds."""
    factor = factor_of(problem, choice)
    model = build(problem, choice, factor=factor)
    program, alpha = model.program, model.alpha
    with until(time_limit):
        for _ in range(MOST_CUTS):
            outcome = cvxpy_solver.run(program, solver, None if left_s() == np.inf else left_s())
            if not outcome.solved:
                break
            if choice is None or alpha is None:
                return placed(problem, model.x.value, None, outcome.bound, factor)
            short = missed(choice, alpha.value > 0.5)
            if not short:
                return placed(problem, model.x.value, alpha.value, outcome.bound, factor)
            cuts = [cut.weights @ alpha[t] >= cut.least for t, cut in short]
            program = cp.Problem(program.objective, [*program.constraints, *cuts])
    return placed(problem, None, None, outcome.bound, factor)
