"""A trained policy in numpy: the actor of Soft Actor-Critic, read from an .npz file without torch.

One small network scores every action a. Its inputs are the five entries f_a of the action in the
observation o (`dmoe_opt.offload.observe`), the whole of o, and a vector u_a of the action's own::

    score_a = v · relu(W2 relu(W1 f_a + W0 o + u_a + b1) + b2) + c

All actions share the weights, so experience with one expert helps with the others. The policy takes
the open action with the greatest score.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data import files, formats, validate
from dmoe_opt.errors import InputError
from dmoe_opt.offload.observe import OWN, observe, own, size
from dmoe_opt.offload.presets import PRESETS
from dmoe_opt.offload.scenario import Scenario
from dmoe_opt.offload.simulate import State

Weights = NDArray[np.float32]
MOST_WEIGHT = 1e6


@dataclass(frozen=True, eq=False)
class Agent:
    """Weights of the actor for E experts and Y types, with H hidden units.

    Parameters
    ----------
    own_weight
        W1, shape (5, H).
    all_weight
        W0, shape (5 E + Y + 4, H).
    action_bias
        u_a + b1 for each action, shape (E + 1, H).
    hidden_weight, hidden_bias
        W2, shape (H, H), and b2, shape (H,).
    score_weight
        v, shape (H,). The constant c is left out: it is the same for all actions.
    made_by
        How the agent was trained.

    Raises
    ------
    InputError
        If shapes do not fit together, or a weight is not a number in [-10^6, 10^6].
    """

    own_weight: Weights
    all_weight: Weights
    action_bias: Weights
    hidden_weight: Weights
    hidden_bias: Weights
    score_weight: Weights
    made_by: str = ""
    __reduce__ = validate.reduced

    def __post_init__(self) -> None:
        width = np.shape(self.score_weight)[0] if np.ndim(self.score_weight) == 1 else None
        self._freeze("own_weight", (OWN, width))
        self._freeze("all_weight", (None, width))
        self._freeze("action_bias", (None, width))
        self._freeze("hidden_weight", (width, width))
        self._freeze("hidden_bias", (width,))
        self._freeze("score_weight", (width,))
        validate.word("made_by", self.made_by)

    def _freeze(self, name: str, shape: tuple[int | None, ...]) -> None:
        """Check the shape and the values of a field, and make it a read-only float32 array."""
        value = validate.real_array(name, getattr(self, name), shape, MOST_WEIGHT, -MOST_WEIGHT)
        object.__setattr__(self, name, validate.frozen(value, np.float32))

    def require(self, scenario: Scenario) -> None:
        """Raise `InputError` if the agent was trained for other numbers of experts or types."""
        if self.fits(scenario):
            return
        actions, inputs = len(self.action_bias), len(self.all_weight)
        raise InputError(
            f"the agent has {actions} actions and {inputs} inputs; "
            f"allowed: {scenario.num_experts + 1} and "
            f"{size(scenario.num_experts, scenario.num_types)}, as in the scenario"
        )

    def fits(self, scenario: Scenario) -> bool:
        """Whether the agent was trained for the same numbers of experts and types."""
        inputs = size(scenario.num_experts, scenario.num_types)
        return (len(self.action_bias), len(self.all_weight)) == (scenario.num_experts + 1, inputs)

    def scores(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score of every action, shape (E + 1,), for an observation of shape (5 E + Y + 4,)."""
        first = (
            own(observation, len(self.action_bias)) @ self.own_weight
            + observation @ self.all_weight
            + self.action_bias
        )
        second = np.maximum(first, 0.0) @ self.hidden_weight + self.hidden_bias
        return np.asarray(np.maximum(second, 0.0) @ self.score_weight)

    def act(self, state: State) -> int:
        """The open action with the greatest score."""
        return int(np.where(state.mask, self.scores(observe(state)), -np.inf).argmax())


def load(path: str | os.PathLike[str]) -> Agent:
    """Read an agent from an .npz file; nothing is unpickled.

    Raises
    ------
    InputError
        One line that names the file, the field and what is wrong.
    """
    content = files.read(path)
    try:
        arrays = formats.read_arrays(content)
        _check_names(arrays)
        return Agent(**arrays)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _check_names(arrays: dict[str, Any]) -> None:
    """Raise `InputError` unless the arrays are exactly the fields of an agent."""
    wanted = {field.name for field in fields(Agent)}
    for name in sorted(wanted ^ set(arrays)):
        fault = "missing" if name in wanted else "unknown"
        raise InputError(f"{name} is {fault}; allowed: the arrays of an agent")


def save(agent: Agent, path: str | os.PathLike[str]) -> None:
    """Write an agent as an .npz file, atomically."""
    files.write(path, as_bytes(agent))


def as_bytes(agent: Agent) -> bytes:
    """The content of the agent's .npz file."""
    buffer = io.BytesIO()
    arrays = {field.name: getattr(agent, field.name) for field in fields(Agent)}
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def committed(name: str) -> Agent | None:
    """The agent that comes with a preset; None if there is none."""
    path = files.instances_folder() / "offload" / "agents" / f"{name}.npz"
    if name not in PRESETS or not path.is_file():
        return None
    return load(path)
