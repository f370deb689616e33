"""Rents on subcarriers inside the enumeration of open links: a bound where spectrum is scarce.

The activation bound knows which sets of links can serve a node, but not that a subcarrier serves
one link (C3); prices on links know (C3), but not the sets. Here tokens pay prices lambda for links,
links pay rents v for subcarriers, and each node i chooses the set S_i of its open links, each of
which takes the subcarrier where it earns most::

    L(lambda, v) = min over S with sum_i |S_i| <= M of
        sum_i [ sum_t DES_t(a + lambda; experts at home or over S_i)
                - sum_{j in S_i} max_m (earned_ijm - v_m) ] - sum_m v_m

with what link i -> j earns on subcarrier m as in `prices`. All lambda, v >= 0 give a lower bound;
at the least prices and without rents it is the activation bound. A subgradient counts, for lambda,
tokens that use a link less those that may pass, and for v, the links that take a subcarrier less 1.

1. Evaluate all sets: this is the bound. Sets that no answer better than the best one uses are
   dropped for good.
2. Climb over the sets near the least ones only, which are few, and repair what they suggest.
3. Repeat from the best prices.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.allocation.assignment import serve
from dmoe_opt.answer.tolerances import OPTIMAL_GAP
from dmoe_opt.clock import TimeUp, check
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.joint.activation import open_sets, serve_over
from dmoe_opt.joint.descent import Descent, better, descend
from dmoe_opt.joint.prices import earnings
from dmoe_opt.selection import des

SLACK = 1e-9  # relative: a set within rounding of the best answer is kept
NEAR = 0.25  # of the gap: sets that close to the least ones are climbed over
CLIMB = 25  # steps between two evaluations of all sets
PATIENCE, CUT, SHORTEST_STEP, MEMORY, PROGRESS = 8, 1.5, 1e-3, 0.7, 1e-3  # as in `lagrangian`
REPAIR_EVERY = 5


class NodeSets(NamedTuple):
    """A node: its number, its tokens, their problem, its sets of open links (n, N).

    `extra` (n,) counts the links of each set beyond those that the node needs.
    """

    node: int
    tokens: NDArray[np.int64]
    part: SelectionProblem
    open: NDArray[np.bool_]
    extra: NDArray[np.int64]

    def only(self, keep: NDArray[np.bool_]) -> NodeSets:
        """Some of the sets."""
        return self._replace(open=self.open[keep], extra=self.extra[keep])


class Point(NamedTuple):
    """Prices (T, K) and rents (M,)."""

    prices: NDArray[np.float64]
    rents: NDArray[np.float64]

    def moved(self, direction: Point, scale: Point, length: float) -> Point:
        """A step along a direction, in units of `scale`; nothing falls below 0."""
        prices = self.prices + length * scale.prices * direction.prices
        rents = self.rents + length * scale.rents * direction.rents
        return Point(np.maximum(prices, 0.0), np.maximum(rents, 0.0))


class Value(NamedTuple):
    """L at some point, J; its subgradient; the open links and experts that attain it.

    `forced` has, for each node, the value (n,) with each of its sets chosen.
    """

    value_j: float
    slope: Point
    open_links: NDArray[np.bool_]
    selection: NDArray[np.bool_]
    forced: list[NDArray[np.float64]]


class Rented(NamedTuple):
    """Where the ascent ended: bound in J, best answer, and links (N, N) that may be open."""

    bound_j: float
    answer: Descent
    open_links: NDArray[np.bool_]


def ascend_rented(
    instance: Instance,
    needed: NDArray[np.int64],
    answer: Descent,
    bound_j: float,
    *,
    log: Callable[[float, float], None] | None = None,
) -> Rented | None:
    """Raise the bound of an answer; None if a node has too many sets of links.

    `needed` (N,) are links that each node needs at least.
    """
    spare = instance.num_subcarriers - int(needed.sum())
    sets = all_sets(instance, needed, spare)
    if sets is None:
        return None
    best = instance.best_link_energy
    prices = np.where(
        instance.away, instance.to_experts(np.where(np.isfinite(best), best, 0.0)), 0.0
    )
    rents = np.zeros(instance.num_subcarriers)
    # a first guess at rents: what exclusivity costs the answer, spread over the subcarriers
    rent = (answer.energy_j - bound_j) / instance.num_subcarriers
    climb = _Climb(instance, spare, answer, Point(prices, rents + rent))
    point = Point(prices, rents)
    while climb.step > SHORTEST_STEP:
        try:
            whole = evaluate(instance, sets, spare, point)
        except TimeUp:
            break
        bound_j = max(bound_j, min(whole.value_j, climb.answer.energy_j))
        room_j = climb.answer.energy_j * (1 + SLACK) - whole.value_j
        if log:
            log(climb.answer.energy_j, bound_j)
        if climb.answer.energy_j - bound_j <= OPTIMAL_GAP * climb.answer.energy_j:
            break
        kept = [f - whole.value_j <= room_j for f in whole.forced]
        if not all(k.any() for k in kept):  # no set is left that could be better
            bound_j = climb.answer.energy_j
            break
        near = [f - whole.value_j <= NEAR * room_j for f in whole.forced]
        point = climb.run([s.only(k) for s, k in zip(sets, near, strict=True)], point)
        sets = [s.only(k) for s, k in zip(sets, kept, strict=True)]
    return Rented(bound_j, climb.answer, _union(instance, sets))


def all_sets(instance: Instance, needed: NDArray[np.int64], spare: int) -> list[NodeSets] | None:
    """Every set of open links of every node; None if they are too many."""
    known = open_sets(instance, needed, spare)
    if known is None:
        return None
    return [
        NodeSets(
            node,
            np.flatnonzero(instance.source == node),
            part,
            open_links,
            np.maximum(open_links.sum(axis=1) - needed[node], 0),
        )
        for node, (part, open_links) in known.items()
    ]


def _union(instance: Instance, sets: list[NodeSets]) -> NDArray[np.bool_]:
    """Links (N, N) that are in some set."""
    union = np.zeros((instance.num_nodes, instance.num_nodes), dtype=bool)
    for node in sets:
        union[node.node] = node.open.any(axis=0)
    return union


class _Climb:
    """The ascent over few sets: step length, answer and direction last from run to run."""

    def __init__(self, instance: Instance, spare: int, answer: Descent, scale: Point) -> None:
        self.instance, self.spare, self.answer = instance, spare, answer
        self.scale = scale
        self.step, self.stalled = 1.0, 0
        self.direction: Point | None = None
        self.seen: set[bytes] = set()

    def run(self, sets: list[NodeSets], point: Point) -> Point:
        """Some steps; returns the best point on the way."""
        best, best_j = point, -np.inf
        for n in range(CLIMB):
            if self.step <= SHORTEST_STEP:
                break
            try:
                at = evaluate(self.instance, sets, self.spare, point)
            except TimeUp:
                break
            target_j = self.answer.energy_j
            progress = at.value_j > best_j + PROGRESS * (target_j - best_j)
            self.stalled = 0 if progress else self.stalled + 1
            if at.value_j > best_j:
                best, best_j = point, at.value_j
            if n % REPAIR_EVERY == 0:
                self._repair(at)
            if self.stalled >= PATIENCE:
                self.step, self.stalled, point = self.step / CUT, 0, best
            point = self._moved(point, at)
        return best

    def _moved(self, point: Point, at: Value) -> Point:
        """A step of Polyak's length along the damped subgradient."""
        old = self.direction or at.slope
        mixed = (MEMORY * o + (1 - MEMORY) * s for o, s in zip(old, at.slope, strict=True))
        self.direction = Point(*mixed)
        steepness = sum(
            float((scale * slope**2).sum())
            for scale, slope in zip(self.scale, at.slope, strict=True)
        )
        if not steepness > 0:
            self.step = 0.0
            return point
        rise_j = self.answer.energy_j * (1 + OPTIMAL_GAP) - at.value_j
        return point.moved(self.direction, self.scale, self.step * rise_j / steepness)

    def _repair(self, at: Value) -> None:
        """Answers from the open links and from the experts that attain L."""
        key = at.open_links.tobytes() + at.selection.tobytes()
        if key in self.seen:
            return
        self.seen.add(key)
        for start in (serve_over(self.instance, at.open_links), serve(self.instance, at.selection)):
            if start is not None:
                self.answer = better(self.answer, descend(start)) or self.answer


