"""Growth of time with size in a sweep: medians for each size, and the power law through them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from dmoe_opt.comparing.rows import grouped
from dmoe_opt.sweep.journal import FAILED
from dmoe_opt.sweep.judging import Judged

FEWEST_SIZES = 3
ALL_PRESETS = "all presets"
AT_LIMIT = 0.95
"""A job that took this share of its option `time_limit` counts as stopped by it."""


@dataclass(frozen=True)
class ScalingPoint:
    """Median and quartiles of the time, s, over the jobs of a method at one size.

    `size_is` says what is counted. `stopped` jobs ended at their time limit; `censored` says that
    at least half did, so that the median is a lower bound.
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
    """The power law time = `factor_s` size^`exponent`, by least squares on logarithms of medians.

    Sizes at which half the jobs or more ended at their time limit do not count. With fewer than
    three `sizes` there is no fit, and the numbers are None.
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


@dataclass(frozen=True)
class _Panel:
    """Jobs of one problem whose times can be compared by size; `size_is` says what is counted."""

    preset: str
    size_is: str
    sizes: list[int]
    jobs: list[Judged]

    @property
    def large(self) -> bool:
        """Whether there are enough sizes for a fit."""
        return len(set(self.sizes)) >= FEWEST_SIZES


def scaling_points(judged: Sequence[Judged]) -> list[ScalingPoint]:
    """Time against size for every preset that has three sizes or more.

    Where no preset of a problem has them, all presets together count. Size is tokens times experts
    if both vary, otherwise the one of tokens, experts and subcarriers that varies. Failed jobs and
    infeasible instances are left out.
    """
    timed = [j for j in judged if j.feasible and j.job.wall_s is not None]
    answered = [j for j in timed if j.job.status != FAILED]
    points = []
    for _, of_problem in sorted(grouped((j.job.problem, j) for j in answered).items()):
        for panel in _panels(of_problem):
            points += _points(panel)
    return points


def _panels(judged: Sequence[Judged]) -> list[_Panel]:
    """The panels of a problem that are large enough: one for each preset, or one for all."""
    by_preset = sorted(grouped((j.job.preset, j) for j in judged).items())
    panels = [_panel(preset, jobs) for preset, jobs in by_preset]
    large = [panel for panel in panels if panel.large]
    if large:
        return large
    together = _panel(ALL_PRESETS, judged)
    return [together] if together.large else []


def _panel(preset: str, judged: Sequence[Judged]) -> _Panel:
    """The jobs with their sizes, without jobs of unknown size."""
    varied = [name for name, size_of in SIZES.items() if len(set(map(size_of, judged)) - {0}) > 1]
    size_is = varied[0] if varied else "tokens"
    size_of = SIZES[size_is]
    if varied[:2] == ["tokens", "experts"]:
        size_is, size_of = "tokens times experts", _tokens_times_experts
    known = [j for j in judged if size_of(j) > 0]
    return _Panel(preset, size_is, [size_of(j) for j in known], known)


def _tokens_times_experts(judged: Judged) -> int:
    return SIZES["tokens"](judged) * SIZES["experts"](judged)


SIZES: dict[str, Callable[[Judged], int]] = {
    "tokens": lambda judged: judged.job.tokens or 0,
    "experts": lambda judged: judged.job.experts or 0,
    "subcarriers": lambda judged: judged.job.subcarriers or 0,
}


def _points(panel: _Panel) -> list[ScalingPoint]:
    """Quartiles of the times of every line at every size."""
    sized = zip(panel.sizes, panel.jobs, strict=True)
    by_size = grouped(((j.job.problem, j.line, size), j) for size, j in sized)
    points = []
    for (problem, line, size), jobs in sorted(by_size.items()):
        times = [j.wall_s for j in jobs]
        lower_s, median_s, upper_s = (float(q) for q in np.percentile(times, (25, 50, 75)))
        points.append(
            ScalingPoint(
                problem=problem,
                preset=panel.preset,
                method=line,
                size_is=panel.size_is,
                size=size,
                jobs=len(jobs),
                stopped=sum(map(_stopped, jobs)),
                median_s=median_s,
                lower_s=lower_s,
                upper_s=upper_s,
            )
        )
    return points


def _stopped(judged: Judged) -> bool:
    """Whether the job ended by its time limit."""
    limit = judged.job.options.get("time_limit")
    return isinstance(limit, int | float) and judged.wall_s >= AT_LIMIT * limit


def scaling_fits(points: Sequence[ScalingPoint]) -> list[ScalingFit]:
    """Exponents with half the width of their 95 % intervals.

    The interval is that of Student's t with two degrees of freedom less than there are sizes.
    """
    by_method = grouped(((p.problem, p.preset, p.method, p.size_is), p) for p in points)
    return [_fit(key, [p for p in of_key if not p.censored]) for key, of_key in by_method.items()]


def _fit(key: tuple[str, str, str, str], points: Sequence[ScalingPoint]) -> ScalingFit:
    if len(points) < FEWEST_SIZES:
        return ScalingFit(*key, len(points), None, None, None)
    size, median_s = [p.size for p in points], [p.median_s for p in points]
    x, y = np.log(size), np.log(median_s)
    x_from_mean = x - x.mean()
    exponent = float(x_from_mean @ y / (x_from_mean @ x_from_mean))
    intercept = y.mean() - exponent * x.mean()
    freedom = len(points) - 2
    error = y - intercept - exponent * x
    deviation = np.sqrt(error @ error / freedom / (x_from_mean @ x_from_mean))
    width = float(stdtrit(freedom, 0.975) * deviation)
    return ScalingFit(*key, len(points), float(np.exp(intercept)), exponent, width)
