"""The compiled search of `filling`: which subcarriers a link fills, one after the other."""

from __future__ import annotations

import numpy as np

from dmoe_opt.compiling import cached


@cached(nogil=True)
def _best_of_link(sums, energy, room, rents, order, full, filled):  # type: ignore[no-untyped-def]
    """The most that a link earns, J, its tokens, and the last subcarrier by place, -1 for none.

    Arguments as in `fill`, of one link, but `sums` (pairs + 1,) of its prices from the highest. The
    last subcarrier begins with the fourth value. `full` (pairs + 1,) and `filled` (M, pairs + 1)
    are scratch: what full subcarriers earn by so many tokens, and whether that was so at a place.
    """
    pairs = len(sums) - 1
    most, tokens, last, begun = 0.0, 0, -1, 0
    for k in range(pairs + 1):
        full[k] = -np.inf
    full[0] = 0.0
    for place in range(len(order)):
        for k in range(pairs + 1):
            filled[place, k] = False
        m = order[place]
        for k in range(pairs - 1, -1, -1):
            if full[k] == -np.inf:
                continue
            sent = k
            while sent < min(pairs, k + room[m]) and sums[sent + 1] - sums[sent] > energy[m]:
                sent += 1
            earned = full[k] + sums[sent] - sums[k] - rents[m]
            if sent > k:
                earned -= (sent - k) * energy[m]
            if sent > k and earned > most:
                most, tokens, last, begun = earned, sent, place, k
            if sent == k + room[m] and sent < pairs and earned > max(full[sent], 0.0):
                full[sent], filled[place, sent] = earned, True
    return most, tokens, last, begun


@cached(is_entry=True, nogil=True)
def fill(  # type: ignore[no-untyped-def]
    first, falling, link_j, room, order, rents, earned, passing, used
):
    """Fill in what links earn (L,), J, by how many pairs (L,), on which subcarriers (L, M).

    Prices of pairs `falling` (P,) fall within each link, from first[l] on. Energies `link_j` and
    `room` are (L, M); `order` (L, M) has the subcarriers of a link by rising energy.
    """
    links, carriers = link_j.shape
    most = 0
    for n in range(links):
        most = max(most, first[n + 1] - first[n])
    full, filled = np.zeros(most + 1), np.zeros((carriers, most + 1), np.bool_)
    sums = np.zeros(most + 1)
    for n in range(links):
        pairs = first[n + 1] - first[n]
        for k in range(pairs):
            sums[k + 1] = sums[k] + falling[first[n] + k]
        earned[n], passing[n], place, k = _best_of_link(
            sums[: pairs + 1], link_j[n], room[n], rents, order[n], full, filled
        )
        if place >= 0:
            used[n, order[n, place]] = True
        while k > 0:
            place -= 1
            if filled[place, k]:
                m = order[n, place]
                used[n, m] = True
                k -= room[n, m]
