"""Many episodes side by side are the same episodes as alone."""

from __future__ import annotations

import numpy as np
from helpers.offloads import episodes
from hypothesis import given
from hypothesis import strategies as st

from dmoe_opt.offload.episode import Episode, draw
from dmoe_opt.offload.many import Many
from dmoe_opt.offload.observe import observe
from dmoe_opt.offload.simulate import LOST, State


@given(episodes(), st.integers(0, 99))
def test_many_are_as_alone(episode: Episode, seed: int) -> None:
    """Masks, rewards, choices and observations are those of the step function.

    Actions are drawn, wrong ones too, and episodes differ in length.
    """
    drawn = [episode, *(draw(episode.scenario, seed + k) for k in range(3))]
    many = Many(drawn)
    alone = [State(each) for each in drawn]
    rng = np.random.default_rng(seed)
    while many.alive.any():
        observations, mask = many.observations(), many.mask
        actions = rng.integers(-1, mask.shape[1] + 1, len(drawn))
        alive = many.alive
        assert alive.tolist() == [not state.done for state in alone]
        rewards = many.step(actions)
        for b in np.flatnonzero(alive):
            assert mask[b].tolist() == alone[b].mask
            np.testing.assert_allclose(observations[b], observe(alone[b]), rtol=1e-6, atol=1e-6)
            assert rewards[b] == alone[b].step(int(actions[b]))
        assert (rewards[~alive] == 0.0).all()
    for b, state in enumerate(alone):
        assert many.choice[b, : len(state.choice)].tolist() == state.choice.tolist()
        assert (many.choice[b, len(state.choice) :] == LOST).all()
