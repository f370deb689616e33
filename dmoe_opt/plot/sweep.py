"""Gaps, times against size and savings of sweeps; needs the extra `plot`.

Every function returns PNG files by name, one for each problem.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from dmoe_opt.answer.tolerances import OPTIMAL_GAP
from dmoe_opt.comparing.rows import grouped
from dmoe_opt.plot.panels import WIDTH_IN, handle, height_in, legend_beside
from dmoe_opt.plot.styling import plain, png, styles, tidy
from dmoe_opt.sweep.analysis import GapRow, Saving
from dmoe_opt.sweep.scaling import ScalingFit, ScalingPoint

OPTIMAL_PERCENT = 100 * OPTIMAL_GAP
LEAST_EDGE = 1e-3
MOST_EDGE = 100.0
"""The right edge of gaps lies between these, %."""

APART = 0.06
"""Least distance of two labelled sizes, as a share of a log axis."""

FEW_DECADES = 100.0
"""Span of times below which a log axis has labels at 2 and 5 too; powers of ten are too few."""

SPREAD = 0.76
"""The share of a row over which the methods of a preset are spread."""

ENOUGH = 3
"""Instances from which an interval counts for the limits of the axis; two give a huge one."""


def of_gaps(rows: Sequence[GapRow]) -> dict[str, bytes]:
    """`gaps-PROBLEM.png`: the share of jobs whose gap is at most the value on the axis.

    The axis is linear up to the gap of an optimum, 1e-6.
    """
    pictures = {}
    for problem, of_problem in grouped((row.problem, row) for row in rows).items():
        pictures[f"gaps-{problem}.png"] = _gaps(problem, of_problem)
    return pictures


def _gaps(problem: str, rows: Sequence[GapRow]) -> bytes:
    looks = styles(row.method for row in rows)
    figure = Figure(figsize=(WIDTH_IN, height_in(len(looks)) + 0.8), layout="constrained")
    axes = figure.subplots()
    right_edge = min(max(2 * max(_gaps_percent(rows), default=0.0), LEAST_EDGE), MOST_EDGE)
    answered = {}
    by_method = grouped((row.method, row) for row in rows)
    for k, method in enumerate(sorted(by_method)):
        x, y = _cumulated(by_method[method], right_edge)
        answered[method] = y[-1]
        marks = 0.02 + 0.02 * k, 0.2
        axes.step(x, y, where="post", lw=1.6, ms=5, markevery=marks, clip_on=False, **looks[method])
    _gap_axes(axes, right_edge)
    most_first = sorted(answered, key=lambda name: (-answered[name], name))
    handles = [handle(axes, looks[name], f"{name}: {answered[name]:.3g} %") for name in most_first]
    legend_beside(axes, handles, "answered")
    axes.set_title(problem)
    return png(figure)


def _gaps_percent(rows: Sequence[GapRow]) -> list[float]:
    """Gaps of the jobs that have an answer, %."""
    return [100 * row.gap for row in rows if row.gap is not None]


def _cumulated(rows: Sequence[GapRow], right_edge: float) -> tuple[list[float], list[float]]:
    """Gaps, % ascending from 0 to the right edge, and the share of jobs up to each of them, %."""
    gaps, counts = np.unique(_gaps_percent(rows), return_counts=True)
    if not len(gaps):
        return [0.0, right_edge], [0.0, 0.0]
    shares = (100 * np.cumsum(counts) / len(rows)).tolist()
    optimal = shares[0] if gaps[0] == 0 else 0.0
    return [0.0, *gaps.tolist(), right_edge], [optimal, *shares, shares[-1]]


def _gap_axes(axes: Axes, right_edge: float) -> None:
    """Scales, labels, and a grey band where a gap counts as optimal."""
    axes.set_xscale("symlog", linthresh=OPTIMAL_PERCENT, linscale=0.8)
    powers = [10.0**exponent for exponent in range(-4, 3)]
    axes.set_xticks([0.0, *(power for power in powers if power <= right_edge)])
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:g}")
    axes.axvspan(0, OPTIMAL_PERCENT, color="0.92", zorder=0)
    axes.text(OPTIMAL_PERCENT / 2, 104, "optimal", ha="center", color="0.3")
    axes.set(
        xlim=(0, right_edge),
        ylim=(0, 103),
        xlabel="gap to the best bound proven on the instance, % (logarithmic)",
        ylabel="jobs with at most this gap, %",
    )
    tidy(axes)


def of_scaling(points: Sequence[ScalingPoint], fits: Sequence[ScalingFit]) -> dict[str, bytes]:
    """`scaling-PROBLEM.png`: time against size with the fitted powers, a panel for each preset.

    Points are medians, bars are quartiles.
    """
    fitted = {(fit.problem, fit.preset, fit.method): fit for fit in fits}
    pictures = {}
    for problem, of_problem in grouped((point.problem, point) for point in points).items():
        looks = styles(point.method for point in of_problem)
        presets = grouped((point.preset, point) for point in of_problem)
        size = WIDTH_IN, len(presets) * (height_in(len(looks) + 1) + 0.4)
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(len(presets), squeeze=False)[:, 0]
        for axes, of_preset in zip(panels, presets.values(), strict=True):
            _draw_scaling(axes, of_preset, fitted, looks)
        pictures[f"scaling-{problem}.png"] = png(figure)
    return pictures


def _draw_scaling(
    axes: Axes,
    points: Sequence[ScalingPoint],
    fitted: Mapping[tuple[str, str, str], ScalingFit],
    looks: Mapping[str, dict[str, Any]],
) -> None:
    """The panel of one preset: a curve for each method, and the exponents in the legend."""
    first = points[0]
    handles = []
    for method, curve in grouped((point.method, point) for point in points).items():
        fit = fitted[first.problem, first.preset, method]
        _draw_curve(axes, curve, looks[method], fit)
        handles.append(handle(axes, looks[method], f"{method}: {fit}"))
    title = f"{first.problem}, {plain(first.preset)}"
    if any(point.censored for point in points):
        title += "; hollow: stopped by the time limit"
    axes.set(xscale="log", yscale="log", title=title)
    axes.set(xlabel=f"{first.size_is} (logarithmic)", ylabel="time, s (logarithmic)")
    axes.set_xticks(_spaced(sorted({point.size for point in points})))
    axes.minorticks_off()
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:,.0f}")
    least_s, most_s = axes.get_ylim()
    if most_s < FEW_DECADES * least_s:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(lambda v, _: f"{v:g}")
    tidy(axes)
    legend_beside(axes, handles, "exponent")


def _spaced(sizes: list[int]) -> list[int]:
    """The sizes, of some in ascending order, whose labels do not touch on a log axis."""
    kept = sizes[:1]
    for size in sizes[1:]:
        if np.log(size / kept[-1]) >= APART * np.log(sizes[-1] / sizes[0]):
            kept.append(size)
    return kept


def _draw_curve(
    axes: Axes, curve: Sequence[ScalingPoint], look: dict[str, Any], fit: ScalingFit
) -> None:
    """Medians and quartiles of one method, hollow where censored, and the fitted power."""
    size = np.array([point.size for point in curve], dtype=float)
    median = np.array([point.median_s for point in curve])
    below = median - [point.lower_s for point in curve]
    above = np.array([point.upper_s for point in curve]) - median
    censored = np.array([point.censored for point in curve])
    colour = look["color"]
    axes.errorbar(size, median, yerr=[below, above], color=colour, ls="none", capsize=2, zorder=2)
    fill = np.where(censored, "white", colour).tolist()
    axes.scatter(size, median, marker=look["marker"], s=30, color=fill, edgecolors=colour, zorder=3)
    if fit.known and fit.exponent is not None and fit.factor_s is not None:
        fitted = size[~censored]
        axes.plot(fitted, fit.factor_s * fitted**fit.exponent, color=colour, ls=look["ls"], lw=1.2)


def of_savings(rows: Sequence[Saving]) -> dict[str, bytes]:
    """`savings-PROBLEM-BASELINE.png`: mean energy saved, by preset and method.

    Bars are 95 % confidence intervals.
    """
    pictures = {}
    for key, of_key in grouped(((row.problem, row.against), row) for row in rows).items():
        pictures[f"savings-{'-'.join(key)}.png"] = _savings(*key, of_key)
    return pictures


def _savings(problem: str, against: str, rows: Sequence[Saving]) -> bytes:
    looks = styles(sorted(row.method for row in rows))
    presets = list(dict.fromkeys(row.preset for row in rows))
    height = 1.2 + (0.25 + 0.11 * len(looks)) * len(presets)
    figure = Figure(figsize=(WIDTH_IN, max(height, height_in(len(looks)))), layout="constrained")
    axes = figure.subplots()
    for k, method in enumerate(looks):
        aside = SPREAD * ((k + 0.5) / len(looks) - 0.5)
        of_method = [row for row in rows if row.method == method]
        rows_at = [presets.index(row.preset) + aside for row in of_method]
        _draw_savings(axes, of_method, rows_at, looks[method])
    axes.axvline(0, color="0.2", lw=1.2)
    for edge in np.arange(len(presets) - 1) + 0.5:
        axes.axhline(edge, color="0.85", lw=0.8, zorder=0)
    axes.set_yticks(range(len(presets)), [plain(name) for name in presets])
    axes.set_ylim(len(presets) - 0.5, -0.5)
    axes.set_xlim(*_range(rows))
    axes.set(
        xlabel=f"energy saved against {against}, %", title=f"{problem}: means with 95 % intervals"
    )
    tidy(axes, "x")
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return png(figure)


def _draw_savings(
    axes: Axes, rows: Sequence[Saving], rows_at: Sequence[float], look: dict[str, Any]
) -> None:
    """Means of one method with their intervals, at these heights."""
    saved = [100 * row.saved for row in rows]
    bars = [100 * (row.saved_ci95 or 0.0) for row in rows]
    dots = look | {"ls": "none", "ms": 5, "capsize": 2, "lw": 1.2}
    axes.errorbar(saved, rows_at, xerr=bars, label=plain(rows[0].method), **dots)


def _range(rows: Sequence[Saving]) -> tuple[float, float]:
    """Limits in % that hold all means, and the intervals of three instances or more."""
    ends = [0.0]
    for row in rows:
        width = 0.0
        if row.saved_ci95 is not None and row.instances >= ENOUGH:
            width = row.saved_ci95
        ends += [100 * (row.saved - width), 100 * (row.saved + width)]
    margin = 0.04 * (max(ends) - min(ends)) + 0.1
    return min(ends) - margin, max(ends) + margin
