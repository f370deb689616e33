"""What the jobs of a sweep show: performance profiles, gaps, growth of time with size, energy saved.

Every table is a list of rows of one dataclass, by problem and method. Gaps are relative, to the best bound that any method
proved on an instance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from dmoe_opt.answer.tolerances import OPTIMAL_GAP
from dmoe_opt.comparing.rows import grouped, half_width
from dmoe_opt.sweep.journal import FAILED
from dmoe_opt.sweep.judging import Judged

WITHIN = (OPTIMAL_GAP, 0.01)
FEWEST_SIZES = 3
ALL_PRESETS = "all presets"
AT_LIMIT = 0.95
"""A job that took this share of its option `time_limit` counts as stopped by it."""
CLOCK_S = 1e-7
"""No job counts as faster than a tick of the clock, so that ratios and logarithms of times exist."""


def _by_line(judged: Sequence[Judged]) -> list[tuple[tuple[str, str], list[Judged]]]:
    return sorted(grouped(((j.job.problem, j.line), j) for j in judged).items())


@dataclass(frozen=True)
class ProfileRow:
    """A method on an instance; `ratio` is its time over that of the fastest method that solves it, None if it does not.

    Solved is a gap of at most `within`; status "not run" is a method that the sweep does not have for this setting.
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

    `fastest` is its height at ratio 1, `within_10x` at ratio 10, `solved` where it ends; `run` of the `instances` were
    tried.
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
    """Ratios of times, per problem for both levels in `WITHIN` (Dolan and Moré, Math. Programming 91, 2002).

    Only instances count on which every method has run that runs on any seed of the same setting, so that a sweep that is
    not done yet favours nobody; a method without a job for a setting does not solve it.
    """
    rows = []
    for problem, mine in sorted(grouped((j.job.problem, j) for j in judged).items()):
        lines = sorted({j.line for j in mine})
        expected = {
            setting: {j.line for j in several}
            for setting, several in grouped((j.setting, j) for j in mine).items()
        }
        for instance, several in grouped((j.instance, j) for j in mine).items():
            by_line = {j.line: j for j in several}
            first = several[0]
            if set(by_line) < expected[first.setting]:
                continue
            for within in WITHIN:
                times = {
                    name: _time(j)
                    for name, j in by_line.items()
                    if j.gap is not None and j.gap <= within
                }
                best = min(times.values(), default=None)
                for line in lines:
                    there = by_line.get(line)
                    status, wall_s = (
                        ("not run", None) if there is None else (there.job.status, there.job.wall_s)
                    )
                    ratio = None if best is None or line not in times else times[line] / best
                    rows.append(
                        ProfileRow(
                            problem,
                            within,
                            first.setting,
                            first.job.seed,
                            instance,
                            line,
                            status,
                            wall_s,
                            ratio,
                        )
                    )
    return rows


def _time(j: Judged) -> float:
    return max(j.job.wall_s or 0.0, CLOCK_S)


def profile_shares(rows: Sequence[ProfileRow]) -> list[ProfileShare]:
    """Profiles in numbers, a row a problem, level and method."""
    found = []
    for (problem, within, method), mine in grouped(
        ((r.problem, r.within, r.method), r) for r in rows
    ).items():
        ratio = np.array([np.inf if r.ratio is None else r.ratio for r in mine])
        run = sum(r.status != "not run" for r in mine)
        heights = (float((ratio <= most).mean()) for most in (1.0, 10.0, np.finfo(float).max))
        found.append(ProfileShare(problem, within, method, len(mine), run, *heights))
    return found


def left_out(judged: Sequence[Judged], rows: Sequence[ProfileRow]) -> int:
    """Instances that are in no profile, since a method has not run on them yet."""
    return len({(j.job.problem, j.instance) for j in judged}) - len(
        {(r.problem, r.instance) for r in rows}
    )


@dataclass(frozen=True)
class GapRow:
    """A job on an instance that is not known to be infeasible, and its gap to the best bound; None without an answer."""

    problem: str
    method: str
    setting: str
    seed: int
    instance: str
    status: str
    gap: float | None


@dataclass(frozen=True)
class GapSummary:
    """The gaps of a method: how many of the jobs gave an answer or failed, quantiles over the answers.

    `proven` is the share of jobs that proved their own answer optimal, in [0, 1].
    """

    problem: str
    method: str
    jobs: int
    answers: int
    failed: int
    median: float | None
    p90: float | None
    worst: float | None
    proven: float


def gap_rows(judged: Sequence[Judged]) -> list[GapRow]:
    """The gap of every job to the best bound proven on its instance."""
    return [
        GapRow(problem, line, j.setting, j.job.seed, j.instance, j.job.status, j.gap)
        for (problem, line), mine in _by_line(judged)
        for j in mine
        if j.feasible
    ]


def gap_summaries(rows: Sequence[GapRow]) -> list[GapSummary]:
    """Gaps in numbers, a row a problem and method."""
    found = []
    for (problem, method), mine in grouped(((r.problem, r.method), r) for r in rows).items():
        gaps = np.array([r.gap for r in mine if r.gap is not None])
        median, p90, worst = (
            (float(q) for q in np.percentile(gaps, (50, 90, 100)))
            if len(gaps)
            else (None, None, None)
        )
        failed = sum(r.status == FAILED for r in mine)
        proven = sum(r.status == "optimal" for r in mine) / len(mine)
        found.append(
            GapSummary(problem, method, len(mine), len(gaps), failed, median, p90, worst, proven)
        )
    return found


