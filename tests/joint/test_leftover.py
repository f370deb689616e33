"""What bounds under optional rules leave open: it always contains the optimum."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dmoe_opt import Instance, Status, generate, solve
from dmoe_opt.joint.decided import BEFORE_PROGRAM, approached
from dmoe_opt.joint.leftover import leftover, surely_awake
from dmoe_opt.joint.limited import Climbed, climb, descend
from dmoe_opt.joint.multipliers import evaluate, frame_of
from dmoe_opt.joint.open_part import everything, share_kept
from dmoe_opt.joint.program import solve_open

RULES: dict[str, dict[str, Any]] = {
    "deadline": {"air_deadline_s": 0.03},
    "capacity": {"capacity": 10},
    "wake": {"wake_energy": 1.5e-3},
    "all": {"air_deadline_s": 0.03, "capacity": 8, "wake_energy": 1e-3, "drop_price": 2e-3},
}


@pytest.mark.parametrize("rules", RULES)
def test_exact_is_the_whole_program(rules: str) -> None:
    """The optimum of what is open is that of the whole round, and not all is open."""
    kept = []
    for seed in range(3):
        data = _drawn(seed, RULES[rules])
        answer = solve(data, "jesa", "exact")
        whole = solve_open(data, everything(data), data.num_tokens / 0.01)
        assert answer.solved != whole.infeasible
        if whole.decision is not None:
            assert answer.status == Status.OPTIMAL
            assert answer.objective_j == pytest.approx(whole.decision.energy_j, rel=1e-6)
            kept.append(answer.stats["kept"])
    assert len(kept) > 1
    assert min(kept) < 0.8


@pytest.mark.parametrize("rules", RULES)
def test_what_is_left_contains_the_optimum(rules: str) -> None:
    """Also where the ascent knows only a poor answer, and again over what is left."""
    data = _drawn(0, RULES[rules])
    best = solve(data, "jesa", "exact").decision
    assert best is not None
    end = approached(data, "exact", effort=BEFORE_PROGRAM)
    assert isinstance(end, Climbed)
    frame, point = end.frame, end.point
    for _ in range(3):
        part = leftover(frame, point, best.energy_j * (1 + 1e-6))
        assert part is not None
        assert (part.possible | ~best.selection).all()
        assert (part.certain <= best.selection).all()
        assert (part.subcarriers | ~best.allocation).all()
        assert (part.surely_awake <= best.selection.any(axis=0)).all()
        assert (part.droppable | ~best.dropped).all()
        again = frame_of(data, part)
        climbed = climb(again, descend(again, best), effort=BEFORE_PROGRAM, start=point)
        assert climbed.bound_j <= best.energy_j * (1 + 1e-9)
        frame, point = climbed.frame, climbed.point
    assert share_kept(data, part) < 1


def test_who_is_surely_awake() -> None:
    """Without such an expert no answer is as good; then its energy is in the bound as it is."""
    data = _drawn(1, {"wake_energy": 2e-4})
    end = approached(data, "bcd", effort=BEFORE_PROGRAM)
    assert isinstance(end, Climbed)
    assert end.answer is not None
    assert end.frame.surely_awake.any()
    for j in np.flatnonzero(end.frame.surely_awake):
        shut = np.where(np.arange(data.num_experts) == j, 0, data.num_tokens)
        without = solve(data.replace(capacity=shut), "jesa", "exact")
        assert not without.solved or without.objective_j > end.answer.energy_j
    fresh = frame_of(data)
    nobody = surely_awake(fresh, end.point, evaluate(fresh, end.point), np.inf)
    assert not nobody.any()


def _drawn(seed: int, rules: dict[str, Any]) -> Instance:
    size = {"num_experts": 5, "num_tokens": 20, "num_subcarriers": 24}
    data = generate("edge-8x64", seed, **size, **rules)
    assert isinstance(data, Instance)
    return data
