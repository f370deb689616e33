"""Which links may be active, at most M of them: the difficulty where spectrum is scarce.

Nodes share no link, so each node decides for itself which of its links can be closed while each of
its tokens still reaches its threshold with at most D experts. Only the number of links ties the
nodes together. See docs/problems/joint.md.

*Fewest links.* A branch and bound finds the largest set of links that a node can close
(`activation_kernel`).

*Activation bound.* With every link on its best subcarrier, DES gives the energy E_i(S) of node i
for each set S of links that it may keep open. The least over the sets of each size, and a dynamic
program over the nodes, give::

    min sum_i E_i(S_i)   with   sum_i |S_i| <= M,

the least energy with at most M active links. It bounds the round from below.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.allocation.assignment import serve
from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.result import Result, build, infeasible
from dmoe_opt.clock import OUT_OF_TIME, flag, is_over, until
from dmoe_opt.compiling import call
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.data.words import counted, existing
from dmoe_opt.joint.activation_kernel import closable, close_most
from dmoe_opt.selection import des

MOST_RUNS = 1_600_000  # of DES, a few seconds
SETS_AT_ONCE = 256
WORK_LIMIT = 20_000_000  # looks at a token, shared by the nodes of the network; about a second
LITTLE = 2**11  # tokens of a node times sets of its links: Python takes less than 0.1 s
MOST_NAMED = 8


class Fewest(NamedTuple):
    """Links that each node needs at least (N,), proven, and links (N, N) that serve every token.

    The set has no more links than needed unless the search met its limit.
    """

    needed: NDArray[np.int64]
    open_links: NDArray[np.bool_]


class _Node(NamedTuple):
    """One node of the network: the problem of its tokens, their experts by score, and its links.

    `node_of` is the node of each expert. The link whose loss does least harm comes first.
    """

    part: SelectionProblem
    order: NDArray[np.int64]
    node_of: NDArray[np.int64]
    links: NDArray[np.int64]
    num_nodes: int

    @property
    def has_few_sets(self) -> bool:
        """Whether Python alone looks at all sets of links while numba would load."""
        return bool(self.part.num_tokens << len(self.links) <= LITTLE)


def _nodes(instance: Instance) -> dict[int, _Node]:
    """The nodes that have tokens, by number."""
    problem = instance.selection_problem()
    reachable = np.isfinite(instance.best_link_energy)
    np.fill_diagonal(reachable, False)
    nodes = {}
    for i in np.unique(instance.source).tolist():
        part = problem.rows(np.flatnonzero(instance.source == i))
        units = part.usable_units
        wanted = np.where(part.need_units[:, None] > 0, units, 0.0).sum(axis=0)
        harm = np.bincount(instance.node_of, wanted, minlength=instance.num_nodes)
        by_harm = np.argsort(harm, kind="stable")
        order = np.argsort(-units, axis=1, kind="stable")
        nodes[i] = _Node(
            part, order, instance.node_of, by_harm[reachable[i, by_harm]], instance.num_nodes
        )
    return nodes


def _roof(node: _Node, num_nodes: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Most units that each token gets from each node (t, N), and the nodes by that, best first."""
    roof = np.zeros((node.part.num_tokens, num_nodes))
    units = -np.sort(-node.part.usable_units, axis=1)
    rank = np.zeros((node.part.num_tokens, num_nodes), dtype=np.int64)
    rows = np.arange(node.part.num_tokens)
    for n in range(units.shape[1]):  # experts from the best to the worst
        at = node.node_of[node.order[:, n]]
        roof[rows, at] += np.where(rank[rows, at] < node.part.max_experts, units[:, n], 0.0)
        rank[rows, at] += 1
    return roof, np.argsort(-roof, axis=1, kind="stable")


def fewest_links(instance: Instance, work_limit: int = WORK_LIMIT) -> Fewest:
    """The least number of active links with which every node can serve its tokens, and such links.

    The nodes share `work_limit`; where it ends a search, the numbers are still proven, and may be
    low.
    """
    nodes = instance.num_nodes
    needed = np.zeros(nodes, dtype=np.int64)
    open_links = np.zeros((nodes, nodes), dtype=bool)
    parts = _nodes(instance)
    for i, node in parts.items():
        closed, most = call(
            close_most,
            node.part.usable_units,
            node.order,
            node.node_of,
            *_roof(node, nodes),
            node.part.need_units,
            node.links,
            instance.max_experts,
            work_limit // len(parts),
            flag(),
            little=node.has_few_sets,
        )
        needed[i] = max(len(node.links) - int(most), 0)
        open_links[i, node.links] = ~closed[node.links]
    return Fewest(needed, open_links)


