"""Pictures of comparisons; needs matplotlib (`pip install dmoe-opt[plot]`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dmoe_opt.comparing.judged import REFUSED, MethodRow
from dmoe_opt.comparing.sheets import gap_percent, rounded
from dmoe_opt.plot.styling import plain, png, styles, tidy

ENTRY_IN = 1.05
"""Width of an entry of the legend, inches."""


def comparison(rows: Sequence[MethodRow]) -> dict[str, bytes]:
    """The figures of a comparison as PNG files by name: `energy_gap.png` and `time.png`.

    One instance has `energy.png` alone: a bar for each method, with energy, gap and time. Among
    several, one that every method refuses does not pose the problem, and has no line.
    """
    posed = {row.instance for row in rows if row.status != REFUSED}
    rows = [row for row in rows if row.instance in posed] or rows
    instances = list(dict.fromkeys(row.instance for row in rows))
    if len(instances) == 1:
        return {"energy.png": _bars(rows)}
    return {
        "energy_gap.png": _dots(
            rows, instances, _gap_percent, "gap to the best bound, % (logarithmic)", "symlog"
        ),
        "time.png": _dots(
            rows, instances, _per_token_ms, "time per token, ms (logarithmic)", "log"
        ),
    }


def _bars(rows: Sequence[MethodRow]) -> bytes:
    """The energy of every method on one instance, and its gap and time beside the bar."""
    answers = [row for row in rows if row.energy_j is not None]
    figure = Figure(figsize=(7.2, 1.2 + 0.34 * max(len(answers), 1)), layout="constrained")
    axes = figure.subplots()
    looks = styles(row.method for row in rows)
    energies = [1e3 * (row.energy_j or 0.0) for row in answers]
    axes.barh(range(len(answers)), energies, color=[looks[r.method]["color"] for r in answers])
    for place, (row, energy_mj) in enumerate(zip(answers, energies, strict=True)):
        gap = "" if row.gap is None else f", gap {gap_percent(row.gap)} %"
        time = "" if row.wall_s is None else f", {rounded(1e3 * row.wall_s, 3)} ms"
        axes.text(energy_mj, place, f" {rounded(energy_mj, 3)} mJ{gap}{time}", va="center")
    axes.set_yticks(range(len(answers)), [plain(row.method) for row in answers])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.7 * max(energies, default=1.0) or 1.0)
    axes.set(xlabel="energy, mJ", title=plain(rows[0].instance) or "unnamed")
    tidy(axes, None)
    return png(figure)


def _gap_percent(row: MethodRow) -> float | None:
    return None if row.gap is None else 100 * max(row.gap, 0.0)


def _per_token_ms(row: MethodRow) -> float | None:
    return None if row.wall_s is None or not row.tokens else 1e3 * row.wall_s / row.tokens


def _dots(
    rows: Sequence[MethodRow],
    instances: list[str],
    value: Callable[[MethodRow], float | None],
    label: str,
    scale: str,
) -> bytes:
    """A line of dots for each instance, with a colour and marker for each method.

    The methods of a line stand slightly apart, so that none hides another.
    """
    looks = styles(row.method for row in rows)
    figure = Figure(figsize=(7.6, 1.3 + 0.36 * len(instances)), layout="constrained")
    axes = figure.subplots()
    for k, (name, look) in enumerate(looks.items()):
        points = [
            (v, instances.index(row.instance))
            for row in rows
            if row.method == name and (v := value(row)) is not None
        ]
        y = [i + 0.7 * ((k + 0.5) / len(looks) - 0.5) for _, i in points]
        dots = look | {"ls": "none", "ms": 4.5, "alpha": 0.9}
        axes.plot([v for v, _ in points], y, label=plain(name), **dots)
    _scale(axes, scale)
    axes.set_xlabel(label)
    axes.set_yticks(range(len(instances)), [plain(name) or "unnamed" for name in instances])
    axes.set_ylim(len(instances) - 0.5, -0.5)
    tidy(axes, "x")
    for edge in np.arange(len(instances) - 1) + 0.5:
        axes.axhline(edge, color="0.9", lw=0.8, zorder=0)
    _legend(figure, axes)
    return png(figure)


def _scale(axes: Axes, scale: str) -> None:
    """A logarithmic axis, or one that is linear below 0.01 % so that it has a place for 0."""
    if scale == "log":
        axes.set_xscale("log")
    else:
        axes.set_xscale("symlog", linthresh=1e-2)
        axes.set_xlim(-2e-3, 130)
        axes.set_xticks([0, 1e-2, 1e-1, 1, 10, 100])
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:g}")


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside upper center",
        ncols=min(len(labels), int(figure.get_figwidth() / ENTRY_IN)),
        frameon=False,
        columnspacing=1.2,
        handletextpad=0.2,
    )