def evaluate(instance: Instance, sets: list[NodeSets], spare: int, point: Point) -> Value:
    """L over the given sets; raises `TimeUp` where the time is up before."""
    net = earnings(instance, point.prices) - point.rents
    taken = net.argmax(axis=2)
    profit = net.max(axis=2)
    cost = instance.compute_energy + point.prices
    values, selections = [], []
    for node in sets:
        check()
        selection, energies = _energies(instance, node, cost[node.tokens])
        values.append(energies - np.where(node.open, profit[node.node], 0.0).sum(axis=1))
        selections.append(selection)
    chosen, total_j, forced = _combine(sets, values, spare)
    open_links = np.zeros((instance.num_nodes, instance.num_nodes), dtype=bool)
    selection = np.zeros(instance.scores.shape, dtype=bool)
    for node, n, experts in zip(sets, chosen, selections, strict=True):
        open_links[node.node] = node.open[n]
        selection[node.tokens] = experts[n]
    rent_j = float(point.rents.sum())
    slope = _slope(instance, point, taken, open_links, selection)
    return Value(total_j - rent_j, slope, open_links, selection, [f - rent_j for f in forced])


def _energies(
    instance: Instance, node: NodeSets, cost: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Experts (n, t, K) and energies (n,), J, of a node's tokens over each of its sets."""
    count, tokens = len(node.open), len(node.tokens)
    reach = node.open.copy()
    reach[:, node.node] = True
    stacked = node.part.rows(np.tile(np.arange(tokens), count))
    usable = stacked.usable & np.repeat(reach[:, instance.node_of], tokens, axis=0)
    chosen, bounds = des.choose(stacked, np.tile(cost, (count, 1)), usable, des.QUICK_NODES)
    return chosen.reshape(count, tokens, -1), bounds.reshape(count, tokens).sum(axis=1)


def _slope(
    instance: Instance,
    point: Point,
    taken: NDArray[np.int64],
    open_links: NDArray[np.bool_],
    selection: NDArray[np.bool_],
) -> Point:
    """The subgradient where open links take the subcarriers `taken` (N, N)."""
    i, j = np.nonzero(open_links)
    price = np.full(open_links.shape, np.inf)
    price[i, j] = instance.link_energy[i, j, taken[i, j]]
    passes = point.prices > instance.to_experts(price)
    prices = np.where(instance.away, selection.astype(float) - passes, 0.0)
    takers = np.bincount(taken[i, j], minlength=instance.num_subcarriers)
    return Point(prices, np.asarray(takers - 1.0))


def _combine(
    sets: list[NodeSets], values: list[NDArray[np.float64]], spare: int
) -> tuple[list[int], float, list[NDArray[np.float64]]]:
    """The least sum of values with at most `spare` links beyond the needed ones.

    Returns the set of each node, the sum, and the sums (n,) with each set of each node chosen.
    """
    least = []
    for node, value in zip(sets, values, strict=True):
        row = np.full(spare + 1, np.inf)
        np.minimum.at(row, node.extra, value)
        least.append(row)
    before, after = [np.zeros(spare + 1)], [np.zeros(spare + 1)]
    for row in least:
        before.append(_join(before[-1], row))
    for row in reversed(least):
        after.append(_join(after[-1], row))
    forced = []
    for n, (node, value) in enumerate(zip(sets, values, strict=True)):
        others = _join(before[n], after[len(sets) - n - 1])
        forced.append(value + others[spare - node.extra])
    chosen: list[int] = []
    left = spare
    for n in range(len(sets) - 1, -1, -1):
        extra = sets[n].extra
        rest = np.where(extra <= left, before[n][np.maximum(left - extra, 0)], np.inf)
        pick = int((values[n] + rest).argmin())
        chosen.append(pick)
        left -= int(extra[pick])
    return chosen[::-1], float(before[-1][spare]), forced


def _join(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least sum of two with at most 0, 1, .. links in all."""
    return np.array([(one[b::-1] + other[: b + 1]).min() for b in range(len(one))])
