"""An offloading scenario: experts, device, types of subtasks, arrivals, radio and prices.

The parts are plain data, checked once. Work is counted in work units (say, 10^9 operations), so
speeds are work units per second. There are E experts and Y types.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from dmoe_opt.data import validate
from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError
from dmoe_opt.offload.drift import Drift
from dmoe_opt.offload.parts import Array as Array
from dmoe_opt.offload.parts import Part, given_fields
from dmoe_opt.offload.parts import Whole as Whole
from dmoe_opt.offload.radio import BlockRadio as BlockRadio

MOST_LOSS = 1e6
"""A loss beyond this, in perfect jobs, would drown all else in rounding."""
MOST_SPREAD = 0.99
"""Payload, result and work keep above 0, whatever is drawn."""
MOST_COUNT = 10_000
"""Slots of an expert, and subtasks of a job."""
MOST_SUBTASKS = 10**6
"""Subtasks of an episode."""
JOB_QUALITIES = ("product", "minimum")
"""Qualities of a job of stages."""
UNITS = ("subtasks", "work")
"""What the capacity of an expert counts."""


@dataclass(frozen=True, eq=False)
class Experts(Part):
    """The E edge experts.

    Parameters
    ----------
    skill
        Quality of the results for each type, (E, Y), in [0, 1].
    capacity
        Slots, (E,): subtasks that an expert holds at once, from the choice until the result is
        back.
    capacity_unit
        "subtasks" (also if None), or "work": `capacity` then counts the work units of the subtasks
        that an expert holds at once, any numbers >= 0.
    speed
        Work units per second, (E,).
    energy_per_work_j
        Energy per work unit, (E,), J.
    mean_gain
        Mean power gain of the link, linear, (E,).
    """

    skill: Array
    capacity: Whole | Array
    speed: Array
    energy_per_work_j: Array
    mean_gain: Array
    capacity_unit: str | None = None
    part = "experts"

    def __post_init__(self) -> None:
        self._numbers("skill", (None, None), least=0.0, most=1.0)
        count = len(self.skill)
        if not count:
            raise InputError("experts.skill has no row; allowed: at least one expert")
        if self.capacity_unit is not None:
            validate.word("experts.capacity_unit", self.capacity_unit, UNITS)
        if self.capacity_unit == "work":
            self._numbers("capacity", (count,), least=0.0)
        else:
            self._set(
                "capacity",
                validate.whole_array("experts.capacity", self.capacity, (count,), MOST_COUNT + 1),
            )
        self._numbers("speed", (count,))
        self._numbers("energy_per_work_j mean_gain", (count,), least=0.0)


@dataclass(frozen=True, eq=False)
class Device(Part):
    """The user device, which always has room unless it has a capacity.

    Parameters
    ----------
    skill
        Quality of the results for each type, (Y,), in [0, 1].
    speed
        Work units per second.
    energy_per_work_j
        Energy per work unit, J.
    capacity
        What the device holds at once, in the unit of the experts. None: any number of subtasks,
        all at full speed.
    """

    skill: Array
    speed: float
    energy_per_work_j: float
    capacity: float | None = None
    part = "device"

    def __post_init__(self) -> None:
        self._numbers("skill", (None,), least=0.0, most=1.0)
        self._number("speed")
        self._number("energy_per_work_j", least=0.0)
        if self.capacity is not None:
            self._number("capacity", least=0.0)


@dataclass(frozen=True, eq=False)
class Types(Part):
    """The Y types of subtasks; all arrays have shape (Y,).

    Parameters
    ----------
    name
        Names of the types.
    probability
        Share of the subtasks that are of each type, scaled to sum 1.
    weight
        Weight of a subtask in the quality of its job.
    payload_bits, result_bits, work
        Means. The values of a subtask are uniform within a share `spread` of the mean.
    deadline_s
        Time from the arrival in which the result must be there, s.
    spread
        In [0, 0.99].
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
class Arrivals(Part):
    """Jobs arrive as a Poisson process.

    The first subtask of a job arrives with the job, each further one an exponential gap after the
    one before.

    Parameters
    ----------
    num_jobs
        Jobs in an episode.
    jobs_per_s
        Mean number of jobs that arrive per second.
    subtasks_per_job
        Least and greatest number; the number of a job is uniform between them.
    gap_s
        Mean gap between subtasks of a job, s.
    job_quality
        None: a job is worth the mean of the qualities of its subtasks by their weights. "product"
        or "minimum": its subtasks are stages in sequence, a lost stage loses the job, and else the
        job is worth the product or the minimum of their qualities. A stage then arrives a gap after
        the longest deadline of any type, when the result of the one before is there for sure.
    """

    num_jobs: int
    jobs_per_s: float
    subtasks_per_job: tuple[int, int]
    gap_s: float
    job_quality: str | None = None
    part = "arrivals"

    def __post_init__(self) -> None:
        self._set("num_jobs", validate.whole("arrivals.num_jobs", self.num_jobs))
        ends = validate.whole_array(
            "arrivals.subtasks_per_job", self.subtasks_per_job, (2,), MOST_COUNT + 1
        ).tolist()
        if not 1 <= ends[0] <= ends[1]:
            raise fail("arrivals.subtasks_per_job", ends, "[least, most] with 1 <= least <= most")
        self._set("subtasks_per_job", (ends[0], ends[1]))
        if self.num_jobs * ends[1] > MOST_SUBTASKS:
            raise fail(
                "arrivals.num_jobs",
                self.num_jobs,
                f"at most {MOST_SUBTASKS // ends[1]}, a million subtasks in an episode",
            )
        if self.job_quality is not None:
            validate.word("arrivals.job_quality", self.job_quality, JOB_QUALITIES)
        self._number("jobs_per_s")
        self._number("gap_s", least=0.0)


