"""Placements without a search: in order, at random, by popularity, by co-activation, by visits.

The first two know nothing of the tokens. Popularity and co-activation look at which experts tokens
use, and not at links; visits looks at links, and not at co-activation.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.placing.assigning import assign
from dmoe_opt.placing.problem import Placement, PlacementProblem


def in_order(problem: PlacementProblem, seed: int = 0) -> Placement:
    """Experts one after the other on the first nodes, an even share on each."""
    filled = (np.cumsum(problem.size) - problem.size / 2) / problem.size.sum()
    wanted = np.minimum(np.floor(filled * problem.num_nodes), problem.num_nodes - 1)
    return _nearest(problem, wanted.astype(np.int64))


def at_random(problem: PlacementProblem, seed: int = 0) -> Placement:
    """As in order, with the experts shuffled."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(problem.num_experts)
    share = -(-problem.num_experts // problem.num_nodes)
    wanted = np.empty(problem.num_experts, dtype=np.int64)
    wanted[order] = np.arange(problem.num_experts) // share
    return _nearest(problem, wanted)


def by_popularity(problem: PlacementProblem, seed: int = 0) -> Placement:
    """Balanced loads: the most popular expert first, each on the node with the least load so far.

    A node takes an even share of the experts at most. That is the balanced packing of EPLB, the
    load balancer that DeepSeek published for expert parallelism, without its replicas.
    """
    visits = problem.chosen.sum(axis=0).astype(np.float64)
    share = _share(problem)
    load, held = np.zeros(problem.num_nodes), np.zeros(problem.num_nodes)
    placement = np.zeros(problem.num_experts, dtype=np.int64)
    for j in np.argsort(-visits, kind="stable"):
        open_nodes = held + problem.size[j] <= share
        n = int(np.where(open_nodes, load, np.inf).argmin()) if open_nodes.any() else -1
        if n < 0:
            return _nearest(problem, placement)
        placement[j] = n
        load[n] += visits[j]
        held[n] += problem.size[j]
    return placement


def by_coactivation(problem: PlacementProblem, seed: int = 0) -> Placement:
    """Experts that tokens use together, together: greedy groups, one for each node.

    A group begins with the most popular expert that is left, and takes the expert that tokens use
    most often together with those inside, until an even share is full. Groups then go to the nodes
    where they cost least, visit by visit.
    """
    used = problem.chosen.astype(np.float64)
    together = used.T @ used
    visits = np.diagonal(together).copy()
    np.fill_diagonal(together, 0.0)
    share = _share(problem)
    group = np.full(problem.num_experts, -1, dtype=np.int64)
    for n in range(problem.num_nodes):
        held, near = 0.0, visits * 1e-9 + 1e-12  # ties go to the popular
        while True:
            open_experts = (group < 0) & (problem.size + held <= share[n])
            if not open_experts.any():
                break
            first = held == 0.0
            j = int(np.where(open_experts, visits if first else near, -np.inf).argmax())
            group[j] = n
            held += problem.size[j]
            near = near + together[j]
    group[group < 0] = 0
    if np.ptp(problem.memory) > 0:  # a group may fit on its own node only
        return _nearest(problem, group)
    return _nearest(problem, _on_cheapest_nodes(problem, group))


def by_visits(problem: PlacementProblem, seed: int = 0) -> Placement:
    """The optimum if a hidden state were sent for each expert: links count, co-activation not."""
    return assign(
        problem.replace(send_once=False), problem.replace(send_once=False).linear
    ).placement


BASELINES: dict[str, Callable[[PlacementProblem, int], Placement]] = {
    "in order": in_order,
    "random": at_random,
    "popularity": by_popularity,
    "co-activation": by_coactivation,
    "visits": by_visits,
}
"""All baselines by name: functions of the problem and of a seed, which only `random` uses."""


def _share(problem: PlacementProblem) -> NDArray[np.float64]:
    """The even share of the experts that a node takes, shape (N,): all memory, if all is needed."""
    even = -(-problem.num_experts // problem.num_nodes) * float(problem.size.max())
    return np.minimum(problem.room, max(even, float(problem.size.sum() / problem.num_nodes)))


def _on_cheapest_nodes(problem: PlacementProblem, group: Placement) -> Placement:
    """Groups, each moved as a whole to the node of its own where all together cost least."""
    from scipy.optimize import linear_sum_assignment

    cost = problem.replace(send_once=False).linear
    of_groups = np.zeros((problem.num_nodes, problem.num_nodes))
    np.add.at(of_groups, group, cost)
    _, node = linear_sum_assignment(of_groups)
    return np.asarray(node[group], dtype=np.int64)


def _nearest(problem: PlacementProblem, wanted: Placement) -> Placement:
    """The wanted placement, or where a node cannot hold it, one that moves as few as can be."""
    held = np.bincount(wanted, problem.size, problem.num_nodes)
    if (held <= problem.room).all():
        return wanted
    cost = np.ones((problem.num_experts, problem.num_nodes))
    cost[np.arange(problem.num_experts), wanted] = 0.0
    return assign(problem, cost).placement
