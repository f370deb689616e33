"""The fate of every subtask."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.offloads import by_hand, episodes
from hypothesis import given
from hypothesis import strategies as st

from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.fates import fates
from dmoe_opt.offload.policies import RULES
from dmoe_opt.offload.simulate import account, run


def test_by_hand() -> None:
    """The expert serves the first and the last subtask; a slow device loses the second."""
    episode = by_hand(device_speed=0.1)
    rows = fates(episode, run(episode, RULES["greedy"](0)))
    assert [row.fate for row in rows] == ["served", "lost", "served"]
    assert [row.expert for row in rows] == [0, None, 0]
    assert [row.duration_s for row in rows] == [pytest.approx(2.0), None, pytest.approx(2.0)]
    assert [row.type for row in rows] == ["A", "B", "A"]
    assert [row.quality for row in rows] == [0.6, 0.0, 0.6]


def test_the_device_is_no_expert() -> None:
    """What stays on the device is local, and takes its time there."""
    episode = by_hand()
    rows = fates(episode, run(episode, RULES["local"](0)))
    assert [(row.fate, row.expert, row.duration_s) for row in rows] == [("local", None, 1.0)] * 3


@given(episodes(), st.integers(0, 2**32 - 1))
def test_fates_add_up(episode: Episode, seed: int) -> None:
    """Rewards, energies and numbers add up to the account, whatever is tried."""
    rng = np.random.default_rng(seed)
    actions = rng.integers(-1, episode.scenario.num_experts + 2, episode.num_subtasks)
    choice = run(episode, lambda state: int(actions[state.n]))
    total = account(episode, choice)
    rows = fates(episode, choice)
    assert sum(row.reward for row in rows) == pytest.approx(total.return_, abs=1e-9)
    assert sum(row.energy_j for row in rows) == pytest.approx(total.energy_j)
    for fate in ("served", "local", "lost"):
        assert sum(row.fate == fate for row in rows) == getattr(total, fate)
