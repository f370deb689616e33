"""A lower bound on the energy of every placement, by prices on pairs of experts.

It is the Lagrangian dual of the linear relaxation of `placement_pyomo` with its pairs z (P5) and
cuts (P6). Each set s weighs its cuts on node n by lambda[m], which add up to 1; that leaves

::

    min  sum_jn linear'[j, n] x[j, n] - sum_(j<k, n) q[j, k, n] z[j, k, n]

Both experts of a pair have a copy of z, and share its q between them: a half each, and a price
moves some from one to the other. Then expert j on node n earns the largest shares of as many
partners as fit beside it, and what is left is an assignment of experts to nodes. Any prices and
weights give a valid bound. A subgradient method moves the prices to where copies differ, and the
weights to the cuts that are largest for the average of the copies. With a half of each q to both
experts the bound is that of Gilmore and Lawler for quadratic assignment.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment, linprog

from dmoe_opt.placing.assigning import assign, rules
from dmoe_opt.placing.exact import most_together
from dmoe_opt.placing.problem import PlacementProblem

Array = NDArray[np.float64]
ITERATIONS = 400
PATIENCE = 30  # iterations without a better bound before steps are halved
REWEIGH = 5  # iterations between two looks at the weights
MEMORY = 0.1  # weight of the last copies in their average
TOWARDS = 0.1  # by so much the weights move to the best cuts
CUTS = 4
ENOUGH = 1e-6  # relative gap at which the search ends


class _Pairs(NamedTuple):
    """What is left for given weights: linear' (K, N) and q (N, K, K), symmetric, in J."""

    linear: Array
    q: Array


def lower_bound(
    problem: PlacementProblem,
    energy_j: float,
    *,
    iterations: int = ITERATIONS,
    time_limit: float | None = None,
) -> float:
    """A proven lower bound on the energy of every placement, J.

    `energy_j` is that of a known placement; steps depend on it. Where every visit is sent, the
    bound is the optimum itself. `time_limit` is in seconds.
    """
    if not problem.send_once or not problem.sets[1].any():
        return assign(problem, problem.linear).bound
    deadline = np.inf if time_limit is None else time.monotonic() + time_limit
    sets = problem.sets[0].astype(np.float64)
    cuts = np.arange(1, max(most_together(problem), 1) + 1)[:CUTS].astype(np.float64)
    weights = np.full((len(cuts), *problem.sets[1].shape), 1.0 / len(cuts))
    pairs = _weighed(problem, sets, cuts, weights)
    price = np.zeros_like(pairs.q)
    partners = _partners(problem)
    best_j, step, waited = -np.inf, 1.0, 0
    mean_x: Array | None = None
    mean_z: Array | None = None
    for iteration in range(iterations):
        bound_j, x, z = _relaxed(problem, pairs, price, partners)
        waited = 0 if bound_j > best_j else waited + 1
        best_j = max(best_j, bound_j)
        if best_j >= energy_j * (1 - ENOUGH) or time.monotonic() > deadline:
            break
        if waited > PATIENCE:
            step, waited = step / 2, 0
        mean_x = x if mean_x is None else mean_x + MEMORY * (x - mean_x)
        mean_z = z if mean_z is None else mean_z + MEMORY * (z - mean_z)
        differ = z - z.transpose(0, 2, 1)  # copy of the first expert less that of the second
        length = float((differ**2).sum())
        if length:
            price -= step * (energy_j - bound_j) / length * differ
        if iteration % REWEIGH == REWEIGH - 1:
            weights = _reweighed(sets, cuts, weights, mean_x, mean_z)
            pairs = _weighed(problem, sets, cuts, weights)
    return best_j


def _partners(problem: PlacementProblem) -> list[int]:
    """The most experts that a node can hold beside one, for every node."""
    held = np.cumsum(np.sort(problem.size))
    fitting = np.searchsorted(held, problem.room, side="right")
    return [max(int(number) - 1, 0) for number in fitting]


def _weighed(problem: PlacementProblem, sets: Array, cuts: Array, weights: Array) -> _Pairs:
    setup = problem.sets[1]
    one = np.tensordot(2 / (cuts + 1), weights, 1) * setup
    two = np.tensordot(2 / (cuts * (cuts + 1)), weights, 1) * setup
    q = np.stack([sets.T @ (two[:, n, None] * sets) for n in range(setup.shape[1])])
    q[:, np.arange(q.shape[1]), np.arange(q.shape[1])] = 0.0
    return _Pairs(problem.linear + sets.T @ one, q)


def _relaxed(
    problem: PlacementProblem, pairs: _Pairs, price: Array, partners: list[int]
) -> tuple[float, Array, Array]:
    """The bound at these prices, with its placement x (K, N) and copies z (N, K, K)."""
    share = np.maximum(pairs.q / 2 + price, 0.0)
    earned = np.zeros(pairs.linear.shape)
    taken = np.zeros(share.shape)
    for n, most in enumerate(partners):
        if not most:
            continue
        best = np.argpartition(-share[n], most - 1, axis=1)[:, :most]
        values = np.take_along_axis(share[n], best, axis=1)
        earned[:, n] = values.sum(axis=1)
        np.put_along_axis(taken[n], best, (values > 0).astype(np.float64), axis=1)
    x, bound_j = _assigned(problem, pairs.linear - earned)
    return bound_j, x, taken * x.T[:, :, None]


def _assigned(problem: PlacementProblem, cost: Array) -> tuple[Array, float]:
    """A cheapest assignment (K, N) of experts to nodes and its cost; of unequal sizes, relaxed."""
    if np.ptp(problem.size) == 0:
        places = np.floor(problem.room / problem.size[0]).astype(np.int64)
        node = np.repeat(np.arange(len(places)), np.minimum(places, len(cost)))
        expert, slot = linear_sum_assignment(cost[:, node])
        x = np.zeros(cost.shape)
        x[expert, node[slot]] = 1.0
        return x, float(cost[expert, node[slot]].sum())
    scale = float(np.abs(cost).max()) or 1.0
    on_one, held = rules(problem)
    answer = linprog(
        cost.ravel() / scale, held.A, held.ub, on_one.A, on_one.ub, (0, 1), method="highs"
    )
    return answer.x.reshape(cost.shape), float(answer.fun) * scale


def _reweighed(sets: Array, cuts: Array, weights: Array, x: Array, z: Array) -> Array:
    """The weights, moved to the cuts that are largest for average copies x and z."""
    one = sets @ x
    two = np.stack([((sets @ of) * sets).sum(axis=1) / 2 for of in z], axis=1)
    values = np.stack([2 / (m + 1) * (one - two / m) for m in cuts])
    towards = values == values.max(axis=0)
    return np.asarray(weights + TOWARDS * (towards / towards.sum(axis=0) - weights))
