"""(C1) in integer programs, and cuts of sets that a solver takes for ones that reach their need."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.objective import Selection
from dmoe_opt.data.problem import GRID, SCORE_UNIT, SelectionProblem

MOST_CUTS = 50
"""How often a program is solved again after sets were cut off."""
LARGEST_WEIGHT = 2.0**20
"""Beside the others in a row, so that a solver sees all of them."""
HIGHS_SEES = 1e-7
"""Relative distance of a sum from what is asked of it, below which HiGHS 1.15.1 errs."""


class Cover(NamedTuple):
    """(C1) of tokens: scores (T, K) in whole units, the sums (T,) that they must reach.

    `close` and `least` (T,) are what to ask of a solver, in multiples of 1/GRID: of any, and of
    HiGHS.
    """

    units: NDArray[np.float64]
    sums: NDArray[np.float64]
    close: NDArray[np.float64]

    @property
    def least(self) -> NDArray[np.float64]:
        """Lower than `close`: HiGHS 1.15.1 errs where a sum is closer to what it is asked."""
        return self.close * (1 - HIGHS_SEES)

    @property
    def is_fine(self) -> NDArray[np.bool_]:
        """Where sums that fall short can be between the two, so that they must be cut off, (T,)."""
        return self.close - self.least > self.sums / (SCORE_UNIT / GRID) - self.close


class Cut(NamedTuple):
    """The sum of `weights` (K,) of the chosen experts is at least `least`; all are whole."""

    weights: NDArray[np.float64]
    least: float


def cover(units: NDArray[np.float64], need: NDArray[np.float64]) -> Cover:
    """(C1) where scores (T, K) reach needs (T,), both in whole units.

    Sums are multiples of the scores' greatest common divisor: the needs become the next ones, and
    what is asked is half a divisor lower. HiGHS takes no x for a solution of 0.25 x >= 1e-10, so
    scores are cut down to `LARGEST_WEIGHT` times their sum.
    """
    divisor = np.maximum(np.gcd.reduce(units.astype(np.int64), axis=1, initial=0), 1)
    sums = np.ceil(need / divisor) * divisor
    close = (sums - divisor / 2) / (SCORE_UNIT / GRID)
    most = np.maximum(sums, 0.0)[:, None] * LARGEST_WEIGHT
    return Cover(np.minimum(units, most), sums, close)


def threshold_rows(
    problem: SelectionProblem, *, relax: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scores (T, K) and thresholds (T,) for (C1) in a solver, in multiples of 1/GRID.

    `relax` is for linear relaxations.
    """
    if relax:
        return problem.grid_scores, problem.grid_need
    rows = cover(problem.usable_units, problem.need_units)
    return rows.units / (SCORE_UNIT / GRID), rows.least


def cuts(
    units: NDArray[np.float64], need: float, most: int, chosen: NDArray[np.bool_]
) -> list[Cut]:
    """What cuts off a set of experts that falls short of its need, and no set that reaches it.

    `units` (K,) are scores in whole units, 0 for experts that cannot be used, `need` what the at
    most `most` experts of the token must reach, and `chosen` (K,) the set.
    """
    one = Cut(_one_needed(units, need, most, chosen).astype(float), 1.0)
    several = [_rounded(units, need, chosen), _above(units, need, most, chosen)]
    return [one, *(cut for cut in several if cut is not None)]


def _one_needed(
    units: NDArray[np.float64], need: float, most: int, chosen: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Experts (K,) of which the token needs at least one.

    First the set is raised as far as it stays short: larger experts are added, or take the place of
    its smallest. If it then has `most` experts, no set reaches the need without one that is larger
    than its smallest; else none does without another.

    Examples
    --------
    >>> import numpy as np
    >>> units = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
    >>> _one_needed(units, 8.0, 2, units == 1.0)  # 5 + 2 falls short, too
    array([False,  True,  True, False, False])
    """
    short = chosen.copy()
    for j in np.argsort(-units, kind="stable"):
        if short.sum() < most and not short[j] and 0 < units[j] < need - units[short].sum():
            short[j] = True
    if short.sum() < most:
        return np.asarray(~short & (units > 0))
    while True:
        least = np.flatnonzero(short)[units[short].argmin()]
        room = need - units[short].sum() + units[least]
        larger = np.where(~short & (units > units[least]) & (units < room), units, 0.0)
        if not larger.any():
            return np.asarray(~short & (units > units[least]))
        short[least], short[larger.argmax()] = False, True


def _rounded(units: NDArray[np.float64], need: float, chosen: NDArray[np.bool_]) -> Cut | None:
    """(C1) divided and rounded up (Chvatal, Gomory), by the largest score that cuts off the set.

    Where all scores are alike, it says how many experts are needed.

    Examples
    --------
    >>> import numpy as np
    >>> units = np.array([52.0, 51.0, 50.0, 52.0, 7.0])
    >>> _rounded(units, 157.0, units > 51)  # three of them reach at most 155
    Cut(weights=array([1., 1., 1., 1., 1.]), least=4.0)
    """
    for divisor in np.unique(units[units > 0])[::-1]:
        weights, least = np.ceil(units / divisor), np.ceil(need / divisor)
        if weights[chosen].sum() < least <= LARGEST_WEIGHT:
            return Cut(np.minimum(weights, least), float(least))
    return None


def _above(
    units: NDArray[np.float64], need: float, most: int, chosen: NDArray[np.bool_]
) -> Cut | None:
    """(C1) less `base` times (C2), which leaves the differences of scores that are nearly equal.

    Weights beyond those that decide alone are cut down. None if the set has fewer than `most`
    experts, which this does not cut off, or if the weights are too large.

    Examples
    --------
    >>> import numpy as np
    >>> units = np.array([1001.0, 1002.0, 1003.0, 7.0])
    >>> _above(units, 2004.0, 2, units == 1001.0) is None  # it is one expert alone
    True
    >>> _above(units, 2004.0, 2, np.array([True, True, False, False]))
    Cut(weights=array([ 0.,  1.,  2., -1.]), least=2.0)
    """
    if chosen.sum() < most:
        return None
    base = units[chosen].min()
    least = need - most * base
    above = np.where(units > 0, units - base, 0.0)
    gain = np.sort(np.maximum(above, 0.0))[::-1][: most - 1].sum()
    floor = max(gain - least + 1, 0.0)  # so much below, an expert spoils every set
    ceiling = max(least + (most - 1) * floor, 0.0)  # so much above, one is enough
    weights = np.clip(above, -floor, ceiling)
    return Cut(weights, float(least)) if np.abs(weights).max() <= LARGEST_WEIGHT else None


def missed(problem: SelectionProblem, selection: Selection) -> list[tuple[int, Cut]]:
    """The tokens of a selection (T, K) that fall short, with the cuts of their sets."""
    units, need = problem.usable_units, problem.need_units
    short = np.flatnonzero(np.where(selection, units, 0.0).sum(axis=1) < need).tolist()
    most = problem.max_experts
    return [(t, cut) for t in short for cut in cuts(units[t], need[t], most, selection[t])]
