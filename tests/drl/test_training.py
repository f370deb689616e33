"""Soft Actor-Critic: needs torch and tianshou, see CONTRIBUTING.md."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.drawn import Ended

from dmoe_opt.offload import agent as agents
from dmoe_opt.offload import training
from dmoe_opt.offload.agent import Agent
from dmoe_opt.offload.episode import draw
from dmoe_opt.offload.observe import observe
from dmoe_opt.offload.presets import preset
from dmoe_opt.offload.scenario import Arrivals, Scenario
from dmoe_opt.offload.simulate import State, account, run

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


@pytest.fixture
def small() -> Scenario:
    """The busy scenario with short episodes."""
    scenario = preset("busy")
    arrivals = Arrivals(num_jobs=5, jobs_per_s=9.0, subtasks_per_job=(2, 6), gap_s=0.5)
    return replace(scenario, name="small", arrivals=arrivals)


def test_numpy_scores_are_those_of_torch(small: Scenario) -> None:
    """The saved actor ranks actions as the trained one does, and keeps to the open actions."""
    torch.manual_seed(1)
    actor = training._Scores(small, masked=True)
    with torch.no_grad():
        for weights in actor.parameters():
            weights.normal_()
    agent = actor.agent("drawn")
    state = State(draw(small, 0))
    while not state.done:
        seen = observe(state)
        with torch.no_grad():
            wanted = actor(seen[None])[0][0].numpy()
        is_open = np.array(state.mask)
        difference = (wanted - agent.scores(seen))[is_open]
        assert np.ptp(difference) <= 1e-3 * (1 + np.abs(wanted[is_open]).max())
        assert (wanted[~is_open] < -1e8).all()
        state.step(agent.act(state))


def test_training_learns_and_repeats(small: Scenario) -> None:
    """A few hundred steps beat no training; the same seed gives the same agent, another another."""
    shown = []
    agent, checks = training.train(
        small, seed=3, steps=600, progress=lambda *what: shown.append(what)
    )
    assert [check.step for check in checks] == [done for done, *_ in shown]
    assert checks[-1].step == 600
    again, _ = training.train(small, seed=3, steps=600)
    other, _ = training.train(small, seed=4, steps=600)
    for field in ("own_weight", "hidden_weight", "score_weight"):
        assert (getattr(agent, field) == getattr(again, field)).all()
        assert (getattr(agent, field) != getattr(other, field)).any()
    torch.manual_seed(3)
    fresh: Agent = training._Scores(small, masked=True).agent("untrained")
    episodes = training.validation_episodes(small)
    means = [np.mean([account(e, run(e, a.act)).return_ for e in episodes]) for a in (fresh, agent)]
    assert means[1] == pytest.approx(max(check.return_mean for check in checks))
    assert means[1] > means[0]


def test_train_command(typed: Callable[..., Ended], tmp_path: Path) -> None:
    """It writes an agent that `compare` takes, the learning curve as table and picture."""
    ended = typed("offload", "train", "light", "--steps", "60", "-o", "out")
    assert "clairvoyant optimum at most" in ended.stdout
    assert (tmp_path / "out" / "learning.png").read_bytes()[:4] == b"\x89PNG"
    table = (tmp_path / "out" / "learning.csv").read_text().splitlines()
    assert len(list(csv.DictReader(table))) == training.CHECKS
    assert "step" in agents.load(tmp_path / "out" / "agent.npz").made_by
    trained = ("--policies", "sac,greedy", "--agent", "out/agent.npz")
    ended = typed("offload", "compare", "light", *trained, "--episodes", "2")
    assert ended.returncode == 0
    assert "sac" in ended.stdout
