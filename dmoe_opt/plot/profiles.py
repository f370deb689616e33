"""Performance profiles of sweeps, drawn by perfprof (`pip install dmoe-opt[plot]`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import perfprof
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from dmoe_opt.answer.tolerances import OPTIMAL_GAP
from dmoe_opt.comparing.rows import grouped
from dmoe_opt.plot.panels import WIDTH_IN, handle, height_in, legend_beside
from dmoe_opt.plot.styling import png, styles, tidy
from dmoe_opt.sweep.judging import CLOCK_S
from dmoe_opt.sweep.profiles import ProfileRow, ProfileShare, profile_shares

LEAST_SPAN = 2.0
"""Least ratio of times at the right edge."""

MARGIN = 1.1
"""The right edge over the largest ratio."""


def of_profiles(rows: Sequence[ProfileRow]) -> dict[str, bytes]:
    """`profile-PROBLEM.png` for each problem: a panel for each level of gap.

    The share of instances solved against time over the time of the fastest method.
    """
    pictures = {}
    for problem, of_problem in grouped((row.problem, row) for row in rows).items():
        pictures[f"profile-{problem}.png"] = _profile(problem, of_problem)
    return pictures


def _profile(problem: str, rows: Sequence[ProfileRow]) -> bytes:
    looks = styles(row.method for row in rows)
    levels = grouped((row.within, row) for row in rows)
    size = WIDTH_IN, 0.5 + len(levels) * height_in(len(looks) + 1)
    right_edge = max(MARGIN * _largest_ratio(rows), LEAST_SPAN)
    with plt.ioff():  # perfprof draws with pyplot
        figure, panels = plt.subplots(
            len(levels), figsize=size, sharex=True, squeeze=False, layout="constrained"
        )
    try:
        for axes, level in zip(panels[:, 0], levels.values(), strict=True):
            _draw_profile(axes, level, looks, right_edge)
        panels[-1][0].set_xlabel(
            "time over that of the fastest method that solves the instance (logarithmic)"
        )
        count = len({row.instance for row in rows})
        figure.suptitle(
            f"{problem}, {count} instances; "
            "left edge: how often fastest, right edge: how often solved"
        )
        return png(figure)
    finally:
        plt.close(figure)


def _largest_ratio(rows: Sequence[ProfileRow]) -> float:
    return max((row.ratio for row in rows if row.ratio is not None), default=1.0)


def _draw_profile(
    axes: Axes, rows: Sequence[ProfileRow], looks: Mapping[str, dict[str, Any]], right_edge: float
) -> None:
    """One level of gap: a line for each method, and the shares solved in the legend."""
    _draw_lines(axes, rows, looks, right_edge)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:g}")
    axes.yaxis.set_major_formatter(lambda v, _: f"{100 * v:.0f}")
    axes.set(xlabel="", ylabel="instances solved, %", ylim=(0, 1.03), title=_title(rows[0].within))
    tidy(axes)
    best_first = sorted(profile_shares(rows), key=lambda share: (-share.solved, -share.fastest))
    handles = [handle(axes, looks[share.method], _entry(share)) for share in best_first]
    legend_beside(axes, handles, "solved")


def _draw_lines(
    axes: Axes, rows: Sequence[ProfileRow], looks: Mapping[str, dict[str, Any]], right_edge: float
) -> None:
    by_method = grouped((row.method, row) for row in rows)
    times = np.array([_times(of_method) for of_method in by_method.values()]).T
    plt.sca(axes)  # perfprof draws on the current axes
    line_specs = ["-"] * len(by_method)
    _, lines = perfprof.perfprof(times, line_specs, thmax=right_edge, lw=1.6, ms=5)
    for k, (method, parts) in enumerate(zip(by_method, lines, strict=True)):
        for part in parts or []:
            part.set(**looks[method], markevery=(0.03 + 0.02 * k, 0.22))


def _times(rows: Sequence[ProfileRow]) -> list[float]:
    """Times of one method, s; inf where it does not solve the instance."""
    times = []
    for row in rows:
        solved = row.ratio is not None
        times.append(max(row.wall_s or 0.0, CLOCK_S) if solved else np.inf)
    return times


def _title(within: float) -> str:
    if within == OPTIMAL_GAP:
        return "proved or met the optimum (gap ≤ 1e-6)"
    return f"within {100 * within:g} %"


def _entry(share: ProfileShare) -> str:
    """A line of the legend; it says so if a method has not run on all instances."""
    entry = f"{share.method}: {100 * share.solved:.3g} %"
    if share.run < share.instances:
        entry += f", run on {share.run}"
    return entry
