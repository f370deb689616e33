"""One episode of a scenario: who arrives when with what, over which channel, and what every choice would then mean."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from dmoe_opt.data import validate
from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError
from dmoe_opt.offload.scenario import LEAST, MOST, Array, Scenario, Whole

MOST_GAINS = 50_000_000
MARGIN = 1000.0
MOST_JOBS = 10**6
"""What is drawn around a mean may lie this much outside the range of means."""
HELD_OUT = 2402


@dataclass(frozen=True, eq=False)
class Episode:
    """N subtasks in the order of their arrival.

    Parameters
    ----------
    arrival_s
        Shape (N,), not decreasing.
    job, type
        Number of the job and of the type, shape (N,).
    weight, payload_bits, result_bits, work, deadline_s
        Shape (N,); the deadline counts from the arrival.
    gains
        Channel power gain of each block and expert, linear, shape (B, E); B blocks reach to the last arrival.
    """

    scenario: Scenario
    arrival_s: Array
    job: Whole
    type: Whole
    weight: Array
    payload_bits: Array
    result_bits: Array
    work: Array
    deadline_s: Array
    gains: Array

    def __post_init__(self) -> None:
        least, most = LEAST / MARGIN, MOST * MARGIN
        count = len(validate.real_array("episode.arrival_s", self.arrival_s, (None,), most))
        for name in ("arrival_s", "weight", "payload_bits", "result_bits", "work", "deadline_s"):
            low = 0.0 if name == "arrival_s" else least
            value = validate.real_array(f"episode.{name}", getattr(self, name), (count,), most, low)
            object.__setattr__(self, name, value)
        for name, below in (("job", MOST_JOBS), ("type", self.scenario.num_types)):
            object.__setattr__(
                self,
                name,
                validate.whole_array(f"episode.{name}", getattr(self, name), (count,), below),
            )
        gains = validate.real_array(
            "episode.gains", self.gains, (None, self.scenario.num_experts), most
        )
        object.__setattr__(self, "gains", gains)
        if not count:
            raise InputError("episode.arrival_s is empty; allowed: at least one subtask")
        late = np.flatnonzero(np.diff(self.arrival_s) < 0)
        if len(late):
            n = int(late[0]) + 1
            raise fail(
                f"episode.arrival_s[{n}]",
                float(self.arrival_s[n]),
                "not before the arrival of the one before",
            )
        needed = self.arrival_s[-1] // self.scenario.radio.coherence_s + 1.0
        if len(gains) < needed:
            raise InputError(
                f"episode.gains has {len(gains)} blocks; allowed: at least {needed:.0f}, to the last arrival"
            )

    @cached_property
    def _block(self) -> Whole:
        return (self.arrival_s // self.scenario.radio.coherence_s).astype(np.int64)

    @property
    def num_subtasks(self) -> int:
        """N."""
        return len(self.arrival_s)

    @cached_property
    def share(self) -> Array:
        """Weight of each subtask in its job, (N,); the shares of a job sum to 1."""
        return np.asarray(self.weight / np.bincount(self.job, self.weight)[self.job])

    @cached_property
    def rate_bit_s(self) -> Array:
        """Rate of the link to each expert when subtask n arrives, (N, E), bit/s."""
        radio = self.scenario.radio
        return np.asarray(
            radio.bandwidth_hz
            * np.log2(1.0 + radio.power_w * self.gains[self._block] / radio.noise_w)
        )

    @cached_property
    def communication_j(self) -> Array:
        """Energy of sending payload and result, (N, E + 1), J; the last column, the device, is 0; inf over a dead link."""
        return np.asarray(self.scenario.radio.power_w * self._transfer_s)

    @cached_property
    def _transfer_s(self) -> Array:
        with np.errstate(divide="ignore"):
            seconds = (self.payload_bits + self.result_bits)[:, None] / self.rate_bit_s
        return np.hstack([seconds, np.zeros((self.num_subtasks, 1))])

    @cached_property
    def computation_j(self) -> Array:
        """Energy of computing, (N, E + 1), J."""
        per_work = np.append(
            self.scenario.experts.energy_per_work_j, self.scenario.device.energy_per_work_j
        )
        return np.asarray(self.work[:, None] * per_work)

    @cached_property
    def duration_s(self) -> Array:
        """Time from the choice until the result is there, (N, E + 1), s, that is transfer, computing, transfer back."""
        speed = np.append(self.scenario.experts.speed, self.scenario.device.speed)
        return np.asarray(self._transfer_s + self.work[:, None] / speed)

    @cached_property
    def finish_s(self) -> Array:
        """When an expert's slot is free again if it gets subtask n now, (N, E + 1), s."""
        return np.asarray(self.arrival_s[:, None] + self.duration_s)

    @cached_property
    def in_time(self) -> NDArray[np.bool_]:
        """Whether the result would be there by the deadline, (N, E + 1)."""
        return np.asarray(self.duration_s <= self.deadline_s[:, None])

    @cached_property
    def quality(self) -> Array:
        """Skill of each expert, and of the device, for subtask n, (N, E + 1)."""
        skill = np.vstack([self.scenario.experts.skill, self.scenario.device.skill])
        return np.asarray(skill.T[self.type])

    @cached_property
    def loss_reward(self) -> Array:
        """Reward of subtask n if it is lost, (N,)."""
        return np.asarray(-self.scenario.prices.loss * self.share)

    @cached_property
    def reward(self) -> Array:
        """Reward of each choice for subtask n if there is room, (N, E + 1) (ours, after arXiv 2402.06942).

        Share times quality, less the priced energy; `loss_reward` where the result would be late. Durations are known
        when the choice is made, so what would be late is not started.
        """
        prices = self.scenario.prices
        with np.errstate(invalid="ignore"):  # a dead link at price 0
            energy = (
                prices.communication_per_j * self.communication_j
                + prices.computation_per_j * self.computation_j
            )
        gained = self.share[:, None] * self.quality - energy
        return np.where(self.in_time, gained, self.loss_reward[:, None])


