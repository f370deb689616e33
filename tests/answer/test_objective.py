"""The energy of a round by hand, and its rules one by one."""

from __future__ import annotations

import numpy as np
import pytest

from dmoe_opt import Instance, Radio, Status, solve
from dmoe_opt.answer.objective import loads, round_energy_j, round_violations


def test_energy_by_hand() -> None:
    """Two tokens over rates 1 and 3 bit/s cost n q / (sum of rates): 2 J on the first alone."""
    gains = np.zeros((2, 2, 2))
    gains[0, 1] = [1.0, 7.0]
    data = Instance([0, 0], [[0.0, 1.0]] * 2, 0.5, 1, [0.0, 0.25], Radio(gains, 1.0, 1.0, 1.0, 1.0))
    selection = np.array([[False, True]] * 2)
    allocation = np.zeros((2, 2, 2), dtype=bool)
    assert loads(data, selection).tolist() == [[0, 2], [0, 0]]
    assert round_energy_j(data, selection, allocation) == np.inf
    for used, energy in (
        ([True, False], 2.5),
        ([False, True], 0.5 + 2 / 3),
        ([True, True], 0.5 + 2 * 2 / 4),
    ):
        allocation[0, 1] = used
        assert round_energy_j(data, selection, allocation) == pytest.approx(energy, rel=1e-12)
        assert round_violations(data, selection, allocation) == []
    result = solve(data, "jesa")
    assert (result.status, result.objective_j) == (Status.OPTIMAL, pytest.approx(0.5 + 2 / 3))


def test_each_rule_by_itself() -> None:
    """(C3) and (C4): broken alone, named alone."""
    data = Instance(
        [0, 1],
        [[0.0, 1.0], [1.0, 0.0]],
        0.5,
        1,
        [0.0, 0.0],
        Radio(np.ones((2, 2, 2)), 1.0, 1.0, 1.0, 1.0),
    )
    selection = np.array([[False, True], [True, False]])
    allocation = np.zeros((2, 2, 2), dtype=bool)
    allocation[0, 1, 0] = True
    assert round_violations(data, selection, allocation) == [
        "link 1 -> 0 (C4): carries 1 tokens without a subcarrier that works"
    ]
    allocation[1, 0, 0] = True
    assert round_violations(data, selection, allocation) == [
        "subcarrier 0 (C3): serves more than one link: 0 -> 1, 1 -> 0"
    ]
    allocation[1, 0] = [False, True]
    assert round_violations(data, selection, allocation) == []
    allocation[0, 0, 0], allocation[0, 1, 0] = True, False
    assert "a link to itself" in round_violations(data, selection, allocation)[0]
