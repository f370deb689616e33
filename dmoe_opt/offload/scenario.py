"""An offloading scenario: experts, device, types of subtasks, arrivals, radio and prices. Plain data, checked once.

Work is counted in work units (say, 10^9 operations), so speeds are work units per second. E experts, Y types.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data import validate
from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError

Array = NDArray[np.float64]
Whole = NDArray[np.int64]
LEAST, MOST = 1e-12, 1e15
"""Range of every positive quantity, wide enough for any unit, narrow enough that products stay finite."""
MOST_LOSS = 1e6
MOST_SPREAD = 0.99
MOST_COUNT = 10_000
"""A loss beyond this, in perfect jobs, would drown all else in rounding."""


FADING = ("none", "rayleigh")


class _Part:
    """Fields are checked by the name `part.field` that they have in a file."""

    part: str

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _numbers(
        self, names: str, shape: tuple[int | None, ...], least: float = LEAST, most: float = MOST
    ) -> None:
        for name in names.split():
            self._set(
                name,
                validate.real_array(f"{self.part}.{name}", getattr(self, name), shape, most, least),
            )

    def _number(self, names: str, least: float = LEAST, most: float = MOST) -> None:
        for name in names.split():
            value = validate.real(f"{self.part}.{name}", getattr(self, name), positive=least > 0)
            if not least <= value <= most:
                raise fail(f"{self.part}.{name}", value, f"a number in [{least:g}, {most:g}]")
            self._set(name, value)


@dataclass(frozen=True, eq=False)
class Experts(_Part):
    """E edge experts.

    `skill` (E, Y) in [0, 1] is the quality of a result; `capacity` (E,) the subtasks an expert holds at once, from the choice
    until the result is back; `speed` (E,) in work units/s; `energy_per_work_j` (E,); `mean_gain` (E,), linear, of the link.
    """

    skill: Array
    capacity: Whole
    speed: Array
    energy_per_work_j: Array
    mean_gain: Array
    part = "experts"

    def __post_init__(self) -> None:
        self._numbers("skill", (None, None), least=0.0, most=1.0)
        count = len(self.skill)
        if not count:
            raise InputError("experts.skill has no row; allowed: at least one expert")
        self._set(
            "capacity",
            validate.whole_array("experts.capacity", self.capacity, (count,), MOST_COUNT + 1),
        )
        self._numbers("speed", (count,))
        self._numbers("energy_per_work_j mean_gain", (count,), least=0.0)


@dataclass(frozen=True, eq=False)
class Device(_Part):
    """The user device: `skill` (Y,) in [0, 1], `speed` in work units/s, `energy_per_work_j`. It always has room."""

    skill: Array
    speed: float
    energy_per_work_j: float
    part = "device"

    def __post_init__(self) -> None:
        self._numbers("skill", (None,), least=0.0, most=1.0)
        self._number("speed")
        self._number("energy_per_work_j", least=0.0)


@dataclass(frozen=True, eq=False)
class Types(_Part):
    """Y types of subtasks, all arrays (Y,).

    A subtask is of type y with `probability` (scaled to sum 1) and has its `weight` in the quality of the job. Payload, result
    and work are uniform within a share `spread` of their means; `deadline_s` counts from the arrival.
    """

    name: tuple[str, ...]
    probability: Array
    weight: Array
    payload_bits: Array
    result_bits: Array
    work: Array
    deadline_s: Array
    spread: float = 0.0
    part = "types"

    def __post_init__(self) -> None:
        names = self.name
        if not isinstance(names, list | tuple) or not names:
            raise fail("types.name", names, "a list of at least one name")
        self._set("name", tuple(validate.word(f"types.name[{y}]", n) for y, n in enumerate(names)))
        self._numbers("weight payload_bits result_bits work deadline_s", (len(names),))
        self._numbers("probability", (len(names),), least=0.0)
        if not self.probability.sum() > 0:
            raise fail("types.probability", self.probability.tolist(), "at least one above 0")
        self._number("spread", least=0.0, most=MOST_SPREAD)


@dataclass(frozen=True, eq=False)
class Arrivals(_Part):
    """Jobs arrive as a Poisson process; a job's first subtask with it, each further one an exponential gap after the last.

    `num_jobs` per episode, `jobs_per_s`, `subtasks_per_job` (least, most), uniform, `gap_s` the mean gap.
    """

    num_jobs: int
    jobs_per_s: float
    subtasks_per_job: tuple[int, int]
    gap_s: float
    part = "arrivals"

    def __post_init__(self) -> None:
        self._set("num_jobs", validate.whole("arrivals.num_jobs", self.num_jobs))
        ends = validate.whole_array(
            "arrivals.subtasks_per_job", self.subtasks_per_job, (2,), MOST_COUNT + 1
        ).tolist()
        if not 1 <= ends[0] <= ends[1]:
            raise fail("arrivals.subtasks_per_job", ends, "[least, most] with 1 <= least <= most")
        self._set("subtasks_per_job", (ends[0], ends[1]))
        if self.num_jobs * ends[1] > 10**6:
            raise fail(
                "arrivals.num_jobs",
                self.num_jobs,
                f"at most {10**6 // ends[1]}, a million subtasks in an episode",
            )
        self._number("jobs_per_s")
        self._number("gap_s", least=0.0)


@dataclass(frozen=True, eq=False)
class BlockRadio(_Part):
    """One link to each expert, its gain constant for blocks of `coherence_s`.

    `fading` is "none" or "rayleigh": the amplitude is complex Gaussian, first-order autoregressive with `correlation` from one
    block to the next. A transfer keeps the rate B log2(1 + P H / N) of the block in which the subtask arrives, both ways.
    """

    bandwidth_hz: float
    power_w: float
    noise_w: float
    coherence_s: float
    fading: str = "rayleigh"
    correlation: float = 0.0
    part = "radio"

    def __post_init__(self) -> None:
        self._number("bandwidth_hz power_w noise_w coherence_s")
        validate.word("radio.fading", self.fading, FADING)
        self._number("correlation", least=0.0, most=1.0)


@dataclass(frozen=True, eq=False)
class Prices(_Part):
    """What energy and losses cost in units of one job done perfectly: per J of communication and computation, and `loss`.

    A lost subtask costs `loss` times its share in its job.
    """

    communication_per_j: float
    computation_per_j: float
    loss: float
    part = "prices"

    def __post_init__(self) -> None:
        self._number("communication_per_j computation_per_j", least=0.0)
        self._number("loss", least=0.0, most=MOST_LOSS)


@dataclass(frozen=True, eq=False)
class Scenario:
    """All that is known of an offloading problem before anything arrives.

    Raises
    ------
    InputError
        One line that names field, index, value and what is allowed.
    """

    experts: Experts
    device: Device
    types: Types
    arrivals: Arrivals
    radio: BlockRadio
    prices: Prices
    name: str = ""
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for part, kind in PARTS.items():
            if not isinstance(getattr(self, part), kind):
                raise fail(part, getattr(self, part), f"a {kind.__name__}")
        validate.word("name", self.name)
        object.__setattr__(self, "meta", validate.plain("meta", self.meta))
        for where, have in (
            ("experts.skill[0]", self.experts.skill.shape[1]),
            ("device.skill", len(self.device.skill)),
        ):
            if have != self.num_types:
                raise InputError(
                    f"{where} has {have} entries; allowed: {self.num_types}, one a type"
                )

    @property
    def num_experts(self) -> int:
        """E. Action E is the device itself."""
        return len(self.experts.skill)

    @property
    def num_types(self) -> int:
        """Y."""
        return len(self.types.name)


PARTS: dict[str, Any] = {
    "experts": Experts, "device": Device, "types": Types, "arrivals": Arrivals, "radio": BlockRadio, "prices": Prices,
}  # fmt: skip


def as_fields(scenario: Scenario) -> dict[str, Any]:
    """The scenario as nested fields of the file format."""
    parts = {
        p: {f.name: getattr(getattr(scenario, p), f.name) for f in fields(kind)}
        for p, kind in PARTS.items()
    }
    return {"name": scenario.name, "meta": scenario.meta, **parts}
