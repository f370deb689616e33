"""P3 in networkx: every active link sends one unit over a subcarrier into the band.

This is a minimum-cost flow: the assignment drawn as a network (docs/problems/allocation.md).
networkx also has matchings. Its bipartite matching calls scipy, and its general matching does not
use that the graph is bipartite. Network simplex ends at a vertex, where every flow is whole.

Network simplex needs whole costs. They are rounded down to multiples of 1/SCALE, so the optimum of
the network is a lower bound, and less than n/SCALE below the true optimum. The true optimum is at
least 1 in the units used here, so rounding costs a relative gap below n/SCALE: 5e-11 for 56 links.
"""

from __future__ import annotations

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from dmoe_opt.allocation.links import LinkAnswer, solve_with
from dmoe_opt.answer.objective import Selection
from dmoe_opt.answer.result import Result
from dmoe_opt.data.instance import Instance

SCALE = 2**40


def build(cost: NDArray[np.float64]) -> nx.DiGraph:
    """The assignment of n links to M subcarriers as a network.

    `cost` (n, M) is inf where a link cannot use a subcarrier. One unit flows from ("link", l) to
    ("subcarrier", m) where link l uses subcarrier m, and on to "band".
    """
    works = np.isfinite(cost)
    graph = nx.DiGraph()
    graph.add_node("band", demand=len(cost))
    for link in range(len(cost)):  # (C4) an active link has a subcarrier
        graph.add_node(("link", link), demand=-1)
    for m in np.flatnonzero(works.any(axis=0)).tolist():  # (C3) a subcarrier serves at most one
        graph.add_edge(("subcarrier", m), "band", capacity=1, weight=0)
    for link, m in np.argwhere(works).tolist():
        weight = int(cost[link, m] * SCALE)
        graph.add_edge(("link", link), ("subcarrier", m), capacity=1, weight=weight)
    return graph


def solve(instance: Instance, *, selection: Selection | None = None) -> Result:
    """Solve by network simplex; `selection` as in `allocation.links.chosen_experts`."""

    def assign_links(cost: NDArray[np.float64]) -> LinkAnswer:
        least, flow = nx.network_simplex(build(cost))
        chosen = np.zeros(cost.shape, dtype=bool)
        for link, m in np.argwhere(np.isfinite(cost)).tolist():
            chosen[link, m] = flow["link", link]["subcarrier", m] == 1
        return LinkAnswer(chosen, least / SCALE)

    return solve_with("networkx", assign_links, instance, selection)
