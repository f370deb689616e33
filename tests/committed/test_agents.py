"""The trained agents that come with the presets, beside all other policies and the optimum."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dmoe_opt.comparing.policies import baselines, play
from dmoe_opt.models import offload_cvxpy, offload_pyomo
from dmoe_opt.offload import windows
from dmoe_opt.offload.agent import committed
from dmoe_opt.offload.episode import draw
from dmoe_opt.offload.policies import usual
from dmoe_opt.offload.presets import PRESETS, preset
from dmoe_opt.offload.simulate import account, run, violations


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


@pytest.mark.parametrize("name", PRESETS)
def test_nobody_beats_the_optimum(name: str) -> None:
    """Every policy on every episode stays at or below the bounds, which order as they must."""
    agent = committed(name)
    agents = {} if agent is None else {"sac": agent}
    few = replace(preset(name), arrivals=replace(preset(name).arrivals, num_jobs=10))
    episode = draw(few, 0)
    relaxed = offload_pyomo.solve(episode, relax=True).bound
    assert offload_cvxpy.solve(episode, relax=True).bound == pytest.approx(relaxed, abs=1e-6)
    best = windows.solve(episode)
    assert best.bound <= relaxed + 1e-9
    assert best.return_ <= best.bound + 1e-9
    for rule in usual(few, agents):
        choice, _ = play(episode, rule, agents=agents, seed=0)
        assert violations(episode, choice) == []
        assert account(episode, choice).return_ <= best.bound + 1e-9, rule