@dataclass(frozen=True)
class ScalingPoint:
    """Median and quartiles of the time, in s, over the jobs of a method at one size; `size_is` says what is counted.

    `stopped` jobs ended at their time limit; `censored` says that at least half did, so the median is a lower bound.
    """

    problem: str
    preset: str
    method: str
    size_is: str
    size: int
    jobs: int
    stopped: int
    median_s: float
    lower_s: float
    upper_s: float

    @property
    def censored(self) -> bool:
        """Whether the median is not known, only that it is at least `median_s`."""
        return 2 * self.stopped >= self.jobs


@dataclass(frozen=True)
class ScalingFit:
    """Time = `factor_s` size^`exponent`, least squares on logarithms of medians; None with fewer than three `sizes`.

    Sizes at which half the jobs or more ended at their time limit do not count.
    """

    problem: str
    preset: str
    method: str
    size_is: str
    sizes: int
    factor_s: float | None
    exponent: float | None
    exponent_ci95: float | None

    @property
    def known(self) -> bool:
        """Whether the exponent is known to less than a whole power either way."""
        return self.exponent_ci95 is not None and self.exponent_ci95 < 1.0

    def __str__(self) -> str:
        if self.exponent is None:
            return "too few sizes"
        return f"{self.exponent:.2f} ± {self.exponent_ci95:.2f}" if self.known else "undetermined"


def scaling_points(judged: Sequence[Judged]) -> list[ScalingPoint]:
    """Time against size, for every preset that has three sizes or more; where none has, over all presets of a problem.

    Size is tokens times experts if both vary, otherwise what varies of tokens, experts and subcarriers. Failed jobs are
    left out, and so are infeasible instances.
    """
    timed = [
        j for j in judged if j.feasible and j.job.wall_s is not None and j.job.status != FAILED
    ]
    points = []
    for _, mine in sorted(grouped((j.job.problem, j) for j in timed).items()):
        panels = [
            (preset, _sized(several))
            for preset, several in sorted(grouped((j.job.preset, j) for j in mine).items())
        ]
        large = [panel for panel in panels if _num_sizes(panel[1]) >= FEWEST_SIZES]
        for preset, (size_is, sized) in large or [(ALL_PRESETS, _sized(mine))]:
            if _num_sizes((size_is, sized)) < FEWEST_SIZES:
                continue
            by_size = grouped(((j.job.problem, j.line, size), j) for size, j in sized)
            for (problem, line, size), at in sorted(by_size.items()):
                stopped = sum(map(_stopped, at))
                lower, median, upper = (
                    float(q) for q in np.percentile([_time(j) for j in at], (25, 50, 75))
                )
                points.append(
                    ScalingPoint(
                        problem, preset, line, size_is, size, len(at), stopped, median, lower, upper
                    )
                )
    return points


def _stopped(j: Judged) -> bool:
    limit = j.job.options.get("time_limit")
    return isinstance(limit, int | float) and _time(j) >= AT_LIMIT * limit


def _num_sizes(panel: tuple[str, list[tuple[int, Judged]]]) -> int:
    return len({size for size, _ in panel[1]})


def _sized(judged: Sequence[Judged]) -> tuple[str, list[tuple[int, Judged]]]:
    """What the size is, and the jobs with theirs."""
    sizes = {
        "tokens": [j.job.tokens for j in judged],
        "experts": [j.job.experts for j in judged],
        "subcarriers": [j.job.subcarriers for j in judged],
    }
    varied = [name for name, values in sizes.items() if len(set(values) - {None}) > 1]
    if varied[:2] == ["tokens", "experts"]:
        name = "tokens times experts"
        counts = [
            (t or 0) * (k or 0) for t, k in zip(sizes["tokens"], sizes["experts"], strict=True)
        ]
    else:
        name = (varied or ["tokens"])[0]
        counts = [value or 0 for value in sizes[name]]
    return name, [(count, j) for count, j in zip(counts, judged, strict=True) if count > 0]


def scaling_fits(points: Sequence[ScalingPoint]) -> list[ScalingFit]:
    """Exponents with half the width of their 95 % intervals (Student's t, sizes less two degrees of freedom)."""
    found = []
    for key, all_of_it in grouped(
        ((p.problem, p.preset, p.method, p.size_is), p) for p in points
    ).items():
        mine = [p for p in all_of_it if not p.censored]
        if len(mine) < FEWEST_SIZES:
            found.append(ScalingFit(*key, len(mine), None, None, None))
            continue
        fit = stats.linregress(np.log([p.size for p in mine]), np.log([p.median_s for p in mine]))
        width = float(stats.t.ppf(0.975, len(mine) - 2) * fit.stderr)
        found.append(
            ScalingFit(*key, len(mine), float(np.exp(fit.intercept)), float(fit.slope), width)
        )
    return found


@dataclass(frozen=True)
class Saving:
    """Energy that a method saves against Top-k on the same instance: mean share, and half its 95 % interval."""

    problem: str
    preset: str
    method: str
    instances: int
    saved: float
    saved_ci95: float | None


def savings(judged: Sequence[Judged]) -> list[Saving]:
    """Energy saved against `topk`, by preset, over the instances to which both have an answer; empty without `topk`."""
    answers = [(j, j.job.objective_j) for j in judged if j.job.objective_j is not None]
    topk = {(j.job.problem, j.instance): energy for j, energy in answers if j.job.method == "topk"}
    shares = grouped(
        ((j.job.problem, j.job.preset, j.line), 1.0 - energy / base)
        for j, energy in answers
        if j.job.method != "topk" and (base := topk.get((j.job.problem, j.instance), 0.0)) > 0.0
    )
    return [
        Saving(*key, len(values), float(np.mean(values)), half_width(np.array(values)))
        for key, values in sorted(shares.items())
    ]
