"""Runs of the protocol over layers, and accuracy against energy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from dmoe_opt.plot.styling import COLOURS, MARKERS, tidy

if TYPE_CHECKING:
    from dmoe_opt.comparing.schedulers import FrontierPoint
    from dmoe_opt.layers.protocol import Run

FRONT_IN = 7.2, 4.6
LAYERS_IN = 6.4, 3.6
"""Width and height of figures, inches."""


def front(points: Sequence[FrontierPoint], *, axes: Axes | None = None) -> Axes:
    """Accuracy in % against energy per token in µJ: every setting, a line through the front of each scheduler.

    Settings off the front are pale. Bars are 95 % confidence intervals. Without a task the relevance reached stands for
    accuracy.
    """
    if axes is None:
        _, axes = plt.subplots(figsize=FRONT_IN, layout="constrained")
    for k, name in enumerate(dict.fromkeys(p.scheduler for p in points)):
        mine = [p for p in points if p.scheduler == name]
        best = [p for p in mine if p.front]
        colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
        axes.plot(
            energy_uj(mine),
            [100 * p.worth for p in mine],
            marker,
            color=colour,
            ms=4,
            alpha=0.35,
            ls="none",
        )
        xerr, yerr = half_widths(best)
        axes.errorbar(
            energy_uj(best), [100 * p.worth for p in best], xerr=xerr, yerr=yerr,
            color=colour, marker=marker, ms=6, mfc=colour if k < 2 else "none", lw=1.2, capsize=2, label=name,
        )  # fmt: skip
    if not all(p.front for p in points):
        axes.plot(
            [], [], "o", color="0.4", ms=4, alpha=0.35, ls="none", label="pale: off the front"
        )
    accuracy_energy(axes, points)
    axes.legend(frameon=False)
    return axes


def layers(run: Run, *, axes: Axes | None = None) -> Axes:
    """Energy per token of every layer in µJ, what communication and computation take of it stacked."""
    if axes is None:
        _, axes = plt.subplots(figsize=LAYERS_IN, layout="constrained")
    numbers = [bill.layer for bill in run.layers]
    below = np.zeros(len(numbers))
    for colour, field, label in (
        (COLOURS[0], "communication_j", "communication"),
        (COLOURS[1], "computation_j", "computation"),
    ):
        energy = np.array([1e6 * getattr(bill, field) / bill.tokens for bill in run.layers])
        axes.bar(numbers, energy, bottom=below, color=colour, label=label)
        below = below + energy
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="layer", ylabel="energy per token, µJ", title=f"{run.preset}, {run.scheduler}")
    axes.legend(frameon=False)
    tidy(axes, None)
    return axes


def experts(run: Run, *, axes: Axes | None = None) -> Axes:
    """What share of the tokens uses each expert in each layer, %."""
    share = np.array([[100 * count / bill.tokens for count in bill.chosen] for bill in run.layers])
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
    """Width and height that the use of experts needs, inches."""
    return 1.6 + 0.55 * len(run.layers[0].chosen), 1.6 + 0.3 * max(len(run.layers), 4)


def accuracy_energy(axes: Axes, points: Sequence[FrontierPoint]) -> None:
    """Axes of accuracy, or of relevance where the points have no task, against energy per token on a log scale."""
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:g}")
    axes.xaxis.set_minor_formatter(lambda v, _: f"{v:g}" if f"{v:.0e}"[0] in "235" else "")
    axes.set(xlabel="energy per token, µJ", ylabel=worth_label(points))
    tidy(axes)


def energy_uj(points: Sequence[FrontierPoint]) -> list[float]:
    """Energy per token, µJ."""
    return [1e6 * p.energy_per_token_j for p in points]


def half_widths(points: Sequence[FrontierPoint]) -> tuple[list[float], list[float]]:
    """Of the intervals of energy, µJ, and of accuracy, %; 0 where they are not known."""
    return [1e6 * (p.energy_ci95_j or 0.0) for p in points], [
        100 * (p.accuracy_ci95 or 0.0) for p in points
    ]


def worth_label(points: Sequence[FrontierPoint]) -> str:
    """What energy buys at these points, with its unit."""
    return "mean relevance reached, %" if points[0].accuracy is None else "accuracy, %"
