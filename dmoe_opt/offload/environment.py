"""The offloading environment for gymnasium.

``gymnasium.make("dmoe_opt/EdgeOffload-v0", scenario="busy")`` makes it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dmoe_opt.data.validate import fail
from dmoe_opt.errors import MissingExtraError
from dmoe_opt.offload.episode import Episode, draw
from dmoe_opt.offload.observe import Entries, bounds, observe
from dmoe_opt.offload.presets import preset
from dmoe_opt.offload.scenario import Scenario
from dmoe_opt.offload.simulate import State

try:
    import gymnasium
except ImportError as error:
    raise MissingExtraError(
        f"the environment needs gymnasium: pip install gymnasium ({error})"
    ) from error

Observation = Entries


class EdgeOffload(gymnasium.Env[Observation, np.int64]):
    """An episode of a scenario, one step for each subtask.

    Actions are experts 0 .. E - 1, and E for the device itself. An observation is a float32 array
    of shape (5 E + Y + 4,), see `dmoe_opt.offload.observe`. `info["action_mask"]`, int8 of shape
    (E + 1,), is 1 where an action is open. Any other action loses the subtask, and so does a device
    that is too slow. The episode terminates after its last subtask. The rewards add up to the
    return of the choices (`dmoe_opt.offload.simulate.account`).

    Parameters
    ----------
    scenario
        A `Scenario` or the name of a preset.

    Raises
    ------
    InputError
        If there is no preset of that name.
    """

    def __init__(self, scenario: Scenario | str = "busy") -> None:
        self.scenario = preset(scenario) if isinstance(scenario, str) else scenario
        low, high = bounds(self.scenario)
        self.observation_space = gymnasium.spaces.Box(low, high, dtype=np.float32)
        self.action_space = gymnasium.spaces.Discrete(self.scenario.num_experts + 1)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Draw an episode; `options={"episode": ...}` plays that `Episode` instead.

        Raises
        ------
        InputError
            If the given episode has other numbers of experts or types than the scenario.
        """
        super().reset(seed=seed)
        given = (options or {}).get("episode")
        episode = draw(self.scenario, self.np_random) if given is None else self._checked(given)
        self.state = State(episode)
        self._last = observe(self.state)
        return self._last, self._info()

    def _checked(self, episode: object) -> Episode:
        if not isinstance(episode, Episode) or _sizes(episode.scenario) != _sizes(self.scenario):
            raise fail(
                "options.episode",
                episode,
                "an Episode with as many experts and types as the environment's scenario",
            )
        return episode

    def step(self, action: np.int64) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Place the subtask that has arrived.

        After the last subtask the last observation is returned once more.
        """
        reward = self.state.step(int(action))
        if not self.state.done:
            self._last = observe(self.state)
        return self._last, reward, self.state.done, False, self._info()

    def _info(self) -> dict[str, Any]:
        return {"action_mask": np.array(self.state.mask, dtype=np.int8)}


def _sizes(scenario: Scenario) -> tuple[int, int]:
    """Numbers of experts and of types."""
    return scenario.num_experts, scenario.num_types
