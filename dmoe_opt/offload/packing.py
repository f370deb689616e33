"""The clairvoyant optimum as a packing of stays: its options, and bounds by prices of places.

An option (n, a) of a subtask stays at place a from arrival n until it leaves: in the rows
[first, end), where row a * N + n is place a at arrival n. Where nothing has to fit, it stays in
none. Any prices of rows, p >= 0, bound the regret from below::

    sum_n min_a (regret[n, a] + size[n] sum of p over its rows) - sum_rows p slots

Costs count in `optimum.unit`. Good prices come from steps up the slope of this bound: prices rise
where subtasks that choose by them hold more than there is room. See B. Polyak, *Minimization of
Unsmooth Functionals*, USSR Computational Mathematics and Mathematical Physics 9 (1969), and for
slopes that remember the last ones P. Camerini, L. Fratta and F. Maffioli, *On Improving Relaxation
Methods by Modified Gradient Techniques*, Mathematical Programming Study 3 (1975).
"""

from __future__ import annotations

from itertools import count
from typing import NamedTuple

import numpy as np
from highspy import HighsLp
from numpy.typing import NDArray

from dmoe_opt import clock
from dmoe_opt.joint import highs
from dmoe_opt.offload import optimum
from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.scenario import Array, Whole
from dmoe_opt.offload.simulate import FITS

Schedule = NDArray[np.bool_]
"""The options that are taken, one of each subtask."""


KEPT = 0.9
"""Part of the shares of options that one step of the ascent keeps."""
PATIENCE, SHRINK, SHORT = 20, 0.7, 1e-3
"""Steps shrink by this factor after so many without a better bound, and end below that length."""
RISE = 1e-4
"""Part of what is open by which a better bound must be better."""
LEAST_STEPS = 50
LEVEL = 1e-9
"""A slope this small is rounding of what is held."""
EPSILON = float(np.finfo(float).eps)


class Bound(NamedTuple):
    """What prices of rows prove: a bound on the regret, and what each option costs too much."""

    value: float
    reduced: Array
    prices: Array


class Packing:
    """The options of an episode, K in number in the order of subtasks, and the rows."""

    def __init__(self, episode: Episode) -> None:
        self.options = np.array(optimum.options(episode))
        self.subtask, action = self.options.T
        self.cost: Array = optimum.regret(episode)[self.subtask, action]
        self.size: Array = episode.size[self.subtask].astype(float)
        room = np.array(optimum.room(episode), dtype=float)
        if episode.scenario.counts_work:
            room = room / FITS  # sums of work that are too large by rounding fit
        count = episode.num_subtasks
        self.slots: Array = np.repeat(room, count)
        stays = np.flatnonzero(action < len(room))
        n, place = self.subtask[stays], action[stays]
        leaves = np.searchsorted(episode.arrival_s, episode.finish_s[n, place])
        self.first, self.end = np.zeros((2, len(action)), dtype=np.int64)
        self.first[stays] = place * count + n
        self.end[stays] = place * count + np.maximum(leaves, n + 1)
        self._begins = np.searchsorted(self.subtask, np.arange(count))

    def held(self, taken: Array | Schedule) -> Array:
        """What is held in each row if so much of each option is taken."""
        size, rows = self.size * taken, len(self.slots) + 1
        change = np.bincount(self.first, size, rows) - np.bincount(self.end, size, rows)
        return np.asarray(change.cumsum()[:-1])

    def bound(self, prices: Array) -> Bound:
        """What prices of rows prove, less what rounding of their sums could add."""
        total = np.append(0.0, prices.cumsum())
        priced = self.cost + self.size * (total[self.end] - total[self.first])
        least = np.minimum.reduceat(priced, self._begins)
        rounding = EPSILON * total[-1] * (len(least) * self.size.max() + self.slots.max())
        value = float(least.sum() - (prices * self.slots).sum() - rounding)
        return Bound(value, priced - least[self.subtask], prices)

    def best(self, of: Bound) -> Whole:
        """The option of each subtask that costs least at the prices, (N,)."""
        best = np.flatnonzero(of.reduced <= 0.0)
        return best[np.searchsorted(self.subtask[best], np.arange(len(self._begins)))]

    def ascend(self, target: float) -> tuple[Bound, Array]:
        """The best bound of steps towards a regret that can be reached, and shares of options.

        Shares, (K,), are means of what was best at the prices on the way. The steps end when they
        have become short, or when the time is up, at the earliest after `LEAST_STEPS`.
        """
        best = self.bound(np.zeros(len(self.slots)))
        shares, prices = np.zeros(len(self.cost)), best.prices
        shares[self.best(best)] = 1.0
        highest = self.cost.max() / self.size.min()  # prices above it change no choice
        scale, since = 1.0, 0
        for step in count():
            at = self.bound(prices)
            since = 0 if at.value > best.value + RISE * abs(target - best.value) else since + 1
            if at.value > best.value:
                best = at
            if since > PATIENCE:
                scale, since = scale * SHRINK, 0
            shares *= KEPT
            shares[self.best(at)] += 1.0 - KEPT
            slope = self.held(shares) - self.slots
            slope[(prices <= 0.0) & (slope < 0.0) | (abs(slope) <= LEVEL * self.slots)] = 0.0
            steepness = float((slope**2).sum())
            is_over = clock.is_over() and step >= LEAST_STEPS
            if not steepness or scale < SHORT or is_over:
                return best, shares
            step_length = scale * (1.0 - KEPT) * max(target - at.value, 0.0) / steepness
            prices = np.clip(prices + step_length * slope, 0.0, highest)
        raise AssertionError

    def program(self, inside: Whole, left: Array, whole: bool = True) -> tuple[HighsLp, Whole]:
        """The program of some options, of which each subtask takes one, where so much room is left.

        A row of the program is a run of rows in which the same options stay. Runs that cannot be
        crowded are left out, and those that ask for less than a neighbour.

        Returns
        -------
        program, at
            `at` has the first row of each of the first rows of the program.
        """
        first, end, size = self.first[inside], self.end[inside], self.size[inside]
        cuts, place = np.unique(np.concatenate([first, end]), return_inverse=True)
        begin, stop = place.reshape(2, -1)
        runs = len(cuts) - 1
        least = np.minimum.reduceat(np.append(left, np.inf), cuts)[:runs]
        starts, stops = np.zeros((2, runs + 1), dtype=bool)
        starts[begin[first < end]], stops[stop[first < end]] = True, True
        is_within_next = ~stops[1:] & (least >= np.append(least[1:], np.inf))
        is_within_last = ~starts[:-1] & (least >= np.append(np.inf, least[:-1]))
        change = np.bincount(begin, size, runs + 1) - np.bincount(stop, size, runs + 1)
        wanted = change.cumsum()[:runs]
        crowded = wanted * FITS > least
        kept = np.flatnonzero(crowded & ~is_within_next & ~is_within_last)
        low, high = np.searchsorted(kept, begin), np.searchsorted(kept, stop)
        column = np.repeat(np.arange(len(inside)), high - low)
        before = (high - low).cumsum() - high
        row = np.arange(len(column)) - before[column]
        rows = highs.Rows(len(inside))
        rows.add(len(kept), -np.inf, least[kept], (row, column, size[column]))
        subtasks, which = np.unique(self.subtask[inside], return_inverse=True)
        rows.add(len(subtasks), 1.0, 1.0, (which, np.arange(len(inside)), 1.0))
        width = len(inside)
        of = rows.program(self.cost[inside], np.zeros(width), np.ones(width), width * whole)
        return of, cuts[kept]
