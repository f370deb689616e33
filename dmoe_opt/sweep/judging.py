"""The finished jobs of a sweep, read from its folder and judged against the others on the same instance."""

from __future__ import annotations

import os
from collections.abc import Sequence
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

Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[float, msgspec.Meta(ge=0)]


class FinishedJob(msgspec.Struct, frozen=True):
    """A line of `results.jsonl`, one finished job; fields that are not read here are passed over.

    `options` holds options of the generator and of the method; a failed job has None for every number.
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


@dataclass(frozen=True)
class Judged:
    """A job among the others on its instance.

    `line` is the method with the options that set it apart; `setting` the preset with its options, whatever the seed;
    `gap` to the best bound that any method proved, 0 if it is rounding or an instance is rightly said to be infeasible,
    None without an answer.
    """

    job: FinishedJob
    line: str
    setting: str
    instance: str
    feasible: bool
    gap: float | None


def read_jobs(folder: str | os.PathLike[str]) -> list[FinishedJob]:
    """The jobs in `results.jsonl` of a folder, of each the last line; a last line that was cut off is passed over.

    Raises
    ------
    InputError
        One line naming file, line, field, value and what is allowed.
    """
    path = Path(folder) / RESULTS
    *lines, rest = files.read(path).split(b"\n")
    if _is_json(rest):
        lines.append(rest)
    jobs: dict[str, FinishedJob] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
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
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True


@cache
def _generator_options() -> frozenset[str]:
    return frozenset(name for preset in PRESETS for name in options(preset))


def _told(values: dict[str, Any]) -> str:
    return "".join(f" {name}={value}" for name, value in sorted(values.items()))


def judge(jobs: Sequence[FinishedJob]) -> list[Judged]:
    """Put jobs beside the others on their instances.

    An instance is known by its hash; a failed job without one by preset, seed and options of the generator. It is
    infeasible if a method says so and none has an answer.
    """
    generator = _generator_options()
    settings = [
        job.preset + _told({k: v for k, v in job.options.items() if k in generator}) for job in jobs
    ]
    hashes = {
        (setting, job.seed): job.instance_sha256
        for setting, job in zip(settings, jobs, strict=True)
        if job.instance_sha256
    }
    instances = [
        job.instance_sha256 or hashes.get((setting, job.seed)) or f"{setting} seed={job.seed}"
        for setting, job in zip(settings, jobs, strict=True)
    ]
    home: dict[str, str] = {}
    bound: dict[tuple[str, str], float] = {}
    answered, refuted = set(), set()
    for job, setting, instance in zip(jobs, settings, instances, strict=True):
        home.setdefault(instance, setting)
        place = job.problem, instance
        if job.bound_j is not None:
            bound[place] = max(bound.get(place, 0.0), job.bound_j)
        if job.objective_j is not None:
            answered.add(place)
        if job.status == "infeasible":
            refuted.add(place)
    names = _lines(jobs)
    judged = []
    for job, line, instance in zip(jobs, names, instances, strict=True):
        place = job.problem, instance
        feasible = place in answered or place not in refuted
        gap = None if job.objective_j is None else relative_gap(job.objective_j, bound.get(place))
        if (not feasible and job.status == "infeasible") or (
            gap is not None and gap <= BOUND_NOISE
        ):
            gap = 0.0
        judged.append(Judged(job, line, home[instance], instance, feasible, gap))
    return judged


def _lines(jobs: Sequence[FinishedJob]) -> list[str]:
    """Of every job the method, with those of its options that differ among the jobs of this method."""
    generator = _generator_options()
    own = [{k: v for k, v in job.options.items() if k not in generator} for job in jobs]
    values = grouped(
        ((job.problem, job.method), given) for job, given in zip(jobs, own, strict=True)
    )
    varied = {
        method: {
            name
            for name in set().union(*several)
            if len({repr(given.get(name)) for given in several}) > 1
        }
        for method, several in values.items()
    }
    return [
        job.method + _told({k: v for k, v in given.items() if k in varied[job.problem, job.method]})
        for job, given in zip(jobs, own, strict=True)
    ]


def contradictions(judged: Sequence[Judged]) -> list[str]:
    """One sentence a job whose word is false by the answer of another method on its instance."""
    best: dict[tuple[str, str], Judged] = {}
    for j in sorted(
        (j for j in judged if j.job.objective_j is not None), key=lambda j: j.job.objective_j or 0.0
    ):
        best.setdefault((j.job.problem, j.instance), j)
    found = []
    for j in judged:
        answer = best.get((j.job.problem, j.instance))
        if answer is None or answer.job.objective_j is None:
            continue
        where = f"{j.job.problem}, {j.setting} seed={j.job.seed}"
        if j.job.status == "infeasible":
            found.append(f"{where}: {j.line} says infeasible, {answer.line} has an answer")
        elif j.job.bound_j is not None and j.job.bound_j > answer.job.objective_j * (
            1 + BOUND_NOISE
        ):
            energy = f"{answer.job.objective_j:.9g} J"
            found.append(
                f"{where}: the bound {j.job.bound_j:.9g} J of {j.line} is above the {energy} of {answer.line}"
            )
    return found
