"""The compiled loops of `copies`: what tokens pay where experts have several copies."""

from __future__ import annotations

import numpy as np

from dmoe_opt.compiling import cached


@cached()
def workroom(copies):
    """Arrays for `least_of_token`, made once for many tokens."""
    experts, nodes = copies.shape
    deep = experts + 1
    return np.zeros(deep, np.int64), np.zeros(deep), np.zeros(deep), np.zeros(nodes, np.int64)


@cached()
def least_of_token(experts, copies, price, work, factor, send_once, working):
    """The least energy of a token over the copies of its experts, and the part of computing, J.

    Depth first over the copies of one expert after the other, unless it costs too much already.
    `working` is from `workroom`.
    """
    node, spent, work_of, visited = working
    most, nodes = len(experts), len(price)
    best, best_work = np.inf, 0.0
    if most == 0:
        return 0.0, 0.0
    visited[:] = 0
    depth = 0
    node[0], spent[0], work_of[0] = -1, 0.0, 0.0
    while depth >= 0:
        n = node[depth]
        if n >= 0:
            visited[n] -= 1
        n += 1
        j = experts[depth]
        while n < nodes and not copies[j, n]:
            n += 1
        if n == nodes:
            depth -= 1
            continue
        node[depth] = n
        computing = work[j] * factor[n]
        total = spent[depth] + computing
        if visited[n] == 0 or not send_once:
            total += price[n]
        visited[n] += 1
        if total >= best:
            continue
        if depth == most - 1:
            best, best_work = total, work_of[depth] + computing
            continue
        depth += 1
        node[depth], spent[depth] = -1, total
        work_of[depth] = work_of[depth - 1] + computing
    return best, best_work


@cached(is_entry=True)
def tokens_least(starts, experts_of, copies, price, work, factor, send_once, energy_j, computing_j):
    """Fill the least energy of every token and the part of computing, J, both (T,)."""
    working = workroom(copies)
    for t in range(len(starts) - 1):
        energy_j[t], computing_j[t] = least_of_token(
            experts_of[starts[t] : starts[t + 1]],
            copies,
            price[t],
            work[t],
            factor,
            send_once,
            working,
        )


@cached(is_entry=True)
def best_copy(
    starts,
    experts_of,
    chosen,
    copies,
    price,
    work,
    factor,
    send_once,
    energy_j,
    size,
    room,
    held,
    most,
):
    """The copy (expert, node) that saves most, and how much, J; expert -1 if none saves or fits.

    `energy_j` (T,) is what tokens pay now, `most` the most copies of an expert.
    """
    experts, nodes = copies.shape
    working = workroom(copies)
    best, best_j, best_n = 0.0, -1, -1
    for j in range(experts):
        if copies[j].sum() >= most:
            continue
        for n in range(nodes):
            if copies[j, n] or held[n] + size[j] > room[n]:
                continue
            copies[j, n] = True
            saved = 0.0
            for t in range(len(energy_j)):
                if chosen[t, j]:
                    least, _ = least_of_token(
                        experts_of[starts[t] : starts[t + 1]],
                        copies,
                        price[t],
                        work[t],
                        factor,
                        send_once,
                        working,
                    )
                    saved += energy_j[t] - least
            copies[j, n] = False
            if saved > best:
                best, best_j, best_n = saved, j, n
    return best_j, best_n, best
