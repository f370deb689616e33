"""Performance profiles of a sweep (Dolan and Moré, Math. Programming 91, 2002).

The profile of a method is, for each ratio r, the share of instances that it solves within r times
the time of the fastest method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dmoe_opt.answer.tolerances import OPTIMAL_GAP
from dmoe_opt.comparing.rows import grouped
from dmoe_opt.sweep.judging import Judged

WITHIN = (OPTIMAL_GAP, 0.01)
NOT_RUN = "not run"


@dataclass(frozen=True)
class ProfileRow:
    """A method on an instance.

    `ratio` is its time over the time of the fastest method that solves the instance, None if it
    does not solve it. Solved is a gap of at most `within`. Status "not run" is a method that the
    sweep does not have for this setting.
    """

    problem: str
    within: float
    setting: str
    seed: int
    instance: str
    method: str
    status: str
    wall_s: float | None
    ratio: float | None


@dataclass(frozen=True)
class ProfileShare:
    """A line of a performance profile in numbers: shares of the instances, in [0, 1].

    `fastest` is its height at ratio 1, `within_10x` at ratio 10, `solved` where it ends. `run` of
    the `instances` were tried.
    """

    problem: str
    within: float
    method: str
    instances: int
    run: int
    fastest: float
    within_10x: float
    solved: float


def profile_rows(judged: Sequence[Judged]) -> list[ProfileRow]:
    """Ratios of times, for each problem and both levels in `WITHIN`.

    Only instances count on which every method has run that runs on any seed of the same setting, so
    that a sweep that is not done yet favours nobody. A method without a job for a setting does not
    solve it.
    """
    rows = []
    for _, of_problem in sorted(grouped((j.job.problem, j) for j in judged).items()):
        lines = sorted({j.line for j in of_problem})
        for jobs in _complete(of_problem):
            for within in WITHIN:
                rows += _ratios(jobs, lines, within)
    return rows


def _complete(judged: Sequence[Judged]) -> list[dict[str, Judged]]:
    """The jobs on each instance, by line, where none is missing that its setting has elsewhere."""
    expected = {
        setting: {j.line for j in of_setting}
        for setting, of_setting in grouped((j.setting, j) for j in judged).items()
    }
    complete = []
    for on_instance in grouped((j.instance, j) for j in judged).values():
        by_line = {j.line: j for j in on_instance}
        if not set(by_line) < expected[on_instance[0].setting]:
            complete.append(by_line)
    return complete


def _ratios(jobs: Mapping[str, Judged], lines: Sequence[str], within: float) -> list[ProfileRow]:
    """A row for every line on one instance."""
    times = {
        line: judged.wall_s
        for line, judged in jobs.items()
        if judged.gap is not None and judged.gap <= within
    }
    fastest_s = min(times.values(), default=None)
    first = next(iter(jobs.values()))
    rows = []
    for line in lines:
        job = jobs[line].job if line in jobs else None
        rows.append(
            ProfileRow(
                problem=first.job.problem,
                within=within,
                setting=first.setting,
                seed=first.job.seed,
                instance=first.instance,
                method=line,
                status=job.status if job else NOT_RUN,
                wall_s=job.wall_s if job else None,
                ratio=times[line] / fastest_s if fastest_s and line in times else None,
            )
        )
    return rows


def profile_shares(rows: Sequence[ProfileRow]) -> list[ProfileShare]:
    """Profiles in numbers, one row for each problem, level and method."""
    shares = []
    of_method = grouped(((row.problem, row.within, row.method), row) for row in rows)
    for (problem, within, method), mine in of_method.items():
        ratio = np.array([np.inf if row.ratio is None else row.ratio for row in mine])
        run = sum(row.status != NOT_RUN for row in mine)
        heights = (float((ratio <= most).mean()) for most in (1.0, 10.0, np.finfo(float).max))
        shares.append(ProfileShare(problem, within, method, len(mine), run, *heights))
    return shares


def left_out(judged: Sequence[Judged], rows: Sequence[ProfileRow]) -> int:
    """Number of instances in no profile, since a method has not run on them yet."""
    drawn = {(row.problem, row.instance) for row in rows}
    return len({j.place for j in judged}) - len(drawn)
