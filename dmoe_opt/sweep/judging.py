"""The finished jobs of a sweep, each judged against the others on the same instance."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import msgspec

from dmoe_opt.answer.result import Status, relative_gap
from dmoe_opt.answer.tolerances import BOUND_NOISE
from dmoe_opt.comparing.rows import grouped
from dmoe_opt.data import files, formats, validate
from dmoe_opt.errors import InputError
from dmoe_opt.generating.presets import PRESETS, options
from dmoe_opt.method_table import PROBLEMS
from dmoe_opt.sweep.journal import FAILED, RESULTS

STATUSES = (*Status, FAILED)
CLOCK_S = 1e-7

Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[float, msgspec.Meta(ge=0)]


class FinishedJob(msgspec.Struct, frozen=True):
    """A finished job, one line of `results.jsonl`; fields that are not read here are passed over.

    `options` holds the options of the generator and of the method. `dropped` counts the tokens that
    the answer drops, where a round has a price for that. A failed job has None for every number.
    """

    key: str
    preset: str
    seed: Count
    problem: str
    method: str
    options: dict[str, Any]
    instance_sha256: str | None
    tokens: Count | None
    experts: Count | None
    subcarriers: Count | None
    status: str
    objective_j: Positive | None
    bound_j: Positive | None
    wall_s: Positive | None
    dropped: Count | None = None

    @property
    def setting(self) -> str:
        """The preset with the options of the generator, whatever the seed."""
        return self.preset + _spelt(self.options, _generator_options())

    def setting_without(self, option: str) -> str:
        """The setting but for one option of the generator."""
        return self.preset + _spelt(self.options, _generator_options() - {option})

    @property
    def method_options(self) -> dict[str, Any]:
        """The options of the method."""
        generator = _generator_options()
        return {name: value for name, value in self.options.items() if name not in generator}


@cache
def _generator_options() -> frozenset[str]:
    return frozenset(name for preset in PRESETS for name in options(preset))


def _spelt(values: dict[str, Any], names: Collection[str]) -> str:
    """The values of some names, as text."""
    return "".join(f" {name}={values[name]}" for name in sorted(values) if name in names)


@dataclass(frozen=True)
class Judged:
    """A job among the others on its instance.

    `line` is the method with the options that set it apart; `setting` the preset with its options,
    whatever the seed. `gap` is the gap to the best bound that any method proved: 0 if it is
    rounding or the instance is rightly said to be infeasible, None without an answer.
    """

    job: FinishedJob
    line: str
    setting: str
    instance: str
    feasible: bool
    gap: float | None

    @property
    def place(self) -> tuple[str, str]:
        """Problem and instance: jobs at the same place can be compared."""
        return self.job.problem, self.instance

    @property
    def wall_s(self) -> float:
        """Time of the job, at least a tick of the clock, so that ratios and logarithms exist."""
        return max(self.job.wall_s or 0.0, CLOCK_S)


def read_jobs(folder: str | os.PathLike[str]) -> list[FinishedJob]:
    """The jobs in `results.jsonl` of a folder; the last line of each job counts.

    Lines that are not JSON, as a killed process leaves them, are passed over.

    Raises
    ------
    InputError
        One line naming file, line, field, value and what is allowed.
    """
    path = Path(folder) / RESULTS
    jobs: dict[str, FinishedJob] = {}
    for number, line in enumerate(files.read(path).split(b"\n"), 1):
        if not _is_json(line):
            continue
        try:
            job = formats.decode(line, FinishedJob)
            validate.word("problem", job.problem, PROBLEMS)
            validate.word("status", job.status, STATUSES)
        except InputError as error:
            raise InputError(f"{path}: line {number}: {error}") from None
        jobs[job.key] = job
    if not jobs:
        raise InputError(f"{path}: holds no finished job; allowed: at least one line")
    return list(jobs.values())


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


@dataclass
class _Place:
    """What all methods together say of a problem on an instance."""

    bound_j: float | None = None
    answered: bool = False
    refuted: bool = False

    def add(self, job: FinishedJob) -> None:
        """Take in what one job says."""
        if job.bound_j is not None:
            self.bound_j = max(self.bound_j or 0.0, job.bound_j)
        self.answered |= job.objective_j is not None
        self.refuted |= job.status == Status.INFEASIBLE

    @property
    def feasible(self) -> bool:
        """False if a method says infeasible and none has an answer."""
        return self.answered or not self.refuted

    def gap(self, job: FinishedJob) -> float | None:
        """The gap of a job to the best bound.

        It is 0 if it is rounding, or if the job rightly says that the instance is infeasible.
        """
        if job.status == Status.INFEASIBLE and not self.feasible:
            return 0.0
        if job.objective_j is None:
            return None
        gap = relative_gap(job.objective_j, self.bound_j)
        return 0.0 if gap is not None and gap <= BOUND_NOISE else gap


def judge(jobs: Sequence[FinishedJob]) -> list[Judged]:
    """Put jobs beside the others on their instances.

    An instance is known by its hash; a failed job without one by preset, seed and options of the
    generator. It is infeasible if a method says so and none has an answer.
    """
    instances = _instances(jobs)
    settings: dict[str, str] = {}  # of an instance: that of the first job on it
    places: dict[tuple[str, str], _Place] = {}
    for job, instance in zip(jobs, instances, strict=True):
        settings.setdefault(instance, job.setting)
        places.setdefault((job.problem, instance), _Place()).add(job)
    judged = []
    for job, line, instance in zip(jobs, _lines(jobs), instances, strict=True):
        place = places[job.problem, instance]
        setting = settings[instance]
        judged.append(Judged(job, line, setting, instance, place.feasible, place.gap(job)))
    return judged


def _instances(jobs: Sequence[FinishedJob]) -> list[str]:
    """The instance of every job: its hash, if some job on it has one, or setting and seed."""
    hashes = {(job.setting, job.seed): job.instance_sha256 for job in jobs if job.instance_sha256}
    return [
        job.instance_sha256
        or hashes.get((job.setting, job.seed))
        or f"{job.setting} seed={job.seed}"
        for job in jobs
    ]


def _lines(jobs: Sequence[FinishedJob]) -> list[str]:
    """The method of every job, with those of its options that differ among jobs of this method."""
    of_method = grouped(((job.problem, job.method), job.method_options) for job in jobs)
    varied = {method: _varied(several) for method, several in of_method.items()}
    return [
        job.method + _spelt(job.method_options, varied[job.problem, job.method]) for job in jobs
    ]


def _varied(several: Sequence[dict[str, Any]]) -> set[str]:
    """Names of the options that do not have one value everywhere."""
    names = set().union(*several)
    return {name for name in names if len({repr(given.get(name)) for given in several}) > 1}


def contradictions(judged: Sequence[Judged]) -> list[str]:
    """One sentence for each job whose word is false by an answer of another method."""
    best = _best_answers(judged)
    sentences = []
    for other in judged:
        answer = best.get(other.place)
        if answer is None:
            continue
        if sentence := _contradiction(other, answer):
            where = f"{other.job.problem}, {other.setting} seed={other.job.seed}"
            sentences.append(f"{where}: {sentence}")
    return sentences


def _best_answers(judged: Sequence[Judged]) -> dict[tuple[str, str], Judged]:
    """The job with the least energy at every place; the first of equals."""
    best: dict[tuple[str, str], Judged] = {}
    for candidate in judged:
        energy_j = candidate.job.objective_j
        if energy_j is None:
            continue
        incumbent = best.setdefault(candidate.place, candidate)
        if energy_j < (incumbent.job.objective_j or 0.0):
            best[candidate.place] = candidate
    return best


def _contradiction(other: Judged, answer: Judged) -> str | None:
    energy_j, bound_j = answer.job.objective_j or 0.0, other.job.bound_j
    if other.job.status == Status.INFEASIBLE:
        return f"{other.line} says infeasible, {answer.line} has an answer"
    if bound_j is None or bound_j <= energy_j * (1 + BOUND_NOISE):
        return None
    return (
        f"the bound {bound_j:.9g} J of {other.line} is above the {energy_j:.9g} J of {answer.line}"
    )