@dataclass(frozen=True, eq=False)
class Prices(Part):
    """Prices of energy and losses, in units of one job done perfectly.

    Parameters
    ----------
    communication_per_j, computation_per_j
        Price of 1 J.
    loss
        Price of a lost job. A lost subtask costs `loss` times its share in its job.
    late_per_s
        Price of a second by which the results of a job are late, shared among its subtasks in the
        same way. Work is then started even if it will be late, as long as it earns more than a
        loss. None: nothing is started that would be late.
    """

    communication_per_j: float
    computation_per_j: float
    loss: float
    late_per_s: float | None = None
    part = "prices"

    def __post_init__(self) -> None:
        self._number("communication_per_j computation_per_j", least=0.0)
        self._number("loss", least=0.0, most=MOST_LOSS)
        if self.late_per_s is not None:
            self._number("late_per_s", least=0.0)


@dataclass(frozen=True, eq=False)
class Scenario:
    """Everything that is known of an offloading problem before anything arrives.

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
    drift: Drift | None = None
    name: str = ""
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for part, kind in PARTS.items():
            is_absent = part in OPTIONAL_PARTS and getattr(self, part) is None
            if not isinstance(getattr(self, part), kind) and not is_absent:
                raise fail(part, getattr(self, part), f"a {kind.__name__}")
        validate.word("name", self.name)
        object.__setattr__(self, "meta", validate.plain("meta", self.meta))
        self._check_types("experts.skill[0]", self.experts.skill.shape[1])
        self._check_types("device.skill", len(self.device.skill))
        capacity = self.device.capacity
        if capacity is not None and not self.counts_work and capacity != int(capacity):
            raise fail("device.capacity", capacity, "a whole number of subtasks")
        if self.arrivals.job_quality is not None and self.prices.late_per_s is not None:
            allowed = "none with arrivals.job_quality: the next stage would not wait"
            raise fail("prices.late_per_s", self.prices.late_per_s, allowed)

    def _check_types(self, place: str, entries: int) -> None:
        if entries != self.num_types:
            raise InputError(
                f"{place} has {entries} entries; allowed: {self.num_types}, one for each type"
            )

    @property
    def num_experts(self) -> int:
        """Number of experts E. Action E is the device itself."""
        return len(self.experts.skill)

    @property
    def num_types(self) -> int:
        """Number of types Y."""
        return len(self.types.name)

    @property
    def counts_work(self) -> bool:
        """Whether capacities count work units rather than subtasks."""
        return self.experts.capacity_unit == "work"

    @cached_property
    def room(self) -> Whole | Array:
        """Capacity of each expert, and of the device if it has one, (E,) or (E + 1,)."""
        capacity = self.experts.capacity
        if self.device.capacity is None:
            return capacity
        device = np.array([self.device.capacity]).astype(capacity.dtype)
        return np.concatenate([capacity, device])

    @property
    def mean_jobs_per_s(self) -> float:
        """Mean number of jobs that arrive per second, over all that `drift` may draw."""
        load = None if self.drift is None else self.drift.load
        return self.arrivals.jobs_per_s * (1.0 if load is None else float(load.mean()))


PARTS: dict[str, Any] = {
    "experts": Experts,
    "device": Device,
    "types": Types,
    "arrivals": Arrivals,
    "radio": BlockRadio,
    "prices": Prices,
    "drift": Drift,
}
OPTIONAL_PARTS = ("drift",)


def as_fields(scenario: Scenario) -> dict[str, Any]:
    """The scenario as nested fields of the file format, without those that are None."""
    document: dict[str, Any] = {"name": scenario.name, "meta": scenario.meta}
    for name in PARTS:
        part = getattr(scenario, name)
        if part is not None:
            document[name] = given_fields(part)
    return document
