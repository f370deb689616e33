"""HiGHS itself: the release that this package needs gets mixed rows right."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import highspy
import numpy as np
import pytest


@dataclass(frozen=True)
class Cover:
    """Min cost x, row x >= need, 0 <= x <= most, some x whole."""

    cost: np.ndarray
    row: np.ndarray
    need: float
    most: float
    whole: np.ndarray


def least(covers: Sequence[Cover]) -> list[float]:
    """HiGHS' optima of covers that share nothing, solved as one program."""
    sizes = [len(cover.cost) for cover in covers]
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = sum(sizes), len(covers)
    lp.col_cost_ = np.concatenate([cover.cost for cover in covers])
    lp.col_lower_ = np.zeros(sum(sizes))
    lp.col_upper_ = np.repeat([cover.most for cover in covers], sizes)
    lp.row_lower_ = np.array([cover.need for cover in covers])
    lp.row_upper_ = np.full(len(covers), highspy.kHighsInf)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.cumsum([0, *sizes])
    lp.a_matrix_.index_ = np.arange(sum(sizes))
    lp.a_matrix_.value_ = np.concatenate([cover.row for cover in covers])
    kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
    whole = np.concatenate([cover.whole for cover in covers])
    lp.integrality_ = [kinds[int(is_whole)] for is_whole in whole]
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.passModel(lp)
    solver.run()
    parts = np.split(np.array(solver.getSolution().col_value), np.cumsum(sizes)[:-1])
    return [float(cover.cost @ part) for cover, part in zip(covers, parts, strict=True)]


def enumerated(cover: Cover) -> float:
    """The same by trying every whole part; the rest is filled greedily."""
    cost, row, need, most, whole = vars(cover).values()
    best = np.inf
    rest = np.flatnonzero(~whole)
    by_price = rest[np.argsort(cost[rest] / row[rest])]
    for part in itertools.product(range(int(most) + 1), repeat=int(whole.sum())):
        total = float(cost[whole] @ part) if whole.any() else 0.0
        missing = need - (float(row[whole] @ part) if whole.any() else 0.0)
        for j in by_price:
            amount = min(max(missing, 0.0) / row[j], most)
            total += cost[j] * amount
            missing -= row[j] * amount
        if missing <= 1e-9:
            best = min(best, total)
    return best


def test_two_variables() -> None:
    """Min 2 x + 3 z with x + z >= 4.5 and z whole is 9; release 1.14 says 15."""
    cover = Cover(np.array([2.0, 3.0]), np.ones(2), 4.5, 10.0, np.array([False, True]))
    assert abs(least([cover])[0] - 9.0) < 1e-6


def test_mixed_covers() -> None:
    """500 random covers of two to four variables, 20 in a program, against enumeration.

    Release 1.14 is wrong on 150 of them.
    """
    rng = np.random.default_rng(0)
    covers = []
    for _ in range(500):
        number = int(rng.integers(2, 5))
        whole = rng.random(number) < 0.5
        cost = rng.integers(1, 10, number).astype(float)
        row = rng.integers(1, 6, number).astype(float)
        need = float(rng.uniform(0.5, 2.9 * row.sum()))
        covers.append(Cover(cost, row, need, 3.0, whole))
    optima = [enumerated(cover) for cover in covers]
    assert np.isfinite(optima).all()
    for first in range(0, 500, 20):
        some = slice(first, first + 20)
        assert least(covers[some]) == pytest.approx(optima[some], abs=1e-5)
