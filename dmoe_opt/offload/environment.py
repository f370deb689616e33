"""The offloading environment for gymnasium.

``gymnasium.make("dmoe_opt/EdgeOffload-v0", scenario="busy")`` makes it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data.validate import fail
from dmoe_opt.errors import MissingExtraError
from dmoe_opt.offload import store
from dmoe_opt.offload.episode import Episode, draw, scenario_of
from dmoe_opt.offload.frames import Picture, frame
from dmoe_opt.offload.observe import Entries, bounds, observe
from dmoe_opt.offload.presets import PRESETS, preset
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
    that is too slow. No action is open where every expert and a device of finite capacity are full,
    or where a job of stages has lost one. The episode terminates after its last subtask. The
    rewards add up to the return of the choices (`dmoe_opt.offload.simulate.account`).

    Parameters
    ----------
    scenario
        A `Scenario`, its fields as a dictionary, the name of a preset, or the path of a file.
    render_mode
        None, or "rgb_array": `render` gives a picture of the slots so far, see
        `dmoe_opt.offload.frames`. `dmoe_opt.plot` draws an episode that is over, with names.

    Raises
    ------
    InputError
        If there is no such scenario, or another way to render is asked for.
    """

    metadata = {  # noqa: RUF012 - gymnasium declares it so
        "render_modes": ["rgb_array"],
        "render_fps": 20,
    }

    def __init__(
        self,
        scenario: Scenario | Mapping[str, Any] | str | os.PathLike[str] = "busy",
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise fail("render_mode", render_mode, 'None or "rgb_array"')
        self.render_mode = render_mode
        self.scenario = _scenario(scenario)
        self._state: State | None = None
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
        self._state = State(episode)
        self._last = observe(self._state)
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

        After the last subtask the last observation is returned once more. `InputError` if there is
        no such action.
        """
        state = self.state
        if state.done:
            raise gymnasium.error.ResetNeeded("the episode is over; call reset() before step()")
        if not self.action_space.contains(action):
            raise fail("action", action, f"one of {self.action_space}")
        reward = state.step(int(action))
        if not state.done:
            self._last = observe(state)
        return self._last, reward, state.done, False, self._info()

    def action_masks(self) -> NDArray[np.bool_]:
        """True where an action is open, shape (E + 1,), by the name that masking agents ask for."""
        return np.array(self.state.mask, dtype=bool)

    def render(self) -> Picture | None:
        """The slots so far, uint8 of shape (height, 640, 3); None without a render mode."""
        return None if self.render_mode is None else frame(self.state)

    @property
    def state(self) -> State:
        """The episode as far as it has come; raises `ResetNeeded` before the first reset."""
        if self._state is None:
            raise gymnasium.error.ResetNeeded("there is no episode yet; call reset() first")
        return self._state

    def _info(self) -> dict[str, Any]:
        return {"action_mask": np.array(self.state.mask, dtype=np.int8)}


def _scenario(given: Scenario | Mapping[str, Any] | str | os.PathLike[str]) -> Scenario:
    """A scenario from whatever names or holds one."""
    if isinstance(given, Scenario):
        return given
    if isinstance(given, Mapping):
        return scenario_of(store.from_fields(dict(given)))
    if isinstance(given, str) and given in PRESETS:
        return preset(given)
    if isinstance(given, str | os.PathLike) and Path(given).exists():
        return scenario_of(store.load(given))
    if isinstance(given, str):
        return preset(given)  # which names the presets
    raise fail("scenario", given, "a Scenario, its fields, the name of a preset, or a file")


def _sizes(scenario: Scenario) -> tuple[int, int]:
    """Numbers of experts and of types."""
    return scenario.num_experts, scenario.num_types
