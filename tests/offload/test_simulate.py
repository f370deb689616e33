"""One step function and one objective: capacity is kept, and rewards add up."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.offloads import by_hand, episodes
from hypothesis import given
from hypothesis import strategies as st

from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.policies import RULES
from dmoe_opt.offload.simulate import LOST, State, account, run, violations


def test_no_room_is_a_loss() -> None:
    """With a full expert and a slow device the subtask is lost, for its penalty and no energy."""
    episode = by_hand(device_speed=0.1)
    choice = run(episode, RULES["greedy"](0))
    assert choice.tolist() == [0, LOST, 0]
    assert account(episode, choice).return_ == pytest.approx(0.5 - 0.25 + 0.5, abs=1e-12)
    state = State(episode)
    assert state.step(0) == pytest.approx(0.5)
    assert state.mask == [False, True]
    assert state.step(0) == -0.25  # not open
    assert state.step(LOST) == -0.25


@given(episodes(), st.integers(0, 2**32 - 1))
def test_conservation(episode: Episode, seed: int) -> None:
    """Whatever is tried, experts keep their capacity, and the rewards add up to the return."""
    rng = np.random.default_rng(seed)
    state = State(episode)
    rewards = []
    while not state.done:
        action = int(rng.integers(-1, episode.scenario.num_experts + 2))
        is_open = 0 <= action <= episode.scenario.num_experts and state.mask[action]
        rewards.append(state.step(action))
        assert is_open or state.choice[state.n - 1] == LOST
    assert violations(episode, state.choice) == []
    total = account(episode, state.choice)
    assert total.served + total.local + total.lost == episode.num_subtasks
    assert total.return_ == pytest.approx(sum(rewards), abs=1e-9)
    assert total.energy_j == pytest.approx(total.communication_j + total.computation_j)
