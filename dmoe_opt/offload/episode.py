"""One episode of a scenario: its subtasks, its channels, and the consequences of every choice."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data import validate
from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError
from dmoe_opt.offload import drifting
from dmoe_opt.offload.parts import LEAST, MOST, MOST_GAINS, given_fields
from dmoe_opt.offload.radio import fading
from dmoe_opt.offload.scenario import Array, Scenario, Whole

MARGIN = 1000.0
"""What is drawn around a mean may lie outside the range of means by this factor."""
MOST_JOBS = 10**6
"""Numbers of jobs lie below this, as no episode has more than a million subtasks."""
HELD_OUT = 2402
"""First part of the seeds of held-out episodes; training uses other seeds."""


@dataclass(frozen=True, eq=False)
class Episode:
    """N subtasks in the order of their arrival.

    Parameters
    ----------
    arrival_s
        Shape (N,), not decreasing, s.
    job, type
        Number of the job and of the type, shape (N,).
    weight, payload_bits, result_bits, work, deadline_s
        Shape (N,); the deadline counts from the arrival.
    gains
        Channel power gain of each block and expert, linear, shape (B, E); the B blocks reach to
        the last arrival.
    speed
        Speed of each expert when subtask n arrives, work units per second, shape (N, E); it keeps
        this speed for the subtask. None: `experts.speed`.

    Raises
    ------
    InputError
        One line that names field, index, value and what is allowed.
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
    speed: Array | None = None
    __reduce__ = validate.reduced

    def __post_init__(self) -> None:
        most = MOST * MARGIN
        count = len(validate.real_array("episode.arrival_s", self.arrival_s, (None,), most))
        self._numbers("arrival_s", (count,), least=0.0)
        for name in ("weight", "payload_bits", "result_bits", "work", "deadline_s"):
            self._numbers(name, (count,), least=LEAST / MARGIN)
        self._whole_numbers("job", count, below=MOST_JOBS)
        self._whole_numbers("type", count, below=self.scenario.num_types)
        self._numbers("gains", (None, self.scenario.num_experts), least=0.0)
        if self.speed is not None:
            self._numbers("speed", (count, self.scenario.num_experts), least=LEAST / MARGIN)
        self._check_arrivals()
        self._check_blocks()
        if self.scenario.arrivals.job_quality is not None:
            self._check_stages()

    def _numbers(self, name: str, shape: tuple[int | None, ...], least: float) -> None:
        """Check a field of numbers and make it a read-only array."""
        most = MOST * MARGIN
        value = validate.real_array(f"episode.{name}", getattr(self, name), shape, most, least)
        object.__setattr__(self, name, value)

    def _whole_numbers(self, name: str, count: int, below: int) -> None:
        """Check a field of whole numbers, one for each subtask, and make it a read-only array."""
        value = validate.whole_array(f"episode.{name}", getattr(self, name), (count,), below)
        object.__setattr__(self, name, value)

    def _check_arrivals(self) -> None:
        """There are some, and none comes before the one listed before it."""
        if not len(self.arrival_s):
            raise InputError("episode.arrival_s is empty; allowed: at least one subtask")
        early = np.flatnonzero(np.diff(self.arrival_s) < 0)
        if len(early):
            n = int(early[0]) + 1
            raise fail(
                f"episode.arrival_s[{n}]",
                float(self.arrival_s[n]),
                "not before the arrival of the one before",
            )

    def _check_stages(self) -> None:
        """A stage arrives when the one before must be done."""
        due_s: dict[int, float] = {}
        for n, job in enumerate(self.job.tolist()):
            if self.arrival_s[n] < due_s.get(job, 0.0) * (1.0 - 1e-9):
                allowed = f"at least {due_s[job]:g}, the deadline of the stage before"
                raise fail(f"episode.arrival_s[{n}]", float(self.arrival_s[n]), allowed)
            due_s[job] = float(self.arrival_s[n] + self.deadline_s[n])

    def _check_blocks(self) -> None:
        """The gains reach to the last arrival."""
        needed = self.arrival_s[-1] // self.scenario.radio.coherence_s + 1.0
        if len(self.gains) < needed:
            raise InputError(
                f"episode.gains has {len(self.gains)} blocks; "
                f"allowed: at least {needed:.0f}, to the last arrival"
            )

    @cached_property
    def _block(self) -> Whole:
        """Number of the channel block in which each subtask arrives, (N,)."""
        return (self.arrival_s // self.scenario.radio.coherence_s).astype(np.int64)

    def gains_at(self, n: int) -> Array:
        """Channel power gain of the link to each expert when subtask n arrives, (E,)."""
        return np.asarray(self.gains[self._block[n]])

    @property
    def num_subtasks(self) -> int:
        """Number of subtasks N."""
        return len(self.arrival_s)

    @cached_property
    def share(self) -> Array:
        """Weight of each subtask in its job, (N,); the shares of a job sum to 1."""
        return np.asarray(self.weight / np.bincount(self.job, self.weight)[self.job])

    @cached_property
    def rate_bit_s(self) -> Array:
        """Rate of the link to each expert when subtask n arrives, B log2(1 + P H / N0), (N, E)."""
        radio = self.scenario.radio
        return np.asarray(
            radio.bandwidth_hz
            * np.log2(1.0 + radio.power_w * self.gains[self._block] / radio.noise_w)
        )

    @cached_property
    def communication_j(self) -> Array:
        """Energy of sending payload and result, (N, E + 1), J.

        The last column, the device, is 0. Energy over a dead link is inf.
        """
        return np.asarray(self.scenario.radio.power_w * self._transfer_s)

    @cached_property
    def _transfer_s(self) -> Array:
        """Time of sending payload and result, (N, E + 1), s."""
        with np.errstate(divide="ignore"):  # a dead link has rate 0
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
        """Time from the choice until the result is there, (N, E + 1), s.

        It is the sum of the transfer, the computing, and the transfer back.
        """
        speed = self.scenario.experts.speed if self.speed is None else self.speed
        on_device = np.full((self.num_subtasks, 1), self.scenario.device.speed)
        speeds = np.hstack([np.broadcast_to(speed, self.rate_bit_s.shape), on_device])
        return np.asarray(self._transfer_s + self.work[:, None] / speeds)

    @cached_property
    def finish_s(self) -> Array:
        """Time at which an expert's slot is free again if it gets subtask n now, (N, E + 1), s."""
        return np.asarray(self.arrival_s[:, None] + self.duration_s)

    @cached_property
    def in_time(self) -> NDArray[np.bool_]:
        """Whether the result would be there by the deadline, (N, E + 1)."""
        return np.asarray(self.duration_s <= self.deadline_s[:, None])

    @cached_property
    def size(self) -> Whole | Array:
        """What subtask n takes of the capacity of an expert, (N,): 1, or its work."""
        if self.scenario.counts_work:
            return self.work
        return np.ones(self.num_subtasks, dtype=np.int64)

    @cached_property
    def late_s(self) -> Array:
        """Time by which the result would miss the deadline, (N, E + 1), s; 0 if it is in time."""
        return np.maximum(self.duration_s - self.deadline_s[:, None], 0.0)

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
        """Reward of each choice for subtask n if there is room, (N, E + 1).

        Jobs of stages earn at most the sum of these rewards; `dmoe_opt.offload.stages` has theirs.

        The reward is share times quality, less the priced energy; it is `loss_reward` where the
        subtask may not be started. The reward is ours, after arXiv 2402.06942.
        """
        return np.where(self.may_start, self._gained, self.loss_reward[:, None])

    @cached_property
    def may_start(self) -> NDArray[np.bool_]:
        """Whether subtask n may go to an action, if there is room, (N, E + 1).

        Durations are known when the choice is made, so a subtask that would be late is not started,
        or with `late_per_s` only where it earns more than a loss.
        """
        if self.scenario.prices.late_per_s is None:
            return self.in_time
        return np.asarray(self.in_time | (self._gained > self.loss_reward[:, None]))

    @cached_property
    def _gained(self) -> Array:
        """Share times quality, less what is paid, (N, E + 1)."""
        return np.asarray(self.share[:, None] * self.quality - self.paid)

    @cached_property
    def paid(self) -> Array:
        """Priced energy and lateness of each choice for subtask n, (N, E + 1)."""
        prices = self.scenario.prices
        with np.errstate(invalid="ignore"):  # a dead link at price 0
            paid = (
                prices.communication_per_j * self.communication_j
                + prices.computation_per_j * self.computation_j
            )
            if prices.late_per_s is not None:
                paid = paid + prices.late_per_s * self.share[:, None] * self.late_s
        return np.asarray(paid)


def scenario_of(data: Scenario | Episode) -> Scenario:
    """The scenario of an episode, or the scenario itself."""
    return data.scenario if isinstance(data, Episode) else data


def draw(scenario: Scenario, seed: int | np.random.Generator) -> Episode:
    """Draw an episode.

    A whole number gives the held-out episode of that number, which is never used in training.

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
    return draw_at(scenario, rng, *drifting.arrivals(rng, scenario))


def draw_at(
    scenario: Scenario,
    rng: np.random.Generator,
    job: Whole,
    arrival_s: Array,
    kind: Whole | None = None,
) -> Episode:
    """Draw what is left of an episode with given jobs and arrivals, both (N,), and perhaps types.

    Raises
    ------
    InputError
        If the episode would need more than 50 million gains, or a type is none of the scenario.
    """
    types = scenario.types
    count = len(job)
    if kind is None:
        kind = drifting.types(rng, scenario, arrival_s)
    kind = validate.whole_array("type", kind, (count,), scenario.num_types)
    blocks = _blocks(scenario, float(arrival_s[-1]))
    low, high = 1.0 - types.spread, 1.0 + types.spread
    return Episode(
        scenario=scenario,
        arrival_s=arrival_s,
        job=job,
        type=kind,
        weight=types.weight[kind],
        payload_bits=types.payload_bits[kind] * rng.uniform(low, high, count),
        result_bits=types.result_bits[kind] * rng.uniform(low, high, count),
        work=types.work[kind] * rng.uniform(low, high, count),
        deadline_s=types.deadline_s[kind],
        gains=scenario.experts.mean_gain
        * fading(rng, scenario.radio, (blocks, scenario.num_experts))
        * drifting.gains(rng, scenario, blocks),
        speed=drifting.speeds(rng, scenario, arrival_s),
    )


def _blocks(scenario: Scenario, last_arrival_s: float) -> int:
    """Number of channel blocks up to the last arrival; raises `InputError` if they are too many."""
    coherence_s = scenario.radio.coherence_s
    blocks = last_arrival_s // coherence_s + 1.0
    if blocks * scenario.num_experts > MOST_GAINS:
        least_s = 2 * last_arrival_s * scenario.num_experts / MOST_GAINS
        raise fail("radio.coherence_s", coherence_s, f"at least {least_s:.1g}, or fewer jobs")
    return int(blocks)


def as_fields(episode: Episode) -> dict[str, Any]:
    """The arrays of an episode by name."""
    names = given_fields(episode)
    del names["scenario"]
    return names
