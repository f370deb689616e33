"""A second learner: masked PPO of sb3-contrib that corrects the rule `price`.

The network adds to the net rewards of `price` and begins at 0, so training begins at `price`. The
reward of a step is what it earns more than `price` at the same subtask of the same episode. 128
episodes are played side by side by `dmoe_opt.offload.many`. Needs torch and sb3-contrib:

python tests/benchmarks/correcting.py busy --minutes 20 --scale 200 --rate 3e-4 --epochs 3
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from gymnasium import spaces
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from stable_baselines3.common.vec_env import VecEnv
from torch import nn

from dmoe_opt.offload.episode import Episode, draw
from dmoe_opt.offload.fitting import committed
from dmoe_opt.offload.many import Many
from dmoe_opt.offload.presets import preset
from dmoe_opt.offload.pricing import Tariff
from dmoe_opt.offload.scenario import Scenario

COPIES, STEPS, HIDDEN, OWN = 128, 64, 64, 9
SCALE = 10.0
"""Rewards differ by about 0.1; networks learn best with values near 1."""
VALIDATION = 200


def held_slots(many: Many) -> np.ndarray:
    """Which slots of the experts are held, (B, E, slots)."""
    return many._busy[:, : many.scenario.num_experts]


class Outlook:
    """Observations: nine entries for each action, what all share, net rewards of `price`."""

    def __init__(self, scenario: Scenario, tariff: Tariff) -> None:
        self.tariff, self.kinds = tariff, scenario.num_types
        self.member = np.eye(len(tariff.base))[tariff.group]
        self.slots = scenario.experts.capacity
        self.ahead_s = np.array([0.1, 0.25, 0.5]) * float(scenario.types.deadline_s.max())

    def net(self, many: Many) -> tuple[np.ndarray, np.ndarray]:
        """Net rewards, (B, E + 1), and prices, (B, E)."""
        occupied = held_slots(many).sum(axis=2)
        share = (occupied @ self.member) / np.maximum(self.slots @ self.member, 1)
        of_group = self.tariff.base + self.tariff.rise * share**self.tariff.power
        prices = of_group @ self.member.T
        net = many.reward.copy()
        net[:, :-1] -= many.duration[:, :-1] * prices
        return net, prices

    def __call__(self, many: Many) -> np.ndarray:
        """Observations, (B, 9 (E + 1) + Y + 3 + E + 1)."""
        n = min(many.n, len(many._arrival) - 1)
        now, held, slots = many._arrival[n], held_slots(many), np.maximum(self.slots, 1)
        net, prices = self.net(many)
        own = np.zeros((*net.shape, OWN))
        own[..., 0] = many.mask
        own[..., 1] = np.where(many.mask, SCALE * many.reward, 0.0)
        own[..., 2] = np.minimum(many.duration, 2 * many._deadline[n][:, None]) / self.ahead_s[-1]
        own[:, :-1, 3] = held.sum(axis=2) / slots
        for k, ahead_s in enumerate(self.ahead_s):
            later = held & (many._ends > (now + ahead_s)[:, None, None])
            own[:, :-1, 4 + k] = later.sum(axis=2) / slots
        own[:, :-1, 7] = 5 * prices
        own[..., 8] = np.clip(np.where(many.mask, SCALE * net, 0.0), -5, 5)
        recent = [(many._arrival[:n] > now - s).sum(axis=0)[:, None] / 30.0 for s in (0.5, 2.0)]
        kind = np.arange(self.kinds) == many._type[n][:, None]
        shared = [kind, 5 * many._share[n][:, None], *recent]
        last = np.where(many.mask, net, -1e3)
        return np.hstack([own.reshape(len(own), -1), *shared, last]).astype(np.float32)


def by_price(net: np.ndarray, many: Many) -> np.ndarray:
    """What `price` chooses, (B,)."""
    open_net = np.where(many.mask, net, -np.inf)
    best = open_net.argmax(axis=1)
    device = net.shape[1] - 1
    gains = open_net[np.arange(len(best)), best] > many.reward[:, -1]
    return np.where(gains, best, device)


class Copies(VecEnv):
    """Episodes side by side, beside the same episodes played by `price`."""

    def __init__(self, scenario: Scenario, tariff: Tariff, seed: int) -> None:
        self.scenario, self.look = scenario, Outlook(scenario, tariff)
        self.rng = np.random.default_rng([777, seed])
        self._begin()
        box = spaces.Box(-np.inf, np.inf, self.look(self.many).shape[1:], np.float32)
        super().__init__(COPIES, box, spaces.Discrete(scenario.num_experts + 1))

    def _begin(self) -> None:
        episodes = [draw(self.scenario, self.rng) for _ in range(COPIES)]
        self.many, self.reference = Many(episodes), Many(episodes)

    def reset(self) -> np.ndarray:
        """The first observations."""
        return self.look(self.many)

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions for `step_wait`."""
        self.actions = actions

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict]]:
        """Play both; all episodes end with the shortest."""
        usual = by_price(self.look.net(self.reference)[0], self.reference)
        ahead = self.many.step(self.actions) - self.reference.step(usual)
        observations, is_over = self.look(self.many), self.many.n >= self.many._sizes.min()
        told: list[dict] = [{} for _ in range(COPIES)]
        if is_over:
            told = [{"terminal_observation": o, "TimeLimit.truncated": True} for o in observations]
            self._begin()
            observations = self.look(self.many)
        return observations, (SCALE * ahead).astype(np.float32), np.full(COPIES, is_over), told

    def env_method(self, name: str, *given: object, **named: object) -> list[np.ndarray]:
        """The only method is `action_masks`."""
        return list(self.many.mask)

    def has_attr(self, name: str) -> bool:
        """Whether there are masks."""
        return name == "action_masks"

    def get_attr(self, name: str, indices: object = None) -> list[None]:
        """Copies have no attributes."""
        return [None] * COPIES

    def set_attr(self, name: str, value: object, indices: object = None) -> None:
        """Nothing to set."""

    def env_is_wrapped(self, wrapper: object, indices: object = None) -> list[bool]:
        """No copy is."""
        return [False] * COPIES

    def close(self) -> None:
        """Nothing is open."""


