"""Soft Actor-Critic for offloading: the discrete variant of tianshou; needs `pip install dmoe-opt[drl]`.

Sources: P. Christodoulou, *Soft Actor-Critic for Discrete Action Settings*, arXiv 1910.07207; the choice of SAC for edge
experts is that of arXiv 2402.06942. Two things are ours. Every step's reward is taken less the greatest that its subtask
could earn with all experts free, which no action changes: the same policies are best, and returns vary far less. And actor
and critics score every action by the same small network (`dmoe_opt.offload.agent`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
import torch
from tianshou.algorithm import DiscreteSAC
from tianshou.algorithm.modelfree.discrete_sac import DiscreteSACPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Collector, VectorReplayBuffer
from tianshou.env import DummyVectorEnv
from tianshou.trainer import OffPolicyTrainerParams
from torch import nn

from dmoe_opt.data.validate import whole
from dmoe_opt.offload.agent import Agent
from dmoe_opt.offload.environment import EdgeOffload, Observation
from dmoe_opt.offload.episode import Episode, draw
from dmoe_opt.offload.observe import OWN, size
from dmoe_opt.offload.scenario import Scenario
from dmoe_opt.offload.simulate import mean_return

HIDDEN = 64
COPIES = 8
BATCH = 128
BUFFER = 100_000
WARM_UP = 2_000
STEPS_PER_COLLECT = 64
UPDATES_PER_STEP = 0.25
LEARNING_RATE = 5e-4
DISCOUNT = 0.97
TEMPERATURE = 0.02
"""Weight of the entropy, in units of the scaled reward."""
SCALE = 10.0
"""A subtask earns about 0.1 more or less by its choice; networks learn best about values near 1."""
VALIDATION = 20
CHECKS = 30
"""Times at which the policy is played on the validation episodes; the best of these policies is kept."""


@dataclass(frozen=True)
class Check:
    """Mean return of the policy of a training step on the validation episodes, which are neither trained on nor held out."""

    step: int
    return_mean: float


class _Relative(EdgeOffload):
    """The environment with rewards less what the subtask could earn alone, scaled."""

    def step(self, action: np.int64) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        most = float(self.state.episode.reward[self.state.n].max())
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, SCALE * (reward - most), terminated, truncated, info


class _Scores(nn.Module):  # type: ignore[misc]
    """One score per action, by the same weights for all; see `dmoe_opt.offload.agent`."""

    def __init__(self, scenario: Scenario, masked: bool) -> None:
        super().__init__()
        self.actions, self.masked = scenario.num_experts + 1, masked
        self.own = nn.Linear(OWN, HIDDEN)
        self.all = nn.Linear(size(scenario.num_experts, scenario.num_types), HIDDEN, bias=False)
        self.action = nn.Parameter(torch.zeros(self.actions, HIDDEN))
        self.hidden = nn.Linear(HIDDEN, HIDDEN)
        self.score = nn.Linear(HIDDEN, 1)

    def forward(self, obs: Any, state: Any = None, info: Any = None) -> Any:
        """Scores (B, E + 1) of observations (B, 5 E + Y + 4); an actor also hands on the state that tianshou gives it."""
        o = torch.as_tensor(obs, dtype=torch.float32)
        a = self.actions
        first = o[:, : 3 * a].reshape(-1, 3, a)
        second = o[:, 3 * a : 5 * a - 2].reshape(-1, 2, a - 1)
        device = torch.tensor([1.0, 0.0]).reshape(1, 2, 1).expand(len(o), 2, 1)
        entries = torch.cat([first, torch.cat([second, device], dim=2)], dim=1).transpose(1, 2)
        inner = torch.relu(self.own(entries) + self.all(o)[:, None] + self.action)
        scores = self.score(torch.relu(self.hidden(inner)))[..., 0]
        return (scores.masked_fill(o[:, :a] == 0.0, -1e9), state) if self.masked else scores

    def agent(self, made_by: str) -> Agent:
        """The weights as numpy has them; the last bias is left out, being the same for all actions."""
        w = {
            name: value.detach().numpy().astype(np.float32)
            for name, value in self.state_dict().items()
        }
        return Agent(
            own_weight=w["own.weight"].T, all_weight=w["all.weight"].T, action_bias=w["action"] + w["own.bias"],
            hidden_weight=w["hidden.weight"].T, hidden_bias=w["hidden.bias"], score_weight=w["score.weight"][0],
            made_by=made_by,
        )  # fmt: skip


def train(
    scenario: Scenario,
    *,
    seed: int = 0,
    steps: int = 40_000,
    progress: Callable[[int, int, float], None] | None = None,
) -> tuple[Agent, list[Check]]:
    """Train an agent on episodes drawn from the scenario; one thread, repeatable on one machine.

    Parameters
    ----------
    steps
        Environment steps, at about 200 a second; a gradient step on 128 of them for every fourth.
    progress
        Called with (steps done, steps, mean return on the validation episodes).

    Returns
    -------
    agent, checks
        The policy that did best on the validation episodes, and how all did: the learning curve.
    """
    whole("seed", seed, 0)
    whole("steps", steps, CHECKS)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _train(scenario, seed, steps, progress)
    finally:
        torch.set_num_threads(threads)


def validation_episodes(scenario: Scenario) -> list[Episode]:
    """The episodes on which policies in training are judged."""
    return [
        draw(scenario, np.random.default_rng([VALIDATION, number])) for number in range(VALIDATION)
    ]


def _train(
    scenario: Scenario, seed: int, steps: int, progress: Callable[[int, int, float], None] | None
) -> tuple[Agent, list[Check]]:
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - tianshou's replay buffer samples with numpy's global generator
    copies = DummyVectorEnv([lambda: _Relative(scenario) for _ in range(COPIES)])
    copies.seed(np.random.SeedSequence(seed).generate_state(COPIES).tolist())
    actor = _Scores(scenario, masked=True)
    space = EdgeOffload(scenario)
    adam = AdamOptimizerFactory(lr=LEARNING_RATE)
    algorithm: Any = DiscreteSAC(
        policy=DiscreteSACPolicy(
            actor=actor, action_space=space.action_space, observation_space=space.observation_space
        ),
        policy_optim=adam,
        critic=_Scores(scenario, masked=False),
        critic_optim=adam,
        critic2=_Scores(scenario, masked=False),
        critic2_optim=adam,
        gamma=DISCOUNT,
        alpha=TEMPERATURE,
    )
    collector: Any = Collector(algorithm, copies, VectorReplayBuffer(BUFFER, COPIES))
    collector.reset()
    collector.collect(n_step=min(WARM_UP, steps))
    episodes = validation_episodes(scenario)
    best: Agent | None = None
    checks: list[Check] = []
    for done in np.linspace(0, steps, CHECKS + 1).astype(int)[1:].tolist():
        algorithm.run_training(
            OffPolicyTrainerParams(
                training_collector=collector, max_epochs=1, epoch_num_steps=done - (checks[-1].step if checks else 0),
                collection_step_num_env_steps=STEPS_PER_COLLECT, batch_size=BATCH,
                update_step_num_gradient_steps_per_sample=UPDATES_PER_STEP, verbose=False, show_progress=False,
            )
        )  # fmt: skip
        agent = actor.agent(
            f"soft actor-critic on {scenario.name or 'a scenario'}, seed {seed}, step {done} of {steps}"
        )
        mean = mean_return(episodes, repeat(agent.act))
        if best is None or mean > max(c.return_mean for c in checks):
            best = agent
        checks.append(Check(done, mean))
        if progress:
            progress(done, steps, mean)
    assert best is not None
    return best, checks
