"""Pictures of protocol runs and frontiers; needs matplotlib (`pip install dmoe-opt[plot]`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dmoe_opt.figures import COLOURS, MARKERS, png, tidy
from dmoe_opt.frontier import Point
from dmoe_opt.protocol import Run


def of_run(run: Run) -> dict[str, bytes]:
    """`energy_per_layer.png`, energy per token and layer, and `experts.png`, who is chosen where."""
    layers = np.array([bill.layer for bill in run.layers])
    tokens = np.array([bill.tokens for bill in run.layers])
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    below = np.zeros(len(layers))
    for colour, field, label in (
        (COLOURS[0], "communication_j", "communication"),
        (COLOURS[1], "computation_j", "computation"),
    ):
        energy = 1e6 * np.array([getattr(bill, field) for bill in run.layers]) / tokens
        axes.bar(layers, energy, bottom=below, color=colour, label=label)
        below = below + energy
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="layer", ylabel="energy per token, µJ", title=f"{run.preset}, {run.scheduler}")
    axes.legend(frameon=False)
    tidy(axes, None)
    pictures = {"energy_per_layer.png": png(figure)}

    share = 100 * np.array([bill.chosen for bill in run.layers]) / tokens[:, None]
    figure = Figure(figsize=(1.6 + 0.55 * share.shape[1], 1.6 + 0.3 * max(len(layers), 4)), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(
        share, cmap="cividis", vmin=0, aspect="auto", extent=(-0.5, share.shape[1] - 0.5, layers[-1] + 0.5, 0.5)
    )
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xticks(range(share.shape[1]))
    axes.set(xlabel="expert", ylabel="layer", title=f"{run.preset}, {run.scheduler}")
    figure.colorbar(image, ax=axes, label="tokens that use it, %")
    pictures["experts.png"] = png(figure)
    return pictures


def of_frontier(points: Sequence[Point], preset: str) -> dict[str, bytes]:
    """`accuracy_energy.png`, every setting and the fronts, and `gamma0.png`, energy and accuracy against gamma0.

    Without a task the relevance reached stands for accuracy.
    """
    pictures = {}
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    axes = figure.subplots()
    for k, name in enumerate(dict.fromkeys(p.scheduler for p in points)):
        mine = [p for p in points if p.scheduler == name]
        front = [p for p in mine if p.front]
        colour, marker = COLOURS[k % len(COLOURS)], MARKERS[k % len(MARKERS)]
        axes.plot(_energy(mine), [100 * p.worth for p in mine], marker, color=colour, ms=4, alpha=0.35, ls="none")
        axes.errorbar(
            _energy(front), [100 * p.worth for p in front], xerr=[1e6 * p.energy_ci95_j for p in front],
            yerr=[100 * (p.accuracy_ci95 or 0.0) for p in front],
            color=colour, marker=marker, ms=6, mfc=colour if k < 2 else "none", lw=1.2, capsize=2, label=name,
        )  # fmt: skip
    accuracy_energy(axes, points)
    axes.set_title(f"{preset}: lines join the front of each scheduler")
    axes.legend(frameon=False)
    pictures["accuracy_energy.png"] = png(figure)

    tuned = [p for p in points if p.scheduler == "jesa"] or [p for p in points if p.scheduler not in ("topk", "dense")]
    if tuned:
        figure = Figure(figsize=(8.4, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        for k, (z, most) in enumerate(sorted({(p.z, p.max_experts) for p in tuned})):
            curve = sorted((p for p in tuned if (p.z, p.max_experts) == (z, most)), key=lambda p: p.gamma0)
            style = {"color": COLOURS[k % len(COLOURS)], "marker": MARKERS[k % len(MARKERS)], "capsize": 2, "ms": 5, "lw": 1.2}
            gamma = [p.gamma0 for p in curve]
            left.errorbar(gamma, _energy(curve), yerr=[1e6 * p.energy_ci95_j for p in curve], **style)
            ci = [100 * (p.accuracy_ci95 or 0.0) for p in curve]
            right.errorbar(gamma, [100 * p.worth for p in curve], yerr=ci, label=f"z = {z:g}, D = {most}", **style)
        left.set(xlabel="importance base γ₀", ylabel="energy per token, µJ")
        right.set(xlabel="importance base γ₀", ylabel=_label(points))
        for axes in (left, right):
            tidy(axes)
        figure.legend(*right.get_legend_handles_labels(), loc="outside upper center", ncols=5, frameon=False)
        pictures["gamma0.png"] = png(figure)
    return pictures


def accuracy_energy(axes: Axes, points: Sequence[Point]) -> None:
    """Axes of accuracy, or of relevance where the points have no task, against energy per token on a log scale."""
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:g}")
    axes.xaxis.set_minor_formatter(lambda v, _: f"{v:g}" if f"{v:.0e}"[0] in "235" else "")
    axes.set(xlabel="energy per token, µJ", ylabel=_label(points))
    tidy(axes)


def _energy(points: Sequence[Point]) -> list[float]:
    return [1e6 * p.energy_per_token_j for p in points]


def _label(points: Sequence[Point]) -> str:
    return "mean relevance reached, %" if points[0].accuracy is None else "accuracy, %"
