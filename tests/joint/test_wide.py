"""Rounds with optional rules whose costs span up to 200 orders."""

from __future__ import annotations

import pytest

from dmoe_opt import Status, solve
from tests.campaigns import ruled

ONCE_WRONG = [
    290,  # an answer was not proven: it cost 10^22 times the relaxed bound
    735,  # the program gave up, and an answer of twice the optimum stayed
    1_000_350,  # prices grew without end, and the bound was infinite
    1_001_920,
    2_000_459,  # a dead link was taken to work: a wrong optimum of `lagrangian`
    3545882367282019390,  # pyomo: a bound of 10^-60 J, where nothing has to be paid
    8958984730288471774,  # waking prices of 10^33 J left their rounding in the bound
]


@pytest.mark.parametrize("seed", ONCE_WRONG)
def test_rounds_that_were_wrong(seed: int) -> None:
    """Methods agree with enumeration, and `exact` proves."""
    assert ruled.attack(seed).faults == []


def test_models_say_that_a_solver_leaves_it_open() -> None:
    """Waking an expert for 10^60 J does not hide from HiGHS that there is no answer."""
    data = ruled.draw(3_000_404)
    for method in ruled.MODELLED:
        assert solve(data, "jesa", method).status is Status.INFEASIBLE
