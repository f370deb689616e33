"""Experts by a program without subcarriers."""

from __future__ import annotations

import pytest

from dmoe_opt import Instance, Status, check, generate, solve
from dmoe_opt.joint.apart import solve_apart
from dmoe_opt.joint.multipliers import frame_of
from dmoe_opt.joint.open_part import everything


@pytest.mark.parametrize(("seed", "status"), [(8, Status.FEASIBLE), (3, Status.INFEASIBLE)])
def test_full_experts(seed: int, status: Status) -> None:
    """Where moving tokens one by one fails, `bcd` finds an answer, or says that there is none."""
    data = generate("capacity-8x64", seed)
    answer = solve(data, "jesa", "bcd")
    assert answer.status == status
    assert check(data, answer, patience_s=0) == []
    if status == Status.FEASIBLE:
        assert answer.gap < 0.01


def test_links_that_do_not_work_lower_thresholds() -> None:
    """A token whose best experts are behind a dead link falls short; it is not impossible."""
    link_energy = [[[0.0], [2e9]], [[1.0], [0.0]]]
    data = Instance([0, 1], [[0.5, 1.0]] * 2, 1.5, 2, [1.0, 2.0], link_energy=link_energy)
    apart = solve_apart(frame_of(data), everything(data), None, 20.0)
    assert apart.decision is not None
    assert apart.decision.selection.tolist() == [[True, False], [True, True]]
    assert apart.bound_j == pytest.approx(1 + 1 + 2 + 1)


def test_it_bounds_the_round() -> None:
    """Without (C3) and (C7) nothing costs more, and the experts keep their capacities."""
    data = generate("rich-8x64", 1, num_tokens=24, capacity=6, air_deadline_s=0.018)
    assert isinstance(data, Instance)
    best = solve(data, "jesa", "exact")
    apart = solve_apart(frame_of(data), everything(data), best.decision, 20.0)
    assert apart.decision is not None
    assert apart.bound_j <= best.objective_j * (1 + 1e-9)
    assert (apart.decision.selection.sum(axis=0) <= data.capacity).all()
