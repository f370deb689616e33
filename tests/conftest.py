"""Instances small enough to verify by hand, and an oracle that shares no code with the package."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from helpers.drawn import Ended
from hypothesis import settings

from dmoe_opt import Instance, Radio, SelectionProblem
from dmoe_opt.cli.main import main

settings.register_profile("dmoe", deadline=None, max_examples=30)
settings.load_profile("dmoe")


@pytest.fixture
def hand() -> SelectionProblem:
    """Three tokens, three experts, worked by hand.

    Token 0 needs 0.6: {0, 2} reaches 0.75 for 3, {0, 1} 0.75 for 4, no single expert: optimum 3.
    Token 1 needs 0.5 and expert 1 alone reaches exactly that for 2; {0, 2} would cost 3: optimum 2.
    Token 2 needs nothing: optimum 0 with no expert at all.
    The optimum of the three is 5, top-2 costs 4 + 3 + 4 = 11.
    """
    return SelectionProblem(
        scores=[[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.5, 0.5, 0.0]],
        cost=[[1.0, 3.0, 2.0], [1.0, 2.0, 2.0], [1.0, 3.0, 2.0]],
        threshold=[0.6, 0.5, 0.0],
        max_experts=2,
        name="hand",
    )


@pytest.fixture
def round_of_two() -> Instance:
    """Two nodes, one subcarrier, and links on which one token costs exactly 1 J.

    The SNR is 1, so the rate is 1 bit/s.
    """
    radio = Radio(
        gains=np.ones((2, 2, 1)), bandwidth_hz=1.0, power_w=1.0, noise_w=1.0, payload_bits=1.0
    )
    return Instance(
        source=[0, 1],
        scores=[[0.25, 0.75], [0.25, 0.75]],
        threshold=0.5,
        max_experts=1,
        compute_energy=[0.5, 0.25],
        radio=radio,
        name="two",
    )


@pytest.fixture
def exact_optimum() -> Callable[[SelectionProblem], Fraction | None]:
    """An oracle that shares no code with the package: enumeration in exact arithmetic.

    It gives None if the problem is infeasible.
    """

    def solve(problem: SelectionProblem) -> Fraction | None:
        total = Fraction(0)
        for t in range(problem.num_tokens):
            sets = [
                chosen
                for size in range(problem.max_experts + 1)
                for chosen in itertools.combinations(np.flatnonzero(problem.usable[t]), size)
            ]
            reached = {
                s: sum((Fraction(float(problem.scores[t, j])) for j in s), Fraction(0))
                for s in sets
            }
            wanted = Fraction(float(problem.threshold[t]))
            best = max(reached.values())
            if best < wanted:
                if problem.on_shortfall == "infeasible":
                    return None
                wanted = best
            prices = [
                sum((Fraction(float(problem.cost[t, j])) for j in s), Fraction(0))
                for s in sets
                if reached[s] >= wanted
            ]
            total += min(prices)
        return total

    return solve


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Ended]:
    """A command in this process; a new process takes seconds to import numba, Pyomo and CVXPY."""

    def type_(*arguments: str) -> Ended:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["dmoe-opt", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return Ended(int(ended.value.code or 0), out, err)

    return type_
