"""A trained policy in numpy: the actor that Soft Actor-Critic leaves behind, read from an .npz file; torch is not needed.

One small network scores every action a from its own five entries f_a of the observation o (`dmoe_opt.offload.observe`), the
whole of o and a vector of its own:

    score_a = v · relu(W2 relu(W1 f_a + W0 o + u_a + b1) + b2) + c

so what is learnt of one expert helps with the others. The open action of greatest score is chosen.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data import files, formats, validate
from dmoe_opt.errors import InputError
from dmoe_opt.offload.observe import OWN, observe, own, size
from dmoe_opt.offload.presets import PRESETS
from dmoe_opt.offload.scenario import Scenario
from dmoe_opt.offload.simulate import State

Weights = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Agent:
    """Weights of the actor for E experts and Y types, H hidden units.

    Shapes: `own_weight` (5, H), `all_weight` (5 E + Y + 4, H), `action_bias` (E + 1, H), which holds u_a + b1, `hidden_weight`
    (H, H), `hidden_bias` (H,), `score_weight` (H,). `made_by` says how it was trained.
    """

    own_weight: Weights
    all_weight: Weights
    action_bias: Weights
    hidden_weight: Weights
    hidden_bias: Weights
    score_weight: Weights
    made_by: str = ""

    def __post_init__(self) -> None:
        width = np.shape(self.score_weight)[0] if np.ndim(self.score_weight) == 1 else None
        shapes = {
            "own_weight": (OWN, width), "all_weight": (None, width), "action_bias": (None, width),
            "hidden_weight": (width, width), "hidden_bias": (width,), "score_weight": (width,),
        }  # fmt: skip
        for name, shape in shapes.items():
            value = validate.real_array(name, getattr(self, name), shape, most=1e6, least=-1e6)
            object.__setattr__(self, name, validate.frozen(value, np.float32))
        validate.word("made_by", self.made_by)

    def require(self, scenario: Scenario) -> None:
        """Raise `InputError` if the agent was trained for other numbers of experts or types."""
        actions, inputs = len(self.action_bias), len(self.all_weight)
        if not self.fits(scenario):
            raise InputError(
                f"the agent has {actions} actions and {inputs} inputs; allowed: {scenario.num_experts + 1} and "
                f"{size(scenario.num_experts, scenario.num_types)}, as in the scenario"
            )

    def fits(self, scenario: Scenario) -> bool:
        """Whether the agent was trained for as many experts and types."""
        inputs = size(scenario.num_experts, scenario.num_types)
        return (len(self.action_bias), len(self.all_weight)) == (scenario.num_experts + 1, inputs)

    def scores(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score of every action, shape (E + 1,)."""
        first = (
            own(observation, len(self.action_bias)) @ self.own_weight
            + observation @ self.all_weight
            + self.action_bias
        )
        second = np.maximum(first, 0.0) @ self.hidden_weight + self.hidden_bias
        return np.asarray(np.maximum(second, 0.0) @ self.score_weight)

    def act(self, state: State) -> int:
        """The open action of greatest score."""
        return int(np.where(state.mask, self.scores(observe(state)), -np.inf).argmax())


def load(path: str | os.PathLike[str]) -> Agent:
    """Read an agent; nothing is unpickled.

    Raises
    ------
    InputError
        One line naming file, field and what is wrong.
    """
    content = files.read(path)
    try:
        arrays = formats.read_arrays(content)
        wanted = {f.name for f in fields(Agent)}
        for name in sorted(wanted ^ set(arrays)):
            raise InputError(
                f"{name} is {'missing' if name in wanted else 'unknown'}; allowed: the arrays of an agent"
            )
        return Agent(**arrays)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def save(agent: Agent, path: str | os.PathLike[str]) -> None:
    """Write an agent as .npz, atomically."""
    files.write(path, as_bytes(agent))


def as_bytes(agent: Agent) -> bytes:
    """The agent as an .npz file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{f.name: getattr(agent, f.name) for f in fields(Agent)})
    return buffer.getvalue()


def committed(name: str) -> Agent | None:
    """The agent trained for a preset; None if there is none."""
    path = files.instances_folder() / "offload" / "agents" / f"{name}.npz"
    return load(path) if name in PRESETS and path.is_file() else None