def scenario_of(data: Scenario | Episode) -> Scenario:
    """The scenario of an episode, or the scenario itself."""
    return data.scenario if isinstance(data, Episode) else data


def draw(scenario: Scenario, seed: int | np.random.Generator) -> Episode:
    """Draw an episode. A whole number gives the held-out episode of that number, which no training sees.

    Raises
    ------
    InputError
        If the episode would need more than 50 million gains.

    Examples
    --------
    >>> from dmoe_opt.offload.episode import draw
    >>> from dmoe_opt.offload.presets import preset
    >>> episode = draw(preset("busy"), 0)
    >>> episode.num_subtasks, episode.reward.shape
    (310, (310, 7))
    """
    if isinstance(seed, np.random.Generator):
        rng = seed
    else:
        rng = np.random.default_rng([HELD_OUT, validate.whole("seed", seed, 0)])
    arrivals, types, radio = scenario.arrivals, scenario.types, scenario.radio
    starts = rng.exponential(1.0 / arrivals.jobs_per_s, arrivals.num_jobs).cumsum()
    least, most = arrivals.subtasks_per_job
    sizes = rng.integers(least, most + 1, arrivals.num_jobs)
    job = np.repeat(np.arange(arrivals.num_jobs), sizes)
    gaps = rng.exponential(arrivals.gap_s, len(job)) if arrivals.gap_s else np.zeros(len(job))
    first = np.append(0, sizes.cumsum()[:-1])
    gaps[first] = 0.0
    passed = gaps.cumsum()
    arrival_s = starts[job] + passed - passed[first][job]
    order = np.argsort(arrival_s, kind="stable")
    arrival_s, job = arrival_s[order], job[order]
    kind = rng.choice(scenario.num_types, len(job), p=types.probability / types.probability.sum())
    low, high = 1.0 - types.spread, 1.0 + types.spread
    blocks = arrival_s[-1] // radio.coherence_s + 1.0
    if blocks * scenario.num_experts > MOST_GAINS:
        least_s = 2 * arrival_s[-1] * scenario.num_experts / MOST_GAINS
        raise fail("radio.coherence_s", radio.coherence_s, f"at least {least_s:.1g}, or fewer jobs")
    return Episode(
        scenario=scenario,
        arrival_s=arrival_s,
        job=job,
        type=kind,
        weight=types.weight[kind],
        payload_bits=types.payload_bits[kind] * rng.uniform(low, high, len(job)),
        result_bits=types.result_bits[kind] * rng.uniform(low, high, len(job)),
        work=types.work[kind] * rng.uniform(low, high, len(job)),
        deadline_s=types.deadline_s[kind],
        gains=scenario.experts.mean_gain
        * _fading(rng, radio.fading, radio.correlation, (int(blocks), scenario.num_experts)),
    )


def _fading(
    rng: np.random.Generator, fading: str, correlation: float, shape: tuple[int, int]
) -> Array:
    """Power gains of unit mean, block after block."""
    if fading == "none":
        return np.ones(shape)
    fresh = rng.standard_normal((2, *shape))
    fresh[:, 1:] *= np.sqrt(1.0 - correlation**2)
    amplitude = lfilter([1.0], [1.0, -correlation], fresh, axis=1)
    return np.asarray((amplitude**2).sum(axis=0) / 2.0)


def as_fields(episode: Episode) -> dict[str, Any]:
    """The arrays of an episode by name."""
    return {f.name: getattr(episode, f.name) for f in fields(Episode) if f.name != "scenario"}
