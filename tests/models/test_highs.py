"""HiGHS itself: the release that this package needs gets mixed rows right."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

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


class Wakes(NamedTuple):
    """Tokens (T, K) at costs; rooms and wake-ups (K,); links of several lanes (K, M)."""

    cost: np.ndarray
    drop: float
    room: np.ndarray
    wake: np.ndarray
    lane: np.ndarray
    most: np.ndarray


def drawn_wakes(rng: np.random.Generator) -> Wakes:
    """Four tokens, two experts, three lanes that one expert at a time may take."""
    return Wakes(
        cost=rng.uniform(0.1, 1.0, (4, 2)),
        drop=float(rng.uniform(0.5, 2.0)),
        room=rng.integers(0, 5, 2),
        wake=rng.uniform(0.0, 1.5, 2),
        lane=rng.uniform(0.1, 1.0, (2, 3)),
        most=rng.integers(0, 4, (2, 3)),
    )


def cheapest_wakes(case: Wakes) -> float:
    """By trying who serves each token, or nobody, and who has each lane."""
    best = np.inf
    lanes = list(itertools.product((0, 1), repeat=3))
    sending = [
        {taken: _filled(case.lane[j], case.most[j], taken) for taken in lanes} for j in range(2)
    ]
    for served in itertools.product((-1, 0, 1), repeat=4):
        load = np.array([served.count(0), served.count(1)])
        if (load > case.room).any():
            continue
        own = sum(case.drop if j < 0 else case.cost[t, j] for t, j in enumerate(served))
        own += float(case.wake @ (load > 0))
        for taken in lanes:
            left = tuple(1 - lane for lane in taken)
            best = min(best, own + sending[0][taken][load[0]] + sending[1][left][load[1]])
    return best


def _filled(lane: np.ndarray, most: np.ndarray, taken: Sequence[int]) -> list[float]:
    """What it costs to send 0 to 4 tokens on the taken lanes, cheapest first."""
    steps = [lane[m] for m in np.argsort(lane) if taken[m] for _ in range(most[m])]
    return [sum(steps[:load]) if load <= len(steps) else np.inf for load in range(5)]


def solved_wakes(case: Wakes) -> float:
    """The same by HiGHS: flows are continuous, and share rows with whole columns."""
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    alpha = [[highs.addBinary(obj=case.cost[t, j]) for j in range(2)] for t in range(4)]
    for row in alpha:
        drop = highs.addBinary(obj=case.drop)
        highs.addConstr(row[0] + row[1] + drop == 1)
    awake = [highs.addBinary(obj=b) for b in case.wake]
    holds = [[highs.addBinary() for _ in range(3)] for _ in range(2)]
    for m in range(3):
        highs.addConstr(holds[0][m] + holds[1][m] <= 1)
    for j in range(2):
        flows = [highs.addVariable(lb=0, obj=float(c)) for c in case.lane[j]]
        users = [alpha[t][j] for t in range(4)]
        highs.addConstr(sum(flows[1:], flows[0]) == sum(users[1:], users[0] + 0.0))
        highs.addConstr(sum(users[1:], users[0] + 0.0) <= int(case.room[j]))
        for user in users:
            highs.addConstr(user <= awake[j])
        for m in range(3):
            highs.addConstr(flows[m] <= int(case.most[j, m]) * holds[j][m])
    highs.run()
    return float(highs.getInfo().objective_function_value)


def test_wakes_drops_and_deadlines() -> None:
    """80 programs of a round with all optional rules, against enumeration.

    Release 1.14 is right on all of them.
    """
    rng = np.random.default_rng(1)
    for _ in range(80):
        case = drawn_wakes(rng)
        assert solved_wakes(case) == pytest.approx(cheapest_wakes(case), abs=1e-5)
