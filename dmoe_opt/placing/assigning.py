"""Experts on nodes at costs of their own: the generalised assignment problem, by HiGHS.

It is the placement problem itself where every visit is sent, the test whether experts fit at all,
and the last step of bounds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

from dmoe_opt.errors import InputError, LimitError
from dmoe_opt.placing.problem import Placement, PlacementProblem

RELATIVE_GAP = 1e-9
TIME_LIMIT_S = 20.0
OPTIMAL, LIMIT, INFEASIBLE = 0, 1, 2  # statuses of scipy.optimize.milp


class Assigned(NamedTuple):
    """A placement (K,), its cost and a proven lower bound on the cost of all placements."""

    placement: Placement
    cost: float
    bound: float


def assign(problem: PlacementProblem, cost: NDArray[np.float64]) -> Assigned:
    """The cheapest placement if expert j costs cost[j, n] on node n, shape (K, N); of any sign.

    Experts of one size make the constraints totally unimodular, so that HiGHS needs no branching.
    Other sizes can take long; after 20 s the best placement so far is returned.

    Raises
    ------
    InputError
        If the experts do not fit.
    LimitError
        If no placement is found in 20 s.
    """
    scale = float(np.abs(cost).max(initial=0.0)) or 1.0
    answer = optimize.milp(
        cost.ravel() / scale,
        constraints=rules(problem),
        integrality=np.ones(cost.size),
        bounds=optimize.Bounds(0, 1),
        options={"time_limit": TIME_LIMIT_S, "mip_rel_gap": RELATIVE_GAP},
    )
    if answer.status == INFEASIBLE:
        raise InputError(
            f"the experts do not fit: no placement of sizes {_listed(problem.size)} keeps the "
            f"memory {_listed(problem.memory)}; allowed: sizes that fit together"
        )
    if answer.x is None:
        raise LimitError(f"no placement found in {TIME_LIMIT_S:g} s: the sizes hardly fit")
    placement = answer.x.reshape(cost.shape).argmax(axis=1).astype(np.int64)
    total = float(cost[np.arange(len(cost)), placement].sum())
    bound = total if answer.mip_dual_bound is None else float(answer.mip_dual_bound) * scale
    return Assigned(placement, total, min(bound, total))


def rules(problem: PlacementProblem) -> list[optimize.LinearConstraint]:
    """Every expert is on one node, and no node holds more than its memory, in units of it."""
    experts, nodes = problem.num_experts, problem.num_nodes
    on_one = sparse.kron(sparse.eye(experts), np.ones((1, nodes)), format="csr")
    unit = float(problem.size.max())
    held = sparse.kron(problem.size[None, :] / unit, sparse.eye(nodes), format="csr")
    return [
        optimize.LinearConstraint(on_one, 1, 1),
        optimize.LinearConstraint(held, -np.inf, problem.room / unit),
    ]


def _listed(values: NDArray[np.float64]) -> str:
    shown = ", ".join(f"{value:g}" for value in values[:8])
    return f"{shown}, ..." if len(values) > 8 else shown
