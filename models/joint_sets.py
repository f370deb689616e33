"""What the sums of the integer program of a round run over."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dmoe_opt.data.instance import Instance
from dmoe_opt.joint.open_part import alone_j, usable_experts, usable_subcarriers
from dmoe_opt.joint.passages import ends, passed

Link = tuple[int, int]


class Sets(NamedTuple):
    """What the sums of the program run over.

    `pairs` are (token, expert) that may be chosen, `links` (i, n) that they need, `uses` (i, n, m)
    subcarriers that work. The dictionaries have the experts of a token, what passes a link, the
    subcarriers of a link, the links on a subcarrier, and the link of what passes. Pairs of token
    and expert pass a link, or with `send_once` pairs of token and node.
    """

    pairs: list[tuple[int, int]]
    links: list[Link]
    uses: list[tuple[int, int, int]]
    experts_of: dict[int, list[int]]
    over: dict[Link, list[tuple[int, int]]]
    carriers_of: dict[Link, list[int]]
    links_on: dict[int, list[Link]]
    link_of: dict[tuple[int, int], Link]


def sets_of(instance: Instance, most_j: float = np.inf) -> Sets:
    """The sets of a round, without experts and subcarriers that alone cost more than `most_j`."""
    usable = usable_experts(instance) & (alone_j(instance) <= most_j)
    pairs = np.argwhere(usable).tolist()
    experts_of: dict[int, list[int]] = {t: [] for t in droppable(instance)}
    over: dict[Link, list[tuple[int, int]]] = {}
    for t, j in pairs:
        experts_of.setdefault(t, []).append(j)
    for t, c in np.argwhere(passed(instance, usable)).tolist():
        link = int(instance.source[t]), int(ends(instance)[c])
        over.setdefault(link, []).append((t, c))
    links = sorted(over)
    works = usable_subcarriers(instance) & (instance.link_energy <= most_j)
    uses = [(i, n, m) for i, n in links for m in np.flatnonzero(works[i, n]).tolist()]
    carriers_of: dict[Link, list[int]] = {link: [] for link in links}
    links_on: dict[int, list[Link]] = {}
    for i, n, m in uses:
        carriers_of[i, n].append(m)
        links_on.setdefault(m, []).append((i, n))
    link_of = {pair: link for link in links for pair in over[link]}
    chosen = [(t, j) for t, j in pairs]
    return Sets(chosen, links, uses, experts_of, over, carriers_of, links_on, link_of)


def droppable(instance: Instance) -> list[int]:
    """Tokens that may be dropped: all that need an expert, in a round with prices for it."""
    if instance.drop_price is None:
        return []
    return list(np.flatnonzero(instance.selection_problem().need_units > 0).tolist())
