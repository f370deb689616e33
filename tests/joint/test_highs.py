"""Programs that go to HiGHS itself, against enumeration in whole score units."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dmoe_opt.data.problem import SCORE_UNIT
from dmoe_opt.joint.highs import Rows, decide
from dmoe_opt.selection.covers import cover


def test_near_ties_are_decided_in_whole_units() -> None:
    """HiGHS takes sets that miss a need by 1e-11 to 1e-7; no such set is the answer."""
    rng = np.random.default_rng(0)
    sets = np.array(list(itertools.product([0.0, 1.0], repeat=6)))
    cut = 0
    for _ in range(50):
        units = np.rint(rng.dirichlet(np.ones(6)) * SCORE_UNIT)
        cost = rng.random(6)
        near = sets[rng.integers(1, len(sets))] @ units
        need = near + np.ceil(10.0 ** rng.uniform(-11, -7) * SCORE_UNIT)
        rows = Rows(6)
        reached = cover(units[None], np.array([need]))
        rows.cover(reached, 6, (np.zeros(6, dtype=int), np.arange(6), reached.units[0]))
        outcome = decide(rows, cost, np.zeros(6), np.ones(6), 6)
        right = sets[sets @ units >= need]
        if not len(right):
            assert outcome.infeasible
            continue
        best = float((right @ cost).min())
        assert outcome.value is not None
        assert float(np.rint(outcome.value) @ units) >= need
        assert float(outcome.value @ cost) == pytest.approx(best, rel=1e-9)
        assert outcome.bound_j <= best * (1 + 1e-9)
        cut += len(rows.blocks) > 1
    assert cut > 5  # otherwise nothing was near