class Correction(nn.Module):
    """Net rewards of `price` times a scale, plus a score of the same network for all actions."""

    def __init__(self, actions: int, shared: int, scale: float) -> None:
        super().__init__()
        self.actions, self.scale, self.width = actions, scale, actions * OWN + shared
        self.latent_dim_pi, self.latent_dim_vf = actions, HIDDEN
        self.own, self.all = nn.Linear(OWN, HIDDEN), nn.Linear(self.width, HIDDEN, bias=False)
        self.action = nn.Parameter(torch.zeros(actions, HIDDEN))
        self.hidden, self.score = nn.Linear(HIDDEN, HIDDEN), nn.Linear(HIDDEN, 1)
        self.value = nn.Sequential(
            nn.Linear(self.width, HIDDEN), nn.Tanh(), nn.Linear(HIDDEN, HIDDEN), nn.Tanh()
        )

    def forward(self, seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What the actor and what the critic make of the observations."""
        return self.forward_actor(seen), self.forward_critic(seen)

    def forward_actor(self, seen: torch.Tensor) -> torch.Tensor:
        """Scores of the actions."""
        known = seen[:, : self.width]
        own = known[:, : self.actions * OWN].reshape(-1, self.actions, OWN)
        inner = torch.relu(self.own(own) + self.all(known)[:, None] + self.action)
        correction = self.score(torch.relu(self.hidden(inner)))[..., 0]
        return self.scale * seen[:, -self.actions :] + correction

    def forward_critic(self, seen: torch.Tensor) -> torch.Tensor:
        """What the value is a linear function of."""
        return self.value(seen[:, : self.width])


class Policy(MaskableActorCriticPolicy):
    """`Correction` as a policy of sb3-contrib."""

    sizes: tuple[int, int, float]

    def _build_mlp_extractor(self) -> None:
        self.mlp_extractor = Correction(*self.sizes)

    def _build(self, schedule: object) -> None:
        super()._build(schedule)
        nn.init.zeros_(self.mlp_extractor.score.weight)
        nn.init.zeros_(self.mlp_extractor.score.bias)
        self.action_net = nn.Identity()
        self.optimizer = self.optimizer_class(self.parameters(), lr=schedule(1))


def returns(policy: Policy | None, scenario: Scenario, tariff: Tariff, episodes: list[Episode]):
    """Returns of a policy, or of `price`, (B,)."""
    many, look = Many(episodes), Outlook(scenario, tariff)
    total = np.zeros(len(episodes))
    while many.alive.any():
        if policy is None:
            action = by_price(look.net(many)[0], many)
        else:
            with torch.no_grad():
                score = policy.mlp_extractor.forward_actor(torch.as_tensor(look(many))).numpy()
            action = np.where(many.mask, score, -np.inf).argmax(axis=1)
        total += many.step(action)
    return total


def main() -> None:
    """Train, and print what is gained on validation episodes, with intervals of 95 %."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("preset")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--scale", type=float, default=200.0)
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--gamma", type=float, default=0.98)
    told = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(told.seed)
    scenario = preset(told.preset)
    fit = committed(scenario)
    assert fit is not None
    Policy.sizes = (scenario.num_experts + 1, scenario.num_types + 3, told.scale)
    learner = MaskablePPO(
        Policy,
        Copies(scenario, fit.tariff, told.seed),
        n_steps=STEPS,
        batch_size=1024,
        n_epochs=told.epochs,
        gamma=told.gamma,
        learning_rate=told.rate,
        target_kl=0.02,
        seed=told.seed,
        device="cpu",
    )
    episodes = [draw(scenario, np.random.default_rng([20, k])) for k in range(VALIDATION)]
    price = returns(None, scenario, fit.tariff, episodes)
    began = time.monotonic()
    while time.monotonic() - began < 60 * told.minutes:
        learner.learn(10 * COPIES * STEPS, reset_num_timesteps=False)
        ahead = 100 * (returns(learner.policy, scenario, fit.tariff, episodes) - price)
        half = 1.96 * ahead.std() / np.sqrt(VALIDATION)
        mean = price.mean()
        print(f"{learner.num_timesteps:9,} {ahead.mean() / mean:+.2f} ± {half / mean:.2f} %")


if __name__ == "__main__":
    main()