def too_many_links(instance: Instance, needed: NDArray[np.int64]) -> str | None:
    """Why a round cannot be served, if its nodes need more links than there are subcarriers."""
    if needed.sum() <= instance.num_subcarriers:
        return None
    if len(needed) <= MOST_NAMED:
        nodes = ", ".join(f"{n} from node {i}" for i, n in enumerate(needed) if n)
    else:
        nodes = f"{needed.min()} to {needed.max()} from each node"
    return (
        f"at least {counted(needed.sum(), 'link')} must be active ({nodes}) "
        f"and {existing(instance.num_subcarriers, 'subcarrier')}"
    )


def no_open_links(instance: Instance) -> str:
    """Why a round cannot be served where no set of links that is small enough serves all tokens."""
    return (
        f"no {instance.num_subcarriers} active links, one a subcarrier, serve all tokens: "
        "every set was tried"
    )


class Activation(NamedTuple):
    """The activation bound in J, inf if no links will do, and the links (N, N) that attain it.

    The links are None where some node has too many sets of links.
    """

    bound_j: float
    open_links: NDArray[np.bool_] | None


class _NodeEnergies(NamedTuple):
    """A node with n = 0, 1, .. open links beyond the needed ones.

    `least_j` (n,) is the least energy, inf where no set of that size will do; `closed` has the
    links to close for it, None where the sets were too many to try.
    """

    least_j: NDArray[np.float64]
    closed: list[NDArray[np.bool_] | None]


