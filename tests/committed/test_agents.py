"""The trained agents that come with the presets."""

from __future__ import annotations

import numpy as np
import pytest

from dmoe_opt.comparing.policies import baselines
from dmoe_opt.offload.agent import committed
from dmoe_opt.offload.episode import draw
from dmoe_opt.offload.presets import preset
from dmoe_opt.offload.simulate import account, run


@pytest.mark.parametrize("name", ["light", "busy", "fading", "mixed"])
def test_committed_agents(name: str) -> None:
    """These presets have an agent.

    Where capacity or the channel matter, it beats every rule but `price` and `forecast`, and earns
    90 % of the optimum's bound.
    """
    agent = committed(name)
    assert agent is not None
    assert agent.fits(preset(name))
    assert f"on {name}, seed 0" in agent.made_by
    if name in ("busy", "fading"):
        episodes = [draw(preset(name), 1000 + k) for k in range(2)]
        bound, rules = baselines(episodes)
        earned = np.mean([account(e, run(e, agent.act)).return_ for e in episodes])
        weaker = set(rules) - {"price", "forecast"}
        assert earned > max(rules[rule] for rule in weaker)
        assert earned > 0.9 * bound
