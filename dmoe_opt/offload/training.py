"""Soft Actor-Critic for offloading, the discrete variant of tianshou.

It needs the extra drl: `pip install "dmoe-opt[drl]"`.

Sources: P. Christodoulou, *Soft Actor-Critic for Discrete Action Settings*, arXiv 1910.07207;
arXiv 2402.06942 also chooses SAC for edge experts. Two things are ours. First, the reward of every
step is reduced by the greatest reward of its subtask with all experts free. No action changes that
reward, so the best policies stay the same, and returns vary far less. Second, actor and critics
score every action by the same small network (`dmoe_opt.offload.agent`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np

from dmoe_opt.data.validate import whole
from dmoe_opt.errors import MissingExtraError
from dmoe_opt.offload.agent import Agent
from dmoe_opt.offload.environment import EdgeOffload, Observation
from dmoe_opt.offload.episode import Episode, draw
from dmoe_opt.offload.observe import OWN, size
from dmoe_opt.offload.scenario import Scenario
from dmoe_opt.offload.simulate import mean_return

try:
    import torch
    from tianshou.algorithm import DiscreteSAC
    from tianshou.algorithm.modelfree.discrete_sac import DiscreteSACPolicy
    from tianshou.algorithm.optim import AdamOptimizerFactory
    from tianshou.data import Collector, VectorReplayBuffer
    from tianshou.env import DummyVectorEnv
    from tianshou.trainer import OffPolicyTrainerParams
    from torch import nn
except ImportError as error:
    raise MissingExtraError(
        "training needs the extra drl: install the CPU build of torch, then "
        f'pip install "dmoe-opt[drl]" ({error})'
    ) from error

HIDDEN = 64
COPIES = 8
"""Environments that are played side by side."""
BATCH = 128
BUFFER = 100_000
"""Steps that are remembered."""
WARM_UP = 2_000
"""Steps that are played before the first gradient step."""
STEPS_PER_COLLECT = 64
UPDATES_PER_STEP = 0.25
LEARNING_RATE = 5e-4
DISCOUNT = 0.97
TEMPERATURE = 0.02
"""Weight of the entropy, in units of the scaled reward."""
SCALE = 10.0
"""A choice changes the reward of a subtask by about 0.1; networks learn best with values near 1."""
VALIDATION = 20
"""Number of validation episodes, and first part of their seeds."""
CHECKS = 30
"""Times at which the policy is played on the validation episodes; the best policy is kept."""


@dataclass(frozen=True)
class Check:
    """Mean return of the policy after a training step on the validation episodes.

    These episodes are neither trained on nor held out.
    """

    step: int
    return_mean: float


class _Relative(EdgeOffload):
    """The environment with rewards scaled, less the best reward of the subtask alone."""

    def step(self, action: np.int64) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        most = float(self.state.episode.reward[self.state.n].max())
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, SCALE * (reward - most), terminated, truncated, info


class _Scores(nn.Module):  # type: ignore[misc]
    """One score per action, with the same weights for all; see `dmoe_opt.offload.agent`."""

    def __init__(self, scenario: Scenario, masked: bool) -> None:
        super().__init__()
        self.actions, self.masked = scenario.num_experts + 1, masked
        self.own = nn.Linear(OWN, HIDDEN)
        self.all = nn.Linear(size(scenario.num_experts, scenario.num_types), HIDDEN, bias=False)
        self.action = nn.Parameter(torch.zeros(self.actions, HIDDEN))
        self.hidden = nn.Linear(HIDDEN, HIDDEN)
        self.score = nn.Linear(HIDDEN, 1)

    def forward(self, obs: Any, state: Any = None, info: Any = None) -> Any:
        """Scores (B, E + 1) of observations (B, 5 E + Y + 4).

        An actor closes the actions that are not open, and also returns the state that tianshou
        gives it.
        """
        o = torch.as_tensor(obs, dtype=torch.float32)
        inner = torch.relu(self.own(self._entries(o)) + self.all(o)[:, None] + self.action)
        scores = self.score(torch.relu(self.hidden(inner)))[..., 0]
        if not self.masked:
            return scores
        return scores.masked_fill(o[:, : self.actions] == 0.0, -1e9), state

    def _entries(self, o: Any) -> Any:
        """The entries of each action, (B, E + 1, 5), as `dmoe_opt.offload.observe.own`."""
        a = self.actions
        first = o[:, : 3 * a].reshape(-1, 3, a)
        second = o[:, 3 * a : 5 * a - 2].reshape(-1, 2, a - 1)
        device = torch.tensor([1.0, 0.0]).reshape(1, 2, 1).expand(len(o), 2, 1)
        return torch.cat([first, torch.cat([second, device], dim=2)], dim=1).transpose(1, 2)

    def agent(self, made_by: str) -> Agent:
        """The weights in numpy; the last bias is left out, as it is the same for all actions."""
        weights = {
            name: value.detach().numpy().astype(np.float32)
            for name, value in self.state_dict().items()
        }
        return Agent(
            own_weight=weights["own.weight"].T,
            all_weight=weights["all.weight"].T,
            action_bias=weights["action"] + weights["own.bias"],
            hidden_weight=weights["hidden.weight"].T,
            hidden_bias=weights["hidden.bias"],
            score_weight=weights["score.weight"][0],
            made_by=made_by,
        )


def train(
    scenario: Scenario,
    *,
    seed: int = 0,
    steps: int = 40_000,
    progress: Callable[[int, int, float], None] | None = None,
) -> tuple[Agent, list[Check]]:
    """Train an agent on episodes drawn from the scenario.

    Training runs in one thread and can be repeated on one machine.

    Parameters
    ----------
    steps
        Environment steps, about 200 per second; after every fourth follows a gradient step on a
        batch of 128.
    progress
        Called with (steps done, steps, mean return on the validation episodes).

    Returns
    -------
    agent, checks
        The policy that did best on the validation episodes, and the learning curve.

    Raises
    ------
    InputError
        If seed or steps are no whole numbers, or the steps are fewer than the checks.
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
    generators = [np.random.default_rng([VALIDATION, number]) for number in range(VALIDATION)]
    return [draw(scenario, rng) for rng in generators]


