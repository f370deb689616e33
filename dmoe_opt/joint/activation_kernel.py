"""Compiled searches of `activation`: which links of one node can be closed.

A set of links can be closed if each token of the node still reaches its threshold with its best D
experts that stay open. Closing one more link never helps a token, so every subset of such a set can
be closed too, and depth-first search over growing sets meets each set once.

Arguments of all kernels: `units` (t, K) scores in units, 0 where an expert cannot be used; `order`
(t, K) each token's experts, best first; `node_of` (K,) the node of each expert; `need` (t,)
thresholds in units; `closed` (N,) the nodes whose links are closed; `cap` the D of rule (C2).
`roof` (t, N), in the order `roof_order`, is the most that a token can get from the experts of a
node.
"""

from __future__ import annotations

import numpy as np

from dmoe_opt.compiling import cached


@cached(nogil=True)
def _served(units, order, node_of, need, closed, cap):  # type: ignore[no-untyped-def]
    """Whether one token reaches its need with the best `cap` experts that are not closed."""
    total = 0.0
    used = 0
    for j in order:
        if used == cap or units[j] <= 0.0:
            break
        if not closed[node_of[j]]:
            total += units[j]
            used += 1
    return total >= need


@cached(nogil=True)
def _all_served(units, order, node_of, need, closed, cap):  # type: ignore[no-untyped-def]
    """Whether every token reaches its need."""
    for t in range(len(need)):  # noqa: SIM110
        if not _served(units[t], order[t], node_of, need[t], closed, cap):
            return False
    return True


@cached(nogil=True)
def _copy(target, values):  # type: ignore[no-untyped-def]
    """target[:] = values, which would take numba three seconds to compile."""
    for n in range(len(values)):
        target[n] = values[n]


@cached(nogil=True)
def _most(roof, roof_order, need, closed, candidates, cap, enough):  # type: ignore[no-untyped-def]
    """An upper limit on how many candidates can be closed at once; at most `enough` are counted.

    A token that stands alone can lose its least useful candidates first; no set can be larger than
    what the worst token could lose in this way. A node counts as one expert with all it can give.
    """
    least = enough
    nodes = np.arange(len(closed))
    trial = closed.copy()
    for t in range(len(need)):
        _copy(trial, closed)
        lost = 0
        for n in range(len(nodes) - 1, -1, -1):
            j = roof_order[t, n]
            if lost == least:
                break
            if not candidates[j]:
                continue
            trial[j] = True
            if not _served(roof[t], roof_order[t], nodes, need[t], trial, cap):
                break
            lost += 1
        least = min(least, lost)
    return least


@cached(nogil=True)
def _levels(links):  # type: ignore[no-untyped-def]
    """Room for a depth-first search.

    For each depth: its candidates, how many they are, and how many of them were tried.
    """
    depths = len(links) + 1
    return (
        np.zeros((depths, len(links)), np.int64),
        np.zeros(depths, np.int64),
        np.zeros(depths, np.int64),
    )


@cached(is_entry=True, nogil=True)
def close_most(  # type: ignore[no-untyped-def]
    units, order, node_of, roof, roof_order, need, links, cap, limit, stop
):
    """The largest set of `links` that can be closed: its mask, and an upper limit on its size.

    The two agree unless the work, in looks at a token, reached `limit`, or `stop` was set.
    """
    depth = 0
    candidates, count, place = _levels(links)
    closed = np.zeros(roof.shape[1], dtype=np.bool_)
    marked = closed.copy()
    best = closed.copy()
    size = 0
    work = 0
    # 1. Only links that can be closed alone are candidates.
    for j in links:
        closed[j] = True
        if _all_served(units, order, node_of, need, closed, cap):
            candidates[0, count[0]] = j
            count[0] += 1
        closed[j] = False
    while depth >= 0:
        # 2. Go back where even all candidates that are left would not beat the best set.
        if depth + count[depth] - place[depth] <= size or work >= limit or stop[0]:
            if work >= limit or stop[0]:
                break
            depth -= 1
            if depth >= 0:
                closed[candidates[depth, place[depth] - 1]] = False
            continue
        # 3. Close the next candidate; those that can be closed along with it go one level down.
        j = candidates[depth, place[depth]]
        place[depth] += 1
        closed[j] = True
        work += (count[depth] - place[depth] + links.size) * len(need)
        left = np.int64(0)  # a literal 0 would make numba compile `_most` once more
        marked[:] = False
        for n in range(place[depth], count[depth]):
            other = candidates[depth, n]
            closed[other] = True
            if _all_served(units, order, node_of, need, closed, cap):
                candidates[depth + 1, left] = other
                marked[other] = True
                left += 1
            closed[other] = False
        if depth + 1 > size:
            size = depth + 1
            _copy(best, closed)
        # 4. Go down only if the token that is worst off leaves room for a better set.
        if depth + 1 + _most(roof, roof_order, need, closed, marked, cap, left) <= size:
            closed[j] = False
            continue
        depth += 1
        count[depth] = left
        place[depth] = 0
    # 5. Where the limit ended the search, its open levels tell what may have been missed.
    most = size
    for d in range(depth + 1):
        most = max(most, d + count[d] - place[d] + (1 if d < depth else 0))
    return best, most


@cached(is_entry=True, nogil=True)
def closable(  # type: ignore[no-untyped-def]
    units, order, node_of, need, links, cap, least, found, limit, stop
):
    """Write the masks of all sets of at least `least` links that can be closed into `found`.

    The result is their number; it is larger than `found` where that is too small for them, or where
    the work, in looks at a token, reached `limit`, or `stop` was set.
    """
    candidates, count, place = _levels(links)
    closed = np.zeros(found.shape[1], dtype=np.bool_)
    _copy(candidates[0], links)
    count[0] = len(links)
    depth = 0
    sets = 0
    work = 0
    if least <= 0:
        sets = 1  # the set that closes nothing
    while depth >= 0:
        # 1. Go back where all candidates together are too few, or all were tried.
        if depth + count[depth] - place[depth] < least or place[depth] == count[depth]:
            depth -= 1
            if depth >= 0:
                closed[candidates[depth, place[depth] - 1]] = False
            continue
        # 2. Close the next candidate, if every token can do without it.
        j = candidates[depth, place[depth]]
        place[depth] += 1
        closed[j] = True
        work += len(need)
        if work >= limit or stop[0]:
            return len(found) + 1
        if not _all_served(units, order, node_of, need, closed, cap):
            closed[j] = False
            continue
        # 3. Only later candidates may follow, so that each set is met once.
        depth += 1
        count[depth] = count[depth - 1] - place[depth - 1]
        _copy(candidates[depth], candidates[depth - 1, place[depth - 1] : count[depth - 1]])
        place[depth] = 0
        if depth >= least:
            if sets == len(found):
                return sets + 1
            _copy(found[sets], closed)
            sets += 1
    return sets
