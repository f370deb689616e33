"""What a token pays links for: every expert that it uses there, or its node once (`send_once`).

Such a payment is a *passage*. There are C for each token: one for each expert, C = K, or with
`send_once` one for each node, C = N. Those to experts of the token's own node are free.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.objective import Selection, visits
from dmoe_opt.data.instance import Instance
from dmoe_opt.selection import des

NODES_ONCE = 100 * des.QUICK_NODES  # a bound that is not exact stops the ascent early


class Costs(NamedTuple):
    """What tokens pay, J: for each expert (T, K), and for each node once (T, N).

    Without `send_once` links are part of what experts cost, and `nodes` is None.
    """

    experts: NDArray[np.float64]
    nodes: NDArray[np.float64] | None

    def alone(self, instance: Instance, j: int) -> tuple[NDArray[np.float64], Costs]:
        """Expert j and its node alone (T,), and the costs of all others beside it."""
        experts, nodes = self.experts.copy(), self.nodes
        alone_j = experts[:, j].copy()
        experts[:, j] = 0.0
        if nodes is not None:
            nodes = nodes.copy()
            alone_j += nodes[:, instance.node_of[j]]
            nodes[:, instance.node_of[j]] = 0.0
        return alone_j, Costs(experts, nodes)


def ends(instance: Instance) -> NDArray[np.int64]:
    """The node to which every passage leads, shape (C,)."""
    return np.arange(instance.num_nodes) if instance.send_once else instance.node_of


def to_passages(instance: Instance, of_links: NDArray[Any]) -> NDArray[Any]:
    """Values of the links (N, N) as tokens meet them on passages, shape (T, C)."""
    return np.asarray(of_links[instance.source[:, None], ends(instance)])


def need_link(instance: Instance) -> NDArray[np.bool_]:
    """True for passages to another node, shape (T, C)."""
    return np.asarray(instance.source[:, None] != ends(instance))


def passed(instance: Instance, selection: Selection) -> NDArray[np.bool_]:
    """Passages to other nodes that tokens need for their experts (T, K), shape (T, C)."""
    if instance.send_once:
        selection = visits(selection, instance.node_of, instance.num_nodes)
    return selection & need_link(instance)


def costs(instance: Instance, experts: NDArray[np.float64], passages: NDArray[np.float64]) -> Costs:
    """The costs of experts (K,) or (T, K) apart from links, and of passages (T, C), J."""
    links = np.where(need_link(instance), passages, 0.0)
    if not instance.send_once:
        return Costs(experts + links, None)
    return Costs(np.array(np.broadcast_to(experts, instance.scores.shape)), links)


def choose(
    instance: Instance, at: Costs, usable: Selection
) -> tuple[Selection, NDArray[np.float64]]:
    """Experts of every token by DES (T, K), and bounds in J (T,), inf where it has none."""
    problem = instance.selection_problem()
    if at.nodes is None:
        return des.choose(problem, at.experts.copy(), usable.copy(), des.QUICK_NODES)
    arrays = at.experts.copy(), usable.copy()
    return des.choose(problem, *arrays, NODES_ONCE, at.nodes.copy())


def paid_j(instance: Instance, at: Costs, selection: Selection) -> NDArray[np.float64]:
    """What every token pays for its experts (T, K), J, shape (T,)."""
    paid = np.where(selection, at.experts, 0.0).sum(axis=1)
    if at.nodes is None:
        return np.asarray(paid)
    visited = visits(selection, instance.node_of, instance.num_nodes)
    return np.asarray(paid + np.where(visited, at.nodes, 0.0).sum(axis=1))