def _train(
    scenario: Scenario, seed: int, steps: int, progress: Callable[[int, int, float], None] | None
) -> tuple[Agent, list[Check]]:
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - tianshou's buffer samples with numpy's global generator
    copies = DummyVectorEnv([lambda: _Relative(scenario) for _ in range(COPIES)])
    copies.seed(np.random.SeedSequence(seed).generate_state(COPIES).tolist())
    actor = _Scores(scenario, masked=True)
    algorithm = _algorithm(scenario, actor)
    collector: Any = Collector(algorithm, copies, VectorReplayBuffer(BUFFER, COPIES))
    collector.reset()
    collector.collect(n_step=min(WARM_UP, steps))
    episodes = validation_episodes(scenario)
    name = scenario.name or "a scenario"
    best: Agent | None = None
    best_mean = -np.inf
    checks: list[Check] = []
    done = 0
    for end in np.linspace(0, steps, CHECKS + 1).astype(int)[1:].tolist():
        algorithm.run_training(_next_steps(collector, end - done))
        done = end
        agent = actor.agent(f"soft actor-critic on {name}, seed {seed}, step {done} of {steps}")
        mean = mean_return(episodes, repeat(agent.act))
        if best is None or mean > best_mean:
            best, best_mean = agent, mean
        checks.append(Check(done, mean))
        if progress:
            progress(done, steps, mean)
    assert best is not None
    return best, checks


def _algorithm(scenario: Scenario, actor: _Scores) -> Any:
    """Discrete SAC with two critics."""
    space = EdgeOffload(scenario)
    adam = AdamOptimizerFactory(lr=LEARNING_RATE)
    policy = DiscreteSACPolicy(
        actor=actor, action_space=space.action_space, observation_space=space.observation_space
    )
    return DiscreteSAC(
        policy=policy,
        policy_optim=adam,
        critic=_Scores(scenario, masked=False),
        critic_optim=adam,
        critic2=_Scores(scenario, masked=False),
        critic2_optim=adam,
        gamma=DISCOUNT,
        alpha=TEMPERATURE,
    )


def _next_steps(collector: Any, steps: int) -> Any:
    """The parameters of some more environment steps of training, without output."""
    return OffPolicyTrainerParams(
        training_collector=collector,
        max_epochs=1,
        epoch_num_steps=steps,
        collection_step_num_env_steps=STEPS_PER_COLLECT,
        batch_size=BATCH,
        update_step_num_gradient_steps_per_sample=UPDATES_PER_STEP,
        verbose=False,
        show_progress=False,
    )