def activate(
    instance: Instance,
    needed: NDArray[np.int64],
    most_runs: int = MOST_RUNS,
) -> Activation:
    """Least energy with every link on its best subcarrier and at most M of them active.

    `needed` (N,) are links that each node needs at least, of which there are no more than M. The
    nodes share `most_runs` of DES. A node with too many sets of links counts with all its links
    open. Where the time is up, the bound is 0.
    """
    spare = instance.num_subcarriers - int(needed.sum())
    # The dynamic program: budget[b] is the least energy of the nodes so far with b spare links.
    budget = np.zeros(spare + 1)
    steps: list[tuple[int, _NodeEnergies, NDArray[np.int64]]] = []
    parts = _nodes(instance)
    effort = _Effort(most_runs // max(len(parts), 1), WORK_LIMIT // max(len(parts), 1))
    for i, node in parts.items():
        if is_over():
            return Activation(0.0, None)
        energies = _energies(node, int(needed[i]), spare, effort)
        total = np.full((spare + 1, spare + 1), np.inf)
        for b in range(spare + 1):
            total[b, : b + 1] = budget[b::-1] + energies.least_j[: b + 1]
        steps.append((i, energies, total.argmin(axis=1)))
        budget = total.min(axis=1)
    return Activation(float(budget[spare]), _links_of(instance, steps, spare))


def _links_of(
    instance: Instance, steps: list[tuple[int, _NodeEnergies, NDArray[np.int64]]], spare: int
) -> NDArray[np.bool_] | None:
    """The open links (N, N) that the dynamic program chose, read back from the last node."""
    open_links = np.zeros((instance.num_nodes, instance.num_nodes), dtype=bool)
    for i, energies, choice in reversed(steps):
        taken = int(choice[spare])
        mask = energies.closed[taken]
        if mask is None:
            return None
        open_links[i] = ~mask & np.isfinite(instance.best_link_energy[i])
        spare -= taken
    np.fill_diagonal(open_links, False)
    return open_links


class _Effort(NamedTuple):
    """Most runs of DES, and most looks at a token, for one node."""

    runs: int
    looks: int


def _closable_sets(
    node: _Node, needed: int, spare: int, effort: _Effort
) -> NDArray[np.bool_] | None:
    """Sets of links that a node can close (n, N), where at most `needed + spare` stay open.

    None if these are too many.
    """
    part, links = node.part, node.links
    runs = effort.runs // max(part.num_tokens, 1) + 1
    found = np.zeros((runs, node.num_nodes), dtype=bool)
    least = max(len(links) - needed - spare, 0)
    sets = call(
        closable,
        part.usable_units,
        node.order,
        node.node_of,
        part.need_units,
        links,
        part.max_experts,
        least,
        found,
        effort.looks,
        flag(),
        little=node.has_few_sets,
    )
    return None if sets > len(found) else found[:sets]


def open_sets(
    instance: Instance, needed: NDArray[np.int64], spare: int
) -> dict[int, tuple[SelectionProblem, NDArray[np.bool_]]] | None:
    """Each node that has tokens: their problem, and the sets of links (n, N) that it may keep open.

    None if these are too many, as in `activate`.
    """
    parts = _nodes(instance)
    effort = _Effort(MOST_RUNS // max(len(parts), 1), WORK_LIMIT // max(len(parts), 1))
    sets = {}
    for i, node in parts.items():
        closed = _closable_sets(node, int(needed[i]), spare, effort)
        if closed is None:
            return None
        links = np.zeros(instance.num_nodes, dtype=bool)
        links[node.links] = True
        sets[i] = node.part, links & ~closed
    return sets


def _energies(node: _Node, needed: int, spare: int, effort: _Effort) -> _NodeEnergies:
    """Energies of a node with `needed` + 0, 1, .. `spare` open links."""
    part, links = node.part, node.links
    best = _NodeEnergies(np.full(spare + 1, np.inf), [None] * (spare + 1))
    found = _closable_sets(node, needed, spare, effort)
    if found is None:  # too many to try: the energy with all links open bounds each of them
        best.least_j[:] = des.choose(part, part.cost, part.usable, des.QUICK_NODES)[1].sum()
        return best
    for first in range(0, len(found), SETS_AT_ONCE):
        if is_over():
            return _NodeEnergies(np.zeros(spare + 1), [None] * (spare + 1))
        masks = found[first : first + SETS_AT_ONCE]
        energies = _energies_closed_j(part, masks[:, node.node_of])
        for mask, energy_j in zip(masks, energies, strict=True):
            n = max(len(links) - int(mask.sum()) - needed, 0)
            if energy_j < best.least_j[n]:
                best.least_j[n], best.closed[n] = energy_j, mask
    return best


def _energies_closed_j(part: SelectionProblem, masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Bounds on the energy of a node's tokens, J, for each mask (n, K) of experts out of reach."""
    stacked = part.rows(np.tile(np.arange(part.num_tokens), len(masks)))
    usable = stacked.usable & ~np.repeat(masks, part.num_tokens, axis=0)
    bounds = des.choose(stacked, stacked.cost, usable, des.QUICK_NODES)[1]
    return np.asarray(bounds.reshape(len(masks), -1).sum(axis=1))


def solve_activation(instance: Instance, *, time_limit: float | None = None) -> Result:
    """The activation bound, and the answer that its links give once they are assigned subcarriers.

    Returns
    -------
    Result
        `infeasible` with the number of links needed, where that is more than the subcarriers;
        `stats` has `links_needed`, a lower bound on the active links.
    """
    with until(time_limit):
        return _solve(instance)


def _solve(instance: Instance) -> Result:
    needed = fewest_links(instance).needed
    if reason := too_many_links(instance, needed):
        return infeasible(instance, "activation", reason)
    activation = activate(instance, needed)
    if activation.bound_j == np.inf:
        return infeasible(instance, "activation", no_open_links(instance))
    decision, message = None, "a bound only: a node has too many sets of links to try"
    if is_over():
        message = OUT_OF_TIME
    if activation.open_links is not None:
        decision = serve_over(instance, activation.open_links)
        message = "a bound only: the active links cannot all be given a subcarrier that works"
    return build(
        instance,
        "activation",
        decision,
        bound_j=activation.bound_j,
        stats={"links_needed": int(needed.sum())},
        message="" if decision else message,
    )


def serve_over(instance: Instance, open_links: NDArray[np.bool_]) -> Decision | None:
    """DES over open links (N, N), each on its best subcarrier, and an assignment of those used.

    The result is None if a token cannot be served or the links cannot be assigned.
    """
    problem = instance.selection_problem()
    usable = problem.usable & (instance.to_experts(open_links) | ~instance.away)
    selection, bounds = des.choose(problem, problem.cost, usable)
    return serve(instance, selection) if np.isfinite(bounds).all() else None
