"""Copies are as frozen as their originals, and -0.0 is 0."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from helpers.drawn import problems, rounds
from hypothesis import given

from dmoe_opt import InputError, Instance, Radio, SelectionProblem, load, solve
from dmoe_opt.generating.traces import Trace
from dmoe_opt.offload.agent import committed
from dmoe_opt.offload.episode import draw
from dmoe_opt.offload.fitting import committed as committed_fit
from dmoe_opt.offload.presets import preset
from dmoe_opt.placing.problem import PlacementProblem

COPIES: list[Callable[[Any], Any]] = [
    copy.copy,
    copy.deepcopy,
    lambda data: pickle.loads(pickle.dumps(data)),
]


@pytest.mark.parametrize("copied", COPIES, ids=["copy", "deepcopy", "pickle"])
@pytest.mark.parametrize("name", ["tiny-s1", "subset-sum-s1"])
def test_copies_are_frozen(name: str, copied: Callable[[Any], Any]) -> None:
    """Arrays are read-only, the digest is computed again, and the answer is the same."""
    data = load(name)
    answer = solve(data)
    other = copied(data)
    assert other.sha256 == data.sha256
    assert (other.name, other.meta) == (data.name, data.meta)
    assert solve(other).objective_j == answer.objective_j
    with pytest.raises(ValueError, match="read-only"):
        other.scores[:] = 0
    assert "sha256" not in vars(copied(data))


def frozen_values() -> list[Any]:
    """One value of every frozen kind that holds arrays."""
    fit = committed_fit(preset("busy"))
    assert fit is not None
    placed = PlacementProblem(np.ones((2, 3), bool), np.ones((2, 2)), np.ones((2, 3)), [3, 3])
    trace = Trace(np.full((1, 2, 2), 0.5), experts_per_token=1)
    episode = draw(preset("light"), 0)
    assert episode.share.size and placed.room.size  # and both keep what they have computed
    round_, agent = load("tiny-s1"), committed("busy")
    assert isinstance(round_, Instance)
    return [round_.radio, placed, trace, episode, fit.tariff, agent]


@pytest.mark.parametrize("copied", COPIES, ids=["copy", "deepcopy", "pickle"])
def test_copies_of_other_values_are_frozen(copied: Callable[[Any], Any]) -> None:
    """Episodes, agents, tariffs, placements, logs and radios, without what they have computed."""
    for value in frozen_values():
        other = copied(value)
        names = [field.name for field in dataclasses.fields(value)]
        assert set(vars(other)) == set(names), type(value)
        for name in names:
            array = getattr(other, name)
            if isinstance(array, np.ndarray):
                assert not array.flags.writeable, (type(value), name)
                assert (array == getattr(value, name)).all()


def negated(array: np.ndarray) -> np.ndarray:
    """The same numbers with every 0 as -0.0."""
    return np.where(array == 0, -0.0, array)


@given(problem=problems())
def test_negative_zeros_of_a_problem(problem: SelectionProblem) -> None:
    """Every 0 replaced by -0.0 gives the same bytes."""
    other = problem.replace(
        scores=negated(problem.scores),
        cost=negated(problem.cost),
        threshold=negated(problem.threshold),
    )
    assert other.sha256 == problem.sha256
    for name in ("scores", "cost", "threshold"):
        assert getattr(other, name).tobytes() == getattr(problem, name).tobytes()


@given(instance=rounds())
def test_negative_zeros_of_a_round(instance: Instance) -> None:
    """Gains, energies, scores and thresholds too."""
    assert instance.radio is not None
    radio = Radio(
        negated(instance.radio.gains),
        bandwidth_hz=instance.radio.bandwidth_hz,
        power_w=instance.radio.power_w,
        noise_w=instance.radio.noise_w,
        payload_bits=instance.radio.payload_bits,
    )
    other = instance.replace(
        radio=radio,
        scores=negated(instance.scores),
        threshold=negated(instance.threshold),
        compute_energy=negated(instance.compute_energy),
    )
    assert other.sha256 == instance.sha256
    assert other.link_energy.tobytes() == instance.link_energy.tobytes()


def test_masked_entries_are_refused() -> None:
    """What a mask hides is no number; a mask that hides nothing is no fault."""
    gains = np.ma.array(np.ones((2, 2, 1)), mask=False)
    Radio(gains, bandwidth_hz=1.0, power_w=1.0, noise_w=1.0, payload_bits=1.0)
    gains[0, 1, 0] = np.ma.masked
    with pytest.raises(InputError, match=r"radio\.gains has masked entries"):
        Radio(gains, bandwidth_hz=1.0, power_w=1.0, noise_w=1.0, payload_bits=1.0)


class Tensor:
    """A tensor that carries a gradient: numpy gets at its numbers after `detach` only."""

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")

    def detach(self) -> Tensor:
        """Without the gradient."""
        return self

    def cpu(self) -> list[list[float]]:
        """The numbers."""
        return [[0.5]]


def test_tensors_and_numbers_of_other_libraries() -> None:
    """Tensors with gradients, scalars of numpy, whole numbers past 64 bits, complex numbers."""
    problem = SelectionProblem(
        scores=Tensor(),  # type: ignore[arg-type]
        cost=[[10**30]],
        threshold=np.float32(0.5),
        max_experts=np.int64(1),  # type: ignore[arg-type]
    )
    assert problem.cost[0, 0] == 1e30
    assert problem.max_experts == 1
    with pytest.raises(InputError, match="a power gain is the squared magnitude"):
        Radio(np.ones((2, 2, 1)) * 1j, 1.0, 1.0, 1.0, 1.0)
