"""The compiled loops of `search`: moves and swaps of experts, priced by what they change.

`there[s, n]` counts the experts of set s on node n; a set pays setup[s, n] where that is not 0.
`out_j[j]` is what the energy falls by if expert j leaves its node, `into_j[j, n]` what it rises by
if an expert from nowhere enters node n. A swap of two experts costs the sum of both, but for the
sets that use both: these stay on both nodes.
"""

from __future__ import annotations

import numpy as np

from dmoe_opt.compiling import cached

ROUNDING = 1e-12  # of the energy: a smaller gain is none


@cached()
def count_there(starts, sets_of, placement, there):
    """Count the experts of every set on every node."""
    there[:] = 0
    for j in range(len(placement)):
        for place in range(starts[j], starts[j + 1]):
            there[sets_of[place], placement[j]] += 1


@cached()
def price_moves(starts, sets_of, setup, linear, placement, there, out_j, into_j):
    """Fill `out_j` and `into_j`."""
    nodes = linear.shape[1]
    for j in range(len(placement)):
        home = placement[j]
        out_j[j] = linear[j, home]
        for n in range(nodes):
            into_j[j, n] = linear[j, n]
        for place in range(starts[j], starts[j + 1]):
            s = sets_of[place]
            for n in range(nodes):
                if n == home:
                    if there[s, n] == 1:
                        out_j[j] += setup[s, n]
                elif there[s, n] == 0:
                    into_j[j, n] += setup[s, n]


@cached()
def stays(starts, sets_of, chosen, setup, placement, there, j, k):
    """What a swap of experts j and k does not save, since their common sets stay on both nodes."""
    if starts[j + 1] - starts[j] > starts[k + 1] - starts[k]:
        j, k = k, j
    here, other = placement[j], placement[k]
    total = 0.0
    for place in range(starts[j], starts[j + 1]):
        s = sets_of[place]
        if chosen[s, k]:
            if there[s, here] == 1:
                total += setup[s, here]
            if there[s, other] == 1:
                total += setup[s, other]
    return total


@cached()
def put(starts, sets_of, size, placement, there, held, j, n):
    """Move expert j to node n."""
    home = placement[j]
    for place in range(starts[j], starts[j + 1]):
        there[sets_of[place], home] -= 1
        there[sets_of[place], n] += 1
    held[home] -= size[j]
    held[n] += size[j]
    placement[j] = n


@cached()
def best_change(
    starts, sets_of, chosen, setup, size, room, placement, there, held, out_j, into_j, least
):
    """The move (j, -1, n) or swap (j, k, node of k) that saves most, more than `least`."""
    experts, nodes = into_j.shape
    best, first, second, target = -least, -1, -1, -1
    for j in range(experts):
        home = placement[j]
        for n in range(nodes):
            change = into_j[j, n] - out_j[j]
            if n != home and change < best and held[n] + size[j] <= room[n]:
                best, first, second, target = change, j, -1, n
        for k in range(j + 1, experts):
            n = placement[k]
            if n == home:
                continue
            change = into_j[j, n] + into_j[k, home] - out_j[j] - out_j[k]
            if change >= best:
                continue
            grows = size[j] - size[k]
            if held[n] + grows > room[n] or held[home] - grows > room[home]:
                continue
            change += stays(starts, sets_of, chosen, setup, placement, there, j, k)
            if change < best:
                best, first, second, target = change, j, k, n
    return best, first, second, target


@cached()
def descend(starts, sets_of, chosen, setup, linear, size, room, placement, energy_j):
    """Make the best change until none saves; the placement changes in place. Returns the energy."""
    experts, nodes = linear.shape
    there = np.zeros(setup.shape, dtype=np.int64)
    held = np.zeros(nodes)
    out_j, into_j = np.zeros(experts), np.zeros((experts, nodes))
    count_there(starts, sets_of, placement, there)
    for j in range(experts):
        held[placement[j]] += size[j]
    while True:
        price_moves(starts, sets_of, setup, linear, placement, there, out_j, into_j)
        saved, j, k, n = best_change(
            starts,
            sets_of,
            chosen,
            setup,
            size,
            room,
            placement,
            there,
            held,
            out_j,
            into_j,
            ROUNDING * energy_j,
        )
        if j < 0:
            return energy_j
        if k >= 0:
            put(starts, sets_of, size, placement, there, held, k, placement[j])
        put(starts, sets_of, size, placement, there, held, j, n)
        energy_j += saved


@cached()
def energy_of(starts, sets_of, setup, linear, placement):
    """Energy of a placement, J."""
    there = np.zeros(setup.shape, dtype=np.int64)
    count_there(starts, sets_of, placement, there)
    total = 0.0
    for s in range(setup.shape[0]):
        for n in range(setup.shape[1]):
            if there[s, n] > 0:
                total += setup[s, n]
    for j in range(len(placement)):
        total += linear[j, placement[j]]
    return total


@cached(is_entry=True)
def improve(starts, sets_of, chosen, setup, linear, size, room, placement, kicks):
    """Descend, then kick and descend again, once for every row of `kicks` (R, P, 2).

    A kick swaps pairs of experts that stay within the memory. A placement that is no better is
    taken back. The placement changes in place; returns its energy.
    """
    experts, nodes = linear.shape
    energy_j = energy_of(starts, sets_of, setup, linear, placement)
    energy_j = descend(starts, sets_of, chosen, setup, linear, size, room, placement, energy_j)
    for kick in range(kicks.shape[0]):
        trial = placement.copy()
        held = np.zeros(nodes)
        for j in range(experts):
            held[trial[j]] += size[j]
        for pair in range(kicks.shape[1]):
            j, k = kicks[kick, pair, 0], kicks[kick, pair, 1]
            here, other = trial[j], trial[k]
            grows = size[j] - size[k]
            if held[other] + grows <= room[other] and held[here] - grows <= room[here]:
                held[other] += grows
                held[here] -= grows
                trial[j], trial[k] = other, here
        trial_j = energy_of(starts, sets_of, setup, linear, trial)
        trial_j = descend(starts, sets_of, chosen, setup, linear, size, room, trial, trial_j)
        if trial_j < energy_j - ROUNDING * energy_j:
            energy_j = trial_j
            for j in range(len(trial)):  # placement[:] = trial takes long to compile
                placement[j] = trial[j]
    return energy_j
