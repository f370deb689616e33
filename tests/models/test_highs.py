"""HiGHS itself: the release that this package needs gets mixed rows right."""

from __future__ import annotations

import itertools

import highspy
import numpy as np


def least(cost: np.ndarray, row: np.ndarray, need: float, most: float, whole: np.ndarray) -> float:
    """HiGHS' optimum of min cost x, row x >= need, 0 <= x <= most, some x whole."""
    number = len(cost)
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = number, 1
    lp.col_cost_ = cost
    lp.col_lower_, lp.col_upper_ = np.zeros(number), np.full(number, most)
    lp.row_lower_, lp.row_upper_ = np.array([need]), np.array([highspy.kHighsInf])
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.array([0, number])
    lp.a_matrix_.index_ = np.arange(number)
    lp.a_matrix_.value_ = row
    kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
    lp.integrality_ = [kinds[int(is_whole)] for is_whole in whole]
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.passModel(lp)
    solver.run()
    return float(solver.getInfo().objective_function_value)


def enumerated(
    cost: np.ndarray, row: np.ndarray, need: float, most: float, whole: np.ndarray
) -> float:
    """The same by trying every whole part; the rest is filled greedily."""
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
    cost, row, whole = np.array([2.0, 3.0]), np.ones(2), np.array([False, True])
    assert abs(least(cost, row, 4.5, 10.0, whole) - 9.0) < 1e-6


def test_mixed_covers() -> None:
    """500 random covers of two to four variables against enumeration."""
    rng = np.random.default_rng(0)
    for _ in range(500):
        number = int(rng.integers(2, 5))
        whole = rng.random(number) < 0.5
        cost = rng.integers(1, 10, number).astype(float)
        row = rng.integers(1, 6, number).astype(float)
        need = float(rng.uniform(0.5, 2.9 * row.sum()))
        optimum = enumerated(cost, row, need, 3.0, whole)
        if np.isfinite(optimum):
            assert abs(least(cost, row, need, 3.0, whole) - optimum) < 1e-5
