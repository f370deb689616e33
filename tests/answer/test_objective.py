"""The energy of a round by hand, and its rules one by one."""

from __future__ import annotations

import numpy as np
import pytest

from dmoe_opt import Decision, Instance, Radio, Status, solve
from dmoe_opt.answer.objective import loads, round_energy_j


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
        assert Decision(data, selection, allocation).violations == []
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
    assert Decision(data, selection, allocation).violations == [
        "link 1 -> 0 (C4): carries 1 token without a subcarrier that works"
    ]
    allocation[1, 0, 0] = True
    assert Decision(data, selection, allocation).violations == [
        "subcarrier 0 (C3): serves more than one link: 0 -> 1, 1 -> 0"
    ]
    allocation[1, 0] = [False, True]
    assert Decision(data, selection, allocation).violations == []
    allocation[0, 0, 0], allocation[0, 1, 0] = True, False
    assert "a link to itself" in Decision(data, selection, allocation).violations[0]


def test_no_rule_hides_another() -> None:
    """Each rule has its own lines, 20 at most, and says how many more there are."""
    data = Instance(
        source=[0] * 60,
        scores=[[0.0, 1.0, 1.0]] * 60,
        threshold=0.5,
        max_experts=1,
        compute_energy=[0.0] * 3,
        radio=Radio(np.ones((3, 3, 2)), 1.0, 1.0, 1.0, 1.0),
        capacity=[60, 60, 2],
        air_deadline_s=3.0,
    )
    selection = np.zeros((60, 3), dtype=bool)
    selection[51:56, 1] = True
    selection[55:, 2] = True
    allocation = np.zeros((3, 3, 2), dtype=bool)
    allocation[0, 1, 0] = allocation[1, 0, 0] = True
    broken = Decision(data, selection, allocation).violations
    assert broken[18:] == [
        "token 18 (C1): relevance 0 is below 0.5",
        "token 19 (C1): relevance 0 is below 0.5",
        "(C1): and 31 more",
        "token 55 (C2): 2 experts, at most 1 are allowed",
        "expert 2 (C5): serves 5 tokens, its capacity is 2",
        "subcarrier 0 (C3): serves more than one link: 0 -> 1, 1 -> 0",
        "link 0 -> 2 (C4): carries 5 tokens without a subcarrier that works",
        "link 0 -> 1 (C7): subcarrier 0 can send 3 of 5 tokens before 3 s",
    ]
