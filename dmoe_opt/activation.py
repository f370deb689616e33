"""How few links a round can do with: which links may be active at all is the difficulty where spectrum is scarce.

Nodes share no link, so each node decides for itself how many of its links can be closed while each of its tokens still
reaches its threshold with at most D experts. Closing a link never helps a token, so sets that can be closed are closed
under taking subsets, and a branch and bound like those for cliques finds the largest: candidates shrink as links are
closed, and no more can be closed than the token worst off could lose by itself, taking those it values least.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dmoe_opt.instance import Instance

NODE_LIMIT = 200_000  # per node of the network; about a second
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
def _close_most(units, order, need, links, cap, limit):  # type: ignore[no-untyped-def]
    """The largest set of `links` that can be closed: (its mask, an upper limit on its size)."""
    experts = units.shape[1]
    depth = 0
    candidates = np.zeros((len(links) + 1, len(links)), dtype=np.int64)
    count = np.zeros(len(links) + 1, dtype=np.int64)
    place = np.zeros(len(links) + 1, dtype=np.int64)
    closed = np.zeros(experts, dtype=np.bool_)
    marked = np.zeros(experts, dtype=np.bool_)
    best = closed.copy()
    size = 0
    nodes = 0
    for j in links:
        closed[j] = True
        if _all_served(units, order, need, closed, cap):
            candidates[0, count[0]] = j
            count[0] += 1
        closed[j] = False
    while depth >= 0:
        if depth + count[depth] - place[depth] <= size or nodes >= limit:
            if nodes >= limit:
                break
            depth -= 1
            if depth >= 0:
                closed[candidates[depth, place[depth] - 1]] = False
            continue
        j = candidates[depth, place[depth]]
        place[depth] += 1
        closed[j] = True
        nodes += 1
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


def fewest_links(instance: Instance, node_limit: int = NODE_LIMIT) -> Fewest:
    """The least number of active links with which every node can serve its tokens, and such links.

    `node_limit` bounds the search of each node of the network; the numbers are then still proven, and may be low.
    """
    problem = instance.selection_problem()
    experts = instance.num_experts
    needed = np.zeros(experts, dtype=np.int64)
    open_links = np.zeros((experts, experts), dtype=bool)
    for i in np.unique(instance.source):
        tokens = np.flatnonzero(instance.source == i)
        units = problem.usable_units[tokens]
        order = np.argsort(-units, axis=1, kind="stable")
        harm = np.where(problem.need_units[tokens, None] > 0, units, 0.0).sum(axis=0)
        links = np.array(
            [j for j in np.argsort(harm, kind="stable") if j != i and np.isfinite(instance.best_link_energy[i, j])]
        )
        if not len(links):
            continue
        closed, most = _close_most(units, order, problem.need_units[tokens], links, problem.max_experts, node_limit)
        needed[i] = max(len(links) - int(most), 0)
        open_links[i, links] = ~closed[links]
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
