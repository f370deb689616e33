"""Pictures of sweeps; needs matplotlib and perfprof (`pip install dmoe-opt[plot]`).

Every function returns PNG files by name, a file a problem.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import perfprof
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dmoe_opt.answer.tolerances import OPTIMAL_GAP
from dmoe_opt.comparing.rows import grouped
from dmoe_opt.plot.protocol import accuracy_energy, energy_uj
from dmoe_opt.plot.styling import COLOURS, MARKERS, plain, png, tidy
from dmoe_opt.sweep.analysis import GapRow, Saving
from dmoe_opt.sweep.judging import CLOCK_S
from dmoe_opt.sweep.profiles import ProfileRow, profile_shares
from dmoe_opt.sweep.scaling import ScalingFit, ScalingPoint

if TYPE_CHECKING:
    from dmoe_opt.comparing.schedulers import FrontierPoint

DASHES = ("-", "--", "-.", ":")
WIDTH_IN = 8.4
LEAST_SPAN = 2.0
APART = 0.06


def _styles(methods: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Colour, dashes and marker by method; dashes and markers tell 28 methods apart where print is grey."""
    return {
        name: {
            "color": COLOURS[k % len(COLOURS)],
            "ls": DASHES[k % len(DASHES)],
            "marker": MARKERS[(k + k // len(MARKERS)) % len(MARKERS)],
        }
        for k, name in enumerate(sorted(set(methods)))
    }


def _high(lines: int) -> float:
    """Inches of a panel that has a legend of so many lines beside it."""
    return max(3.0, 0.6 + 0.23 * lines)


def _beside(axes: Axes, handles: list[Any], title: str | None = None) -> None:
    """A legend on the right of the axes, where it hides nothing."""
    legend = axes.legend(
        handles=handles,
        title=title,
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        frameon=False,
        handlelength=3.2,
    )
    legend.set_alignment("left")


def _handle(axes: Axes, style: dict[str, Any], label: str) -> Any:
    return axes.plot([], [], ms=5, lw=1.6, label=plain(label), **style)[0]


def of_profiles(rows: Sequence[ProfileRow]) -> dict[str, bytes]:
    """`profile-PROBLEM.png`: share of instances solved against time over that of the fastest method, two levels of gap."""
    return {
        f"profile-{problem}.png": _profile(problem, mine)
        for problem, mine in grouped((r.problem, r) for r in rows).items()
    }


def _profile(problem: str, rows: Sequence[ProfileRow]) -> bytes:
    styles = _styles(r.method for r in rows)
    most = max([r.ratio for r in rows if r.ratio is not None], default=1.0)
    levels = grouped((r.within, r) for r in rows)
    size = WIDTH_IN, 0.5 + len(levels) * _high(len(styles) + 1)
    with plt.ioff():  # perfprof draws with pyplot
        figure, panels = plt.subplots(
            len(levels), figsize=size, sharex=True, squeeze=False, layout="constrained"
        )
    try:
        for axes, mine in zip(panels[:, 0], levels.values(), strict=True):
            _draw_profile(axes, mine, styles, max(1.1 * most, LEAST_SPAN))
        panels[-1][0].set_xlabel("time over that of the fastest method that solves the instance")
        num = len({r.instance for r in rows})
        figure.suptitle(
            f"{problem}, {num} instances; left edge: how often fastest, right edge: how often solved"
        )
        return png(figure)
    finally:
        plt.close(figure)


def _draw_profile(
    axes: Axes, rows: Sequence[ProfileRow], styles: dict[str, dict[str, Any]], most: float
) -> None:
    """One level of gap, the lines by perfprof, in the legend the shares solved."""
    by_method = grouped((r.method, r) for r in rows)
    times = [
        [np.inf if r.ratio is None else max(r.wall_s or 0.0, CLOCK_S) for r in mine]
        for mine in by_method.values()
    ]
    plt.sca(axes)
    _, lines = perfprof.perfprof(np.array(times).T, ["-"] * len(times), thmax=most, lw=1.6, ms=5)
    for k, (method, line) in enumerate(zip(by_method, lines, strict=True)):
        for part in line or []:
            part.set(**styles[method], markevery=(0.03 + 0.02 * k, 0.22))
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:g}")
    axes.yaxis.set_major_formatter(lambda v, _: f"{100 * v:.0f}")
    title = (
        "proved or met the optimum (gap ≤ 1e-6)"
        if rows[0].within == OPTIMAL_GAP
        else f"within {100 * rows[0].within:g} %"
    )
    axes.set(xlabel="", ylabel="instances solved, %", ylim=(0, 1.03), title=title)
    tidy(axes)
    handles = []
    for share in sorted(profile_shares(rows), key=lambda s: (-s.solved, -s.fastest)):
        run = "" if share.run == share.instances else f", run on {share.run}"
        handles.append(
            _handle(axes, styles[share.method], f"{share.method}: {100 * share.solved:.3g} %{run}")
        )
    _beside(axes, handles, "solved")


def of_gaps(rows: Sequence[GapRow]) -> dict[str, bytes]:
    """`gaps-PROBLEM.png`: share of jobs whose gap is at most what the axis says; the axis is linear up to 1e-6."""
    pictures = {}
    for problem, mine in grouped((r.problem, r) for r in rows).items():
        styles = _styles(r.method for r in mine)
        figure = Figure(figsize=(WIDTH_IN, _high(len(styles)) + 0.8), layout="constrained")
        axes = figure.subplots()
        most = max([200 * r.gap for r in mine if r.gap is not None], default=0.0)
        most = min(max(most, 1e-3), 100.0)
        ends = {}
        for k, (method, several) in enumerate(sorted(grouped((r.method, r) for r in mine).items())):
            gaps, counts = np.unique(
                [100 * r.gap for r in several if r.gap is not None], return_counts=True
            )
            shares = 100 * np.cumsum(counts) / len(several)
            ends[method] = float(shares[-1]) if len(gaps) else 0.0
            below = shares[0] if len(gaps) and gaps[0] == 0 else 0.0
            x, y = [0.0, *gaps, most], [below, *shares, ends[method]]
            axes.step(
                x,
                y,
                where="post",
                lw=1.6,
                ms=5,
                markevery=(0.02 + 0.02 * k, 0.2),
                clip_on=False,
                **styles[method],
            )
        axes.set_xscale("symlog", linthresh=100 * OPTIMAL_GAP, linscale=0.8)
        axes.set_xticks([0.0, *(10.0**e for e in range(-4, 3) if 10.0**e <= most)])
        axes.xaxis.set_major_formatter(lambda v, _: f"{v:g}")
        axes.axvspan(0, 100 * OPTIMAL_GAP, color="0.92", zorder=0)
        axes.text(0.5e-4, 104, "optimal", ha="center", color="0.3")
        axes.set(xlim=(0, most), ylim=(0, 103))
        axes.set(
            xlabel="gap to the best bound proven on the instance, %",
            ylabel="jobs with at most this gap, %",
        )
        tidy(axes)
        order = sorted(ends, key=lambda name: (-ends[name], name))
        _beside(
            axes,
            [_handle(axes, styles[name], f"{name}: {ends[name]:.3g} %") for name in order],
            "answered",
        )
        axes.set_title(problem)
        pictures[f"gaps-{problem}.png"] = png(figure)
    return pictures


def of_scaling(points: Sequence[ScalingPoint], fits: Sequence[ScalingFit]) -> dict[str, bytes]:
    """`scaling-PROBLEM.png`: median time and quartiles against size, with the fitted powers, a panel a preset."""
    pictures = {}
    fitted = {(f.problem, f.preset, f.method): f for f in fits}
    for problem, mine in grouped((p.problem, p) for p in points).items():
        styles = _styles(p.method for p in mine)
        panels = grouped((p.preset, p) for p in mine)
        size = WIDTH_IN, len(panels) * (_high(len(styles) + 1) + 0.4)
        figure = Figure(figsize=size, layout="constrained")
        for axes, (preset, several) in zip(
            figure.subplots(len(panels), squeeze=False)[:, 0], panels.items(), strict=True
        ):
            handles = []
            for method, curve in grouped((p.method, p) for p in several).items():
                handles.append(
                    _draw_curve(axes, curve, styles[method], fitted[problem, preset, method])
                )
            title = f"{problem}, {plain(preset)}" + (
                "; hollow: stopped by the time limit" if any(p.censored for p in several) else ""
            )
            axes.set(
                xscale="log", yscale="log", xlabel=several[0].size_is, ylabel="time, s", title=title
            )
            axes.set_xticks(_spaced(sorted({p.size for p in several})))
            axes.minorticks_off()
            axes.xaxis.set_major_formatter(lambda v, _: f"{v:,.0f}")
            tidy(axes)
            _beside(axes, handles, "exponent")
        pictures[f"scaling-{problem}.png"] = png(figure)
    return pictures


def _spaced(sizes: list[int]) -> list[int]:
    """Those of ascending sizes whose labels do not touch on a log axis."""
    kept = sizes[:1]
    for size in sizes[1:]:
        if np.log(size / kept[-1]) >= APART * np.log(sizes[-1] / sizes[0]):
            kept.append(size)
    return kept


def _draw_curve(
    axes: Axes, curve: Sequence[ScalingPoint], style: dict[str, Any], fit: ScalingFit
) -> Any:
    size = np.array([p.size for p in curve], dtype=float)
    median = np.array([p.median_s for p in curve])
    bars = np.array(
        [[p.median_s - p.lower_s for p in curve], [p.upper_s - p.median_s for p in curve]]
    )
    fill = np.where([p.censored for p in curve], "white", style["color"])
    axes.errorbar(size, median, yerr=bars, color=style["color"], ls="none", capsize=2, zorder=2)
    axes.scatter(
        size,
        median,
        marker=style["marker"],
        s=30,
        color=fill.tolist(),
        edgecolors=style["color"],
        zorder=3,
    )
    label = f"{fit.method}: {fit}"
    if fit.known and fit.exponent is not None and fit.factor_s is not None:
        size = size[[not p.censored for p in curve]]
        axes.plot(
            size, fit.factor_s * size**fit.exponent, color=style["color"], ls=style["ls"], lw=1.2
        )
    return _handle(axes, style, label)


def of_savings(rows: Sequence[Saving]) -> dict[str, bytes]:
    """`savings-PROBLEM.png`: mean energy saved against Top-k by preset and method, with 95 % confidence intervals."""
    pictures = {}
    for problem, mine in grouped((r.problem, r) for r in rows).items():
        styles = _styles(r.method for r in mine)
        presets = list(dict.fromkeys(r.preset for r in mine))
        high = 1.2 + (0.25 + 0.11 * len(styles)) * len(presets)
        figure = Figure(figsize=(WIDTH_IN, max(high, _high(len(styles)))), layout="constrained")
        axes = figure.subplots()
        for k, method in enumerate(styles):
            several = [r for r in mine if r.method == method]
            y = [presets.index(r.preset) + 0.76 * ((k + 0.5) / len(styles) - 0.5) for r in several]
            style = styles[method] | {"ls": "none"}
            width = [100 * (r.saved_ci95 or 0.0) for r in several]
            axes.errorbar(
                [100 * r.saved for r in several],
                y,
                xerr=width,
                ms=5,
                capsize=2,
                lw=1.2,
                label=plain(method),
                **style,
            )
        axes.axvline(0, color="0.2", lw=1.2)
        for edge in np.arange(len(presets) - 1) + 0.5:
            axes.axhline(edge, color="0.85", lw=0.8, zorder=0)
        axes.set_yticks(range(len(presets)), [plain(name) for name in presets])
        axes.set_ylim(len(presets) - 0.5, -0.5)
        axes.set_xlim(*_range(mine))
        axes.set(
            xlabel="energy saved against Top-k, %", title=f"{problem}: means with 95 % intervals"
        )
        tidy(axes, "x")
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
        pictures[f"savings-{problem}.png"] = png(figure)
    return pictures


def _range(rows: Sequence[Saving]) -> tuple[float, float]:
    """Limits in % that hold all means and the intervals of three instances or more; those of two would hide the others."""
    ends = [0.0]
    for r in rows:
        width = (r.saved_ci95 or 0.0) if r.instances > 2 else 0.0
        ends += [100 * (r.saved - width), 100 * (r.saved + width)]
    margin = 0.04 * (max(ends) - min(ends)) + 0.1
    return min(ends) - margin, max(ends) + margin


def of_fronts(points: Sequence[FrontierPoint], reference: tuple[float, float]) -> dict[str, bytes]:
    """`fronts.png`: accuracy against energy per token, stairs along the settings on the front of every scheduler.

    `points` are marked by `fronts.with_fronts`; `reference` is the point up to which areas count, in J and a share.
    """
    figure = Figure(figsize=(7.2, 4.8), layout="constrained")
    axes = figure.subplots()
    styles = _styles(p.scheduler for p in points)
    for k, (scheduler, mine) in enumerate(grouped((p.scheduler, p) for p in points).items()):
        style = styles[scheduler]
        front = [p for p in mine if p.front]
        rest = [p for p in mine if not p.front]
        dots = {
            "color": style["color"],
            "marker": style["marker"],
            "ls": "none",
            "ms": 4,
            "alpha": 0.3,
        }
        axes.plot(energy_uj(rest), [100 * p.worth for p in rest], **dots)
        x, y = energy_uj(front), [100 * p.worth for p in front]
        axes.step(
            x,
            y,
            where="post",
            ms=max(10 - k, 4),
            lw=max(2.6 - 0.3 * k, 1),
            mfc="none",
            label=plain(scheduler),
            **style,
        )
    axes.plot(1e6 * reference[0], 100 * reference[1], "k+", ms=10, mew=1.6, label="reference point")
    accuracy_energy(axes, points)
    axes.set_title("settings on the front, pale: dominated by the same scheduler")
    axes.legend(frameon=False, handlelength=3.2)
    return {"fronts.png": png(figure)}
