"""The optimum of small rounds by brute force over selections and assignments.

This shares no code with the package. Costs are not negative, so only the smallest sets that serve a
token need to be looked at, and one subcarrier per link is enough: several cost their harmonic mean.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNIT = 2**40
TOLERANCE = 1e-9
DEAD_J = 1e9
MOST_WAYS = 30_000
"""Ways to serve the tokens of a round; rounds with more are drawn again."""


@dataclass(frozen=True)
class Truth:
    """Energies of links, units of scores, units needed, and the optimum.

    `optimum` is None if the round is infeasible; `out_of_reach` says that thresholds make it so.
    """

    link: NDArray[np.float64]
    units: NDArray[np.int64]
    need: list[int]
    optimum: float | None
    out_of_reach: bool = False


class TooLarge(Exception):
    """Enumeration would take too long."""


def truth(fields: dict[str, Any]) -> Truth:
    """The optimum of a round by brute force.

    Raises
    ------
    TooLarge
        If there are more than `MOST_WAYS` ways to serve the tokens.
    """
    link = _links(fields)
    energy = fields["compute_energy"]
    units = np.rint(fields["scores"] * UNIT).astype(np.int64)
    need, ways = [], []
    out_of_reach = False
    for t, i in enumerate(fields["source"]):
        best_j = link[i].min(axis=1)[node_of(fields)]
        reachable = np.flatnonzero(np.isfinite(energy + best_j)).tolist()
        wanted = math.ceil((float(fields["threshold"][t]) - TOLERANCE) * UNIT)
        sets = _sets(reachable, fields["max_experts"])
        reached = {members: sum(int(units[t, j]) for j in members) for members in sets}
        best = max(reached.values())
        if wanted > best and fields["on_shortfall"] == "infeasible":
            out_of_reach = True
        wanted = min(wanted, best)
        need.append(wanted)
        ways.append(_smallest([members for members in sets if reached[members] >= wanted]))
    if out_of_reach:
        return Truth(link, units, need, None, True)
    return Truth(link, units, need, _cheapest(fields, link, ways))


def node_of(fields: dict[str, Any]) -> NDArray[np.int64]:
    """The node of every expert: its own number without a placement."""
    default = np.arange(len(fields["compute_energy"]))
    return np.asarray(fields.get("placement", default))


def visited(fields: dict[str, Any], i: int, members: Iterable[int]) -> list[int]:
    """Nodes to which node i sends a token for these experts, one for each time it is sent."""
    nodes = [int(node_of(fields)[j]) for j in members]
    away = [n for n in nodes if n != i]
    return sorted(set(away)) if fields.get("send_once") else away


def _links(fields: dict[str, Any]) -> NDArray[np.float64]:
    """Joules per token of every link and subcarrier, inf where it is dead."""
    if "link_energy" in fields:
        link = np.array(fields["link_energy"])
    else:
        radio = fields["radio"]
        ratio = radio["gains"] * (radio["power_w"] / radio["noise_w"])
        rate = radio["bandwidth_hz"] * np.log1p(ratio) / math.log(2)
        ways = 2 if radio["round_trip"] else 1
        with np.errstate(divide="ignore", over="ignore"):
            link = ways * radio["power_w"] * radio["payload_bits"] / np.abs(rate)
    link = np.where(link > DEAD_J, np.inf, np.abs(link))
    for i in range(len(link)):
        link[i, i] = 0.0
    return link


def _sets(experts: list[int], most: int) -> list[tuple[int, ...]]:
    sizes = range(min(most, len(experts)) + 1)
    return [members for size in sizes for members in itertools.combinations(experts, size)]


def _smallest(sets: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The sets that hold no other set of the list."""
    return [members for members in sets if not any(set(other) < set(members) for other in sets)]


def _cheapest(
    fields: dict[str, Any], link: NDArray[np.float64], ways: list[list[tuple[int, ...]]]
) -> float | None:
    """The least energy over all ways to serve the tokens and all assignments of subcarriers."""
    states = {(): 0.0}  # loads of links, sorted, to the least energy of computing
    for i, sets in zip(fields["source"], ways, strict=True):
        grown: dict[tuple[tuple[tuple[int, int], int], ...], float] = {}
        for loads, spent in states.items():
            for members in sets:
                counts = dict(loads)
                for n in visited(fields, int(i), members):
                    counts[int(i), n] = counts.get((int(i), n), 0) + 1
                total = spent + math.fsum(float(fields["compute_energy"][j]) for j in members)
                key = tuple(sorted(counts.items()))
                grown[key] = min(grown.get(key, math.inf), total)
        states = grown
        if len(states) > MOST_WAYS:
            raise TooLarge
    best = link.min(axis=2)
    floors = {
        loads: spent + math.fsum(count * best[pair] for pair, count in loads)
        for loads, spent in states.items()
    }
    least = math.inf
    for loads in sorted(floors, key=floors.__getitem__):
        if floors[loads] > least * (1 + 1e-12):
            break
        least = min(least, states[loads] + _assigned(link, loads))
    return None if math.isinf(least) else least


def _assigned(link: NDArray[np.float64], loads: tuple[tuple[tuple[int, int], int], ...]) -> float:
    """The least energy of sending when every loaded link has a subcarrier of its own."""
    carriers = link.shape[2]
    if len(loads) > carriers:
        return math.inf
    taken = {0: 0.0}  # sets of subcarriers as bits, to the least energy of the links so far
    for pair, count in loads:
        prices = link[pair].tolist()
        grown: dict[int, float] = {}
        for used, spent in taken.items():
            for m in range(carriers):
                if not used >> m & 1 and prices[m] < math.inf:
                    key = used | 1 << m
                    grown[key] = min(grown.get(key, math.inf), spent + count * prices[m])
        taken = grown
    return min(taken.values(), default=math.inf)
