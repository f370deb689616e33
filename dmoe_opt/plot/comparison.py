"""Pictures of comparisons; needs matplotlib (`pip install dmoe-opt[plot]`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dmoe_opt.comparing.judged import MethodRow
from dmoe_opt.comparing.sheets import rounded
from dmoe_opt.plot.styling import plain, png, styles, tidy

ENTRY_IN = 1.25
"""Width of an entry of the legend, inches."""


def comparison(rows: Sequence[MethodRow]) -> dict[str, bytes]:
    """The figures of a comparison as PNG files by name: `energy_gap.png` and `time.png`.

    One instance has `energy.png` alone: a bar for each method, with energy, gap and time.
    """
    pictures = {}
    instances = list(dict.fromkeys(row.instance for row in rows))
    if len(instances) == 1:
        return {"energy.png": _bars(rows)}
    width = max(6.4, 0.55 * len(instances) + 3.0)
    figure = Figure(figsize=(width, 6.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    least = _least_energy(rows)
    _dots(
        above,
        rows,
        instances,
        lambda row: row.energy_j and row.energy_j / least[row.instance],
        "energy / least found",
    )
    _dots(
        below,
        rows,
        instances,
        lambda row: None if row.gap is None else 100 * row.gap,
        "gap to the best bound, %",
    )
    below.set_yscale("symlog", linthresh=1e-4)
    below.set_ylim(-3e-5, 160)
    below.set_yticks([0, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10, 100])
    below.yaxis.set_major_formatter(lambda v, _: f"{v:g}")
    _name_axis(below, instances)
    _legend(figure, above)
    pictures["energy_gap.png"] = png(figure)

    figure = Figure(figsize=(width, 4.2), layout="constrained")
    axes = figure.subplots()
    _dots(axes, rows, instances, _per_token_ms, "time per token, ms")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda v, _: f"{v:g}")
    _name_axis(axes, instances)
    _legend(figure, axes)
    pictures["time.png"] = png(figure)
    return pictures


def _bars(rows: Sequence[MethodRow]) -> bytes:
    """The energy of every method on one instance, and its gap and time beside the bar."""
    answers = [row for row in rows if row.energy_j is not None]
    figure = Figure(figsize=(7.2, 1.2 + 0.34 * max(len(answers), 1)), layout="constrained")
    axes = figure.subplots()
    looks = styles(row.method for row in rows)
    energies = [1e3 * (row.energy_j or 0.0) for row in answers]
    axes.barh(range(len(answers)), energies, color=[looks[r.method]["color"] for r in answers])
    for place, (row, energy_mj) in enumerate(zip(answers, energies, strict=True)):
        gap = "" if row.gap is None else f", gap {rounded(100 * row.gap, 3)} %"
        time = "" if row.wall_s is None else f", {rounded(1e3 * row.wall_s, 3)} ms"
        axes.text(energy_mj, place, f" {rounded(energy_mj, 3)} mJ{gap}{time}", va="center")
    axes.set_yticks(range(len(answers)), [plain(row.method) for row in answers])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.7 * max(energies, default=1.0) or 1.0)
    axes.set(xlabel="energy, mJ", title=plain(rows[0].instance) or "unnamed")
    tidy(axes, None)
    return png(figure)


def _least_energy(rows: Sequence[MethodRow]) -> dict[str, float]:
    least: dict[str, float] = {}
    for row in rows:
        if row.energy_j:
            least[row.instance] = min(least.get(row.instance, np.inf), row.energy_j)
    return least


def _per_token_ms(row: MethodRow) -> float | None:
    return None if row.wall_s is None or not row.tokens else 1e3 * row.wall_s / row.tokens


def _dots(
    axes: Axes,
    rows: Sequence[MethodRow],
    instances: list[str],
    value: Callable[[MethodRow], float | None],
    label: str,
) -> None:
    """A column of dots for each instance, with a colour and marker for each method.

    The methods of a column stand slightly apart, so that none hides another.
    """
    looks = styles(row.method for row in rows)
    for k, (name, look) in enumerate(looks.items()):
        points = [
            (instances.index(row.instance), v)
            for row in rows
            if row.method == name and (v := value(row)) is not None
        ]
        x = [i + 0.7 * ((k + 0.5) / len(looks) - 0.5) for i, _ in points]
        dots = look | {"ls": "none", "ms": 5, "alpha": 0.9}
        axes.plot(x, [v for _, v in points], label=plain(name), **dots)
    axes.set_ylabel(label)
    tidy(axes, "y")
    for edge in np.arange(len(instances) - 1) + 0.5:
        axes.axvline(edge, color="0.9", lw=0.8, zorder=0)


def _name_axis(axes: Axes, instances: list[str]) -> None:
    axes.set_xticks(
        range(len(instances)),
        [plain(name) or "unnamed" for name in instances],
        rotation=30,
        ha="right",
    )
    axes.set_xlim(-0.5, len(instances) - 0.5)


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
