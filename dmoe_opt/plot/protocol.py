"""Runs of the protocol over layers, and accuracy against energy.

The functions `of_...` return PNG files by name for the command line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dmoe_opt.layers.schedulers import DEFAULT
from dmoe_opt.plot.styling import COLOURS, plain, png, styles, tidy, todays_name

if TYPE_CHECKING:
    from dmoe_opt.comparing.schedulers import FrontierPoint
    from dmoe_opt.layers.protocol import Run

FRONT_IN = 7.2, 4.6
LAYERS_IN = 6.4, 3.6
"""Width and height of figures, inches."""

PARTS = ("communication", "computation", "waking", "dropping")
"""What the energy of a layer is spent on, from the bottom of its bar."""

UNTUNED = ("topk", "dense")
"""Schedulers that do not depend on gamma0."""

FILLED = 2
"""Schedulers with full markers; the markers of others are hollow, so that they hide nothing."""

THICKEST, THINNER = 2.6, 0.82
"""Line of the first scheduler, and of each later one next to the one before: where schedulers
agree, their lines lie on each other, and all are seen."""


def front(points: Sequence[FrontierPoint], *, axes: Axes | None = None) -> Axes:
    """Accuracy in % against energy per token in µJ, with a line through each scheduler's front.

    Settings off the front are pale. Bars are 95 % confidence intervals. Without a task the
    relevance reached stands for accuracy.
    """
    if axes is None:
        _, axes = plt.subplots(figsize=FRONT_IN, layout="constrained")
    looks = styles(point.scheduler for point in points)
    for place, (scheduler, look) in enumerate(looks.items()):
        settings = [point for point in points if point.scheduler == scheduler]
        _draw_front(axes, settings, look, filled=place < FILLED, size=THICKEST * THINNER**place)
    if not all(point.front for point in points):
        _pale_dots(axes, [], [], "o", "0.4", label="pale: off the front")
    accuracy_energy(axes, points)
    axes.legend(frameon=False)
    return axes


def _draw_front(
    axes: Axes,
    settings: Sequence[FrontierPoint],
    look: dict[str, Any],
    *,
    filled: bool,
    size: float,
) -> None:
    """All settings of one scheduler as pale dots, its front as a line with bars."""
    colour, marker = look["color"], look["marker"]
    _pale_dots(axes, energy_uj(settings), worth_percent(settings), marker, colour)
    best = [point for point in settings if point.front]
    energy_bars, worth_bars = half_widths(best)
    axes.errorbar(
        energy_uj(best),
        worth_percent(best),
        xerr=energy_bars,
        yerr=worth_bars,
        color=colour,
        marker=marker,
        ms=4.5 + 1.7 * size,
        mfc=colour if filled else "none",
        lw=size,
        elinewidth=1.0,
        capsize=2,
        label=plain(settings[0].scheduler),
    )


def _pale_dots(
    axes: Axes,
    energy: Sequence[float],
    worth: Sequence[float],
    marker: str,
    colour: str,
    label: str | None = None,
) -> None:
    axes.plot(energy, worth, marker, color=colour, ms=4, alpha=0.35, ls="none", label=label)


def layers(run: Run, *, axes: Axes | None = None) -> Axes:
    """Energy per token of every layer in µJ, stacked: communication, computation, and so on."""
    if axes is None:
        _, axes = plt.subplots(figsize=LAYERS_IN, layout="constrained")
    numbers = [bill.layer for bill in run.layers]
    tokens = np.array([bill.tokens for bill in run.layers])
    below = np.zeros(len(numbers))
    for colour, part in zip(COLOURS, PARTS, strict=False):
        energy = 1e6 * np.array([getattr(bill, f"{part}_j") for bill in run.layers]) / tokens
        if part in PARTS[:2] or energy.any():
            axes.bar(numbers, energy, bottom=below, color=colour, label=part)
        below = below + energy
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="layer", ylabel="energy per token, µJ", title=f"{run.preset}, {run.scheduler}")
    axes.legend(frameon=False)
    tidy(axes, None)
    return axes


def experts(run: Run, *, axes: Axes | None = None) -> Axes:
    """The share of tokens that use each expert in each layer, %."""
    share = np.array([100 * np.array(bill.chosen) / bill.tokens for bill in run.layers])
    if axes is None:
        _, axes = plt.subplots(figsize=experts_in(run), layout="constrained")
    extent = -0.5, share.shape[1] - 0.5, len(share) + 0.5, 0.5
    image = axes.imshow(share, cmap="cividis", vmin=0, aspect="auto", extent=extent)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xticks(range(share.shape[1]))
    axes.set(xlabel="expert", ylabel="layer", title=f"{run.preset}, {run.scheduler}")
    axes.figure.colorbar(image, ax=axes, label="tokens that use it, %")
    return axes


def experts_in(run: Run) -> tuple[float, float]:
    """Width and height of the picture of experts, inches."""
    return 1.6 + 0.55 * len(run.layers[0].chosen), 1.6 + 0.3 * max(len(run.layers), 4)


def of_run(run: Run) -> dict[str, bytes]:
    """`energy_per_layer.png`, energy per token and layer, and `experts.png`, who is chosen.

    With a deadline also `air_per_layer.png`, the time on air of each layer beside its deadline.
    """
    energies = Figure(figsize=LAYERS_IN, layout="constrained")
    layers(run, axes=energies.subplots())
    chosen = Figure(figsize=experts_in(run), layout="constrained")
    experts(run, axes=chosen.subplots())
    pictures = {"energy_per_layer.png": png(energies), "experts.png": png(chosen)}
    if run.air_deadline_s is not None:
        pictures["air_per_layer.png"] = _air(run)
    return pictures


def _air(run: Run) -> bytes:
    """Time on air of the slowest link of each layer, ms, and the deadline as a line over it."""
    figure = Figure(figsize=LAYERS_IN, layout="constrained")
    axes = figure.subplots()
    for on_time, colour, label in ((True, COLOURS[0], "kept"), (False, COLOURS[5], "missed")):
        bills = [bill for bill in run.layers if bill.on_time is on_time]
        if bills:
            air = [1e3 * bill.air_s for bill in bills]
            axes.bar([bill.layer for bill in bills], air, color=colour, label=label)
    numbers = np.array([bill.layer for bill in run.layers])
    deadlines = 1e3 * np.array(run.air_deadline_s)
    axes.hlines(deadlines, numbers - 0.5, numbers + 0.5, color="black", label="deadline")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    title = f"{run.preset}, {run.scheduler}"
    axes.set(xlabel="layer", ylabel="slowest link on air, ms", title=title)
    axes.legend(frameon=False)
    tidy(axes, None)
    return png(figure)


def of_frontier(points: Sequence[FrontierPoint], preset: str) -> dict[str, bytes]:
    """`accuracy_energy.png`: every setting and the fronts; `gamma0.png`: the effect of gamma0.

    Without a task the relevance reached stands for accuracy. There is no `gamma0.png` if no
    scheduler depends on gamma0.
    """
    figure = Figure(figsize=FRONT_IN, layout="constrained")
    axes = front(points, axes=figure.subplots())
    axes.set_title(f"{preset}: lines join the front of each scheduler")
    pictures = {"accuracy_energy.png": png(figure)}
    tuned = _tuned(points)
    if tuned:
        pictures["gamma0.png"] = _gamma0(tuned)
    return pictures


def _tuned(points: Sequence[FrontierPoint]) -> list[FrontierPoint]:
    """The settings whose gamma0 is drawn: of the joint scheduler, or else of all that have one."""
    joint = [point for point in points if todays_name(point.scheduler) == DEFAULT]
    return joint or [point for point in points if point.scheduler not in UNTUNED]


def _gamma0(points: Sequence[FrontierPoint]) -> bytes:
    """Energy and accuracy against gamma0, a line for each threshold z and each D."""
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    curves = sorted({(point.z, point.max_experts) for point in points})
    looks = styles(f"z = {z:g}, D = {most}" for z, most in curves)
    for (z, most), (label, look) in zip(curves, looks.items(), strict=True):
        curve = [point for point in points if (point.z, point.max_experts) == (z, most)]
        curve.sort(key=lambda point: point.gamma0)
        gamma0 = [point.gamma0 for point in curve]
        energy_bars, worth_bars = half_widths(curve)
        style = look | {"ls": "-", "capsize": 2, "ms": 5, "lw": 1.2, "label": label}
        left.errorbar(gamma0, energy_uj(curve), yerr=energy_bars, **style)
        right.errorbar(gamma0, worth_percent(curve), yerr=worth_bars, **style)
    left.set(xlabel="importance base γ₀", ylabel="energy per token, µJ")
    right.set(xlabel="importance base γ₀", ylabel=worth_label(points))
    tidy(left)
    tidy(right)
    handles = right.get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=5, frameon=False)
    return png(figure)


def accuracy_energy(axes: Axes, points: Sequence[FrontierPoint]) -> None:
    """Axes of accuracy against energy per token on a log scale.

    Where the points have no task, relevance stands for accuracy.
    """
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:g}")
    axes.xaxis.set_minor_formatter(lambda v, _: f"{v:g}" if f"{v:.0e}"[0] in "235" else "")
    axes.set(xlabel="energy per token, µJ (logarithmic)", ylabel=worth_label(points))
    tidy(axes)


def energy_uj(points: Sequence[FrontierPoint]) -> list[float]:
    """Energy per token, µJ."""
    return [1e6 * point.energy_per_token_j for point in points]


def worth_percent(points: Sequence[FrontierPoint]) -> list[float]:
    """Accuracy, or relevance without a task, %."""
    return [100 * point.worth for point in points]


def half_widths(points: Sequence[FrontierPoint]) -> tuple[list[float], list[float]]:
    """Half widths of the intervals of energy, µJ, and of accuracy, %; 0 where not known."""
    energy = [1e6 * (point.energy_ci95_j or 0.0) for point in points]
    worth = [100 * (point.accuracy_ci95 or 0.0) for point in points]
    return energy, worth


def worth_label(points: Sequence[FrontierPoint]) -> str:
    """The label of the axis of accuracy, or of relevance without a task, with its unit."""
    return "mean relevance reached, %" if points[0].accuracy is None else "accuracy, %"
