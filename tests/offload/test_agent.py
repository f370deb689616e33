"""Trained agents: files, and the agents that come with the presets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.offloads import by_hand

from dmoe_opt import InputError
from dmoe_opt.offload import agent as agents
from dmoe_opt.offload.agent import Agent
from dmoe_opt.offload.observe import OWN, size
from dmoe_opt.offload.simulate import State


def any_agent(experts: int, types: int, hidden: int = 4) -> Agent:
    """An agent with drawn weights."""
    rng = np.random.default_rng(0)
    shapes = [
        (OWN, hidden),
        (size(experts, types), hidden),
        (experts + 1, hidden),
        (hidden, hidden),
        (hidden,),
        (hidden,),
    ]
    return Agent(*(rng.standard_normal(shape) for shape in shapes), made_by="nobody")


def test_agents_survive_a_file(tmp_path: Path) -> None:
    """Weights stay as they are; pickles, missing arrays, wrong shapes are refused in one line."""
    agent = any_agent(1, 2)
    path = tmp_path / "agent.npz"
    agents.save(agent, path)
    again = agents.load(path)
    assert again.made_by == "nobody"
    state = State(by_hand())
    state.step(0)
    assert again.act(state) == 1  # the only open action, whatever the scores
    assert (again.hidden_weight == agent.hidden_weight).all()
    arrays = {"own_weight": agent.own_weight}
    all_arrays = {name: getattr(agent, name) for name in vars(agent)}
    for name, wrong, complaint in (
        ("missing", arrays, "is missing"),
        ("objects", {"own_weight": np.array([{}])}, "is not a readable .npz file"),
        (
            "shapes",
            {**all_arrays, "own_weight": np.zeros((3, 4))},
            "own_weight has shape 3 x 4",
        ),
        ("nan", {**all_arrays, "hidden_bias": np.full(4, np.nan)}, "hidden_bias[0] = nan"),
    ):
        np.savez(tmp_path / f"{name}.npz", **wrong)
        with pytest.raises(InputError) as error:
            agents.load(tmp_path / f"{name}.npz")
        assert complaint in str(error.value)
        assert str(error.value).startswith(str(tmp_path))
