"""Which links may be active, at most M of them: the difficulty where spectrum is scarce (docs/problems/joint.md).

Nodes share no link, so each node decides for itself which of its links can be closed while each of its tokens still
reaches its threshold with at most D experts; only the number of links ties the nodes together.

*Fewest links.* Closing a link never helps a token, so what can be closed is closed under taking subsets, and a branch
and bound like those for cliques finds the largest set: candidates shrink as links are closed, and no more can be closed
than the token worst off could lose by itself, taking those it values least.

*Activation bound.* With every link on its best subcarrier, DES gives the energy of a node for each set of links it may
keep open; the least over sets of each size, and a dynamic program over the nodes, give the least energy with at most M
active links. That bounds the round from below.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dmoe_opt.allocation.assignment import allocate
from dmoe_opt.answer.objective import Allocation, Selection, loads
from dmoe_opt.answer.result import Result, build, infeasible
from dmoe_opt.data.instance import Instance, SelectionProblem
from dmoe_opt.selection import des

MOST_RUNS = 200_000  # of DES per node of the network, about a second; beyond, its energy is bounded with all links open
SETS_AT_ONCE = 256
WORK_LIMIT = 20_000_000  # looks at a token per node of the network; about a second
MOST_NAMED = 8


class Fewest(NamedTuple):
    """Links that each node needs at least (K,), proven, and a set of links (K, K) that serves every token.

    The set has no more links than needed unless the search met its limit.
    """

    needed: NDArray[np.int64]
    open_links: NDArray[np.bool_]


@njit(cache=True, nogil=True)
def _served(units, order, need, closed, cap):  # type: ignore[no-untyped-def]
    """Whether a token reaches its need with the best `cap` experts that are not closed."""
    total = 0.0
    used = 0
    for j in order:
        if used == cap or units[j] <= 0.0:
            break
        if not closed[j]:
            total += units[j]
            used += 1
    return total >= need


@njit(cache=True, nogil=True)
def _all_served(units, order, need, closed, cap):  # type: ignore[no-untyped-def]
    for t in range(len(need)):  # noqa: SIM110
        if not _served(units[t], order[t], need[t], closed, cap):
            return False
    return True


@njit(cache=True, nogil=True)
def _most(units, order, need, closed, candidates, cap, enough):  # type: ignore[no-untyped-def]
    """How many of the candidates the token worst off could lose by itself; at most `enough` are counted."""
    least = enough
    trial = closed.copy()
    for t in range(len(need)):
        trial[:] = closed
        lost = 0
        for n in range(len(order[t]) - 1, -1, -1):
            j = order[t, n]
            if lost == least:
                break
            if not candidates[j]:
                continue
            trial[j] = True
            if not _served(units[t], order[t], need[t], trial, cap):
                break
            lost += 1
        least = min(least, lost)
    return least


@njit(cache=True, nogil=True)
def _levels(links):  # type: ignore[no-untyped-def]
    """Room for a depth-first search: the candidates of each depth, how many they are, and how many were tried."""
    depths = len(links) + 1
    return np.zeros((depths, len(links)), np.int64), np.zeros(depths, np.int64), np.zeros(depths, np.int64)


@njit(cache=True, nogil=True)
def _close_most(units, order, need, links, cap, limit):  # type: ignore[no-untyped-def]
    """The largest set of `links` that can be closed: (its mask, an upper limit on its size)."""
    depth = 0
    candidates, count, place = _levels(links)
    closed = np.zeros(units.shape[1], dtype=np.bool_)
    marked = closed.copy()
    best = closed.copy()
    size = 0
    work = 0
    for j in links:
        closed[j] = True
        if _all_served(units, order, need, closed, cap):
            candidates[0, count[0]] = j
            count[0] += 1
        closed[j] = False
    while depth >= 0:
        if depth + count[depth] - place[depth] <= size or work >= limit:
            if work >= limit:
                break
            depth -= 1
            if depth >= 0:
                closed[candidates[depth, place[depth] - 1]] = False
            continue
        j = candidates[depth, place[depth]]
        place[depth] += 1
        closed[j] = True
        work += (count[depth] - place[depth] + links.size) * len(need)
        left = 0
        marked[:] = False
        for n in range(place[depth], count[depth]):
            other = candidates[depth, n]
            closed[other] = True
            if _all_served(units, order, need, closed, cap):
                candidates[depth + 1, left] = other
                marked[other] = True
                left += 1
            closed[other] = False
        if depth + 1 > size:
            size = depth + 1
            best[:] = closed
        if depth + 1 + _most(units, order, need, closed, marked, cap, left) <= size:
            closed[j] = False
            continue
        depth += 1
        count[depth] = left
        place[depth] = 0
    most = size
    for d in range(depth + 1):
        most = max(most, d + count[d] - place[d] + (1 if d < depth else 0))
    return best, most


@njit(cache=True, nogil=True)
def _closable(units, order, need, links, cap, least, found, limit):  # type: ignore[no-untyped-def]
    """Write the masks of all sets of at least `least` links that can be closed into `found`; their number, or too many."""
    candidates, count, place = _levels(links)
    closed = np.zeros(units.shape[1], dtype=np.bool_)
    candidates[0, : len(links)] = links
    count[0] = len(links)
    depth = 0
    sets = 0
    work = 0
    if least <= 0:
        sets = 1  # nothing closed
    while depth >= 0:
        if depth + count[depth] - place[depth] < least or place[depth] == count[depth]:
            depth -= 1
            if depth >= 0:
                closed[candidates[depth, place[depth] - 1]] = False
            continue
        j = candidates[depth, place[depth]]
        place[depth] += 1
        closed[j] = True
        work += len(need)
        if work >= limit:
            return len(found) + 1
        if not _all_served(units, order, need, closed, cap):
            closed[j] = False
            continue
        depth += 1
        count[depth] = count[depth - 1] - place[depth - 1]
        candidates[depth, : count[depth]] = candidates[depth - 1, place[depth - 1] : count[depth - 1]]
        place[depth] = 0
        if depth >= least:
            if sets == len(found):
                return sets + 1
            found[sets] = closed
            sets += 1
    return sets


class _Node(NamedTuple):
    """What the searches need of one node of the network: the problem of its tokens, each token's experts by score, and its
    links, least harm of closing first.
    """

    part: SelectionProblem
    order: NDArray[np.int64]
    links: NDArray[np.int64]


def _nodes(instance: Instance) -> dict[int, _Node]:
    problem = instance.selection_problem()
    nodes = {}
    for i in np.unique(instance.source).tolist():
        part = problem.rows(np.flatnonzero(instance.source == i))
        units = part.usable_units
        harm = np.where(part.need_units[:, None] > 0, units, 0.0).sum(axis=0)
        links = [j for j in np.argsort(harm, kind="stable").tolist() if j != i and np.isfinite(instance.best_link_energy[i, j])]
        nodes[i] = _Node(part, np.argsort(-units, axis=1, kind="stable"), np.array(links, dtype=np.int64))
    return nodes


def fewest_links(instance: Instance, work_limit: int = WORK_LIMIT) -> Fewest:
    """The least number of active links with which every node can serve its tokens, and such links.

    `work_limit` bounds the search of each node of the network; the numbers are then still proven, and may be low.
    """
    experts = instance.num_experts
    needed = np.zeros(experts, dtype=np.int64)
    open_links = np.zeros((experts, experts), dtype=bool)
    for i, node in _nodes(instance).items():
        units, need = node.part.usable_units, node.part.need_units
        closed, most = _close_most(units, node.order, need, node.links, instance.max_experts, work_limit)
        needed[i] = max(len(node.links) - int(most), 0)
        open_links[i, node.links] = ~closed[node.links]
    return Fewest(needed, open_links)


def too_many_links(instance: Instance, needed: NDArray[np.int64]) -> str | None:
    """Why a round cannot be served, in words, if its nodes need more links than there are subcarriers."""
    if needed.sum() <= instance.num_subcarriers:
        return None
    if len(needed) <= MOST_NAMED:
        nodes = ", ".join(f"{n} from node {i}" for i, n in enumerate(needed) if n)
    else:
        nodes = f"{needed.min()} to {needed.max()} from each node"
    return f"at least {needed.sum()} links must be active ({nodes}) and {instance.num_subcarriers} subcarriers exist"


def no_open_links(instance: Instance) -> str:
    """Why a round cannot be served where no set of links that is small enough serves all tokens, in words."""
    return f"no {instance.num_subcarriers} active links, one a subcarrier, serve all tokens: every set was tried"


class Activation(NamedTuple):
    """The activation bound in J, inf if no links will do, and the links (K, K) that attain it; None where some node has too
    many sets of links.
    """

    bound_j: float
    open_links: NDArray[np.bool_] | None


def activate(instance: Instance, needed: NDArray[np.int64]) -> Activation:
    """Least energy with every link on its best subcarrier and at most M of them active.

    `needed` (K,) are links that each node needs at least, of which there are no more than M.
    """
    spare = instance.num_subcarriers - int(needed.sum())
    budget = np.zeros(spare + 1)  # least energy so far by subcarriers taken beyond what is needed
    choices: list[tuple[int, NDArray[np.int64], list[NDArray[np.bool_] | None]]] = []
    for i, node in _nodes(instance).items():
        energy, closed = _energies(node, instance.max_experts, int(needed[i]), spare)
        total = np.array(
            [[budget[b - n] + energy[n] if n <= b else np.inf for n in range(spare + 1)] for b in range(spare + 1)]
        )
        choices.append((i, total.argmin(axis=1), closed))
        budget = total.min(axis=1)
    open_links = np.zeros((instance.num_experts, instance.num_experts), dtype=bool)
    left, known = spare, True
    for i, best, closed in reversed(choices):
        mask = closed[best[left]]
        known &= mask is not None
        open_links[i] = False if mask is None else ~mask & np.isfinite(instance.best_link_energy[i])
        left -= int(best[left])
    np.fill_diagonal(open_links, False)
    return Activation(float(budget[spare]), open_links if known else None)


def _energies(node: _Node, cap: int, needed: int, spare: int) -> tuple[NDArray[np.float64], list[NDArray[np.bool_] | None]]:
    """Least energy of a node with `needed` + 0, 1, .. `spare` open links, inf if unknown to be possible, and what to close."""
    part, links = node.part, node.links
    energy = np.full(spare + 1, np.inf)
    best: list[NDArray[np.bool_] | None] = [None] * (spare + 1)
    found = np.zeros((MOST_RUNS // max(part.num_tokens, 1) + 1, part.num_experts), dtype=bool)
    least = max(len(links) - needed - spare, 0)
    sets = _closable(part.usable_units, node.order, part.need_units, links, cap, least, found, WORK_LIMIT)
    if sets > len(found):
        energy[:] = des.choose(part, part.cost, part.usable, des.QUICK_NODES)[1].sum()
        return energy, best
    for first in range(0, sets, SETS_AT_ONCE):
        masks = found[first : min(first + SETS_AT_ONCE, sets)]
        stacked = part.rows(np.tile(np.arange(part.num_tokens), len(masks)))
        usable = stacked.usable & ~np.repeat(masks, part.num_tokens, axis=0)
        bounds = des.choose(stacked, stacked.cost, usable, des.QUICK_NODES)[1].reshape(len(masks), -1).sum(axis=1)
        for mask, value in zip(masks, bounds, strict=True):
            more = max(len(links) - int(mask.sum()) - needed, 0)
            if value < energy[more]:
                energy[more], best[more] = value, mask
    return energy, best


def solve_activation(instance: Instance) -> Result:
    """The activation bound, and the answer that its links give once they are assigned subcarriers.

    Returns
    -------
    Result
        `infeasible` with the number of links needed, where that is more than the subcarriers; `stats` has
        `links_needed`, a lower bound on the active links.
    """
    needed = fewest_links(instance).needed
    if reason := too_many_links(instance, needed):
        return infeasible(instance, "activation", reason)
    found = activate(instance, needed)
    if found.bound_j == np.inf:
        return infeasible(instance, "activation", no_open_links(instance))
    stats = {"links_needed": int(needed.sum())}
    if found.open_links is None:
        message = "a bound only: a node has too many sets of links to try"
        return build(instance, "activation", bound_j=found.bound_j, stats=stats, message=message)
    served = serve_over(instance, found.open_links)
    if served is None:
        message = "a bound only: the active links cannot all be given a subcarrier that works"
        return build(instance, "activation", bound_j=found.bound_j, stats=stats, message=message)
    selection, allocation = served
    return build(instance, "activation", selection=selection, allocation=allocation, bound_j=found.bound_j, stats=stats)


def serve_over(instance: Instance, open_links: NDArray[np.bool_]) -> tuple[Selection, Allocation] | None:
    """DES over open links (K, K), each on its best subcarrier, and an assignment of those used; None if that fails."""
    problem = instance.selection_problem()
    own = np.eye(instance.num_experts, dtype=bool)
    selection, bounds = des.choose(problem, problem.cost, problem.usable & (open_links | own)[instance.source])
    allocation = allocate(instance, loads(instance, selection)) if np.isfinite(bounds).all() else None
    return None if allocation is None else (selection, allocation)
