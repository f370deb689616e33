"""Pictures of protocol runs and frontiers; needs matplotlib (`pip install dmoe-opt[plot]`)."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from dmoe_opt.comparing.schedulers import FrontierPoint
from dmoe_opt.layers.protocol import Run
from dmoe_opt.plot import protocol
from dmoe_opt.plot.protocol import energy_uj, half_widths, worth_label
from dmoe_opt.plot.styling import COLOURS, MARKERS, png, tidy


def of_run(run: Run) -> dict[str, bytes]:
    """`energy_per_layer.png`, energy per token and layer, and `experts.png`, who is chosen where."""
    energies, chosen = (
        Figure(figsize=size, layout="constrained")
        for size in (protocol.LAYERS_IN, protocol.experts_in(run))
    )
    protocol.layers(run, axes=energies.subplots())
    protocol.experts(run, axes=chosen.subplots())
    return {"energy_per_layer.png": png(energies), "experts.png": png(chosen)}


def of_frontier(points: Sequence[FrontierPoint], preset: str) -> dict[str, bytes]:
    """`accuracy_energy.png`, every setting and the fronts, and `gamma0.png`, energy and accuracy against gamma0.

    Without a task the relevance reached stands for accuracy.
    """
    figure = Figure(figsize=protocol.FRONT_IN, layout="constrained")
    protocol.front(points, axes=figure.subplots()).set_title(
        f"{preset}: lines join the front of each scheduler"
    )
    pictures = {"accuracy_energy.png": png(figure)}

    tuned = [p for p in points if p.scheduler == "joint"] or [
        p for p in points if p.scheduler not in ("topk", "dense")
    ]
    if tuned:
        figure = Figure(figsize=(8.4, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        for k, (z, most) in enumerate(sorted({(p.z, p.max_experts) for p in tuned})):
            curve = sorted(
                (p for p in tuned if (p.z, p.max_experts) == (z, most)), key=lambda p: p.gamma0
            )
            style = {
                "color": COLOURS[k % len(COLOURS)],
                "marker": MARKERS[k % len(MARKERS)],
                "capsize": 2,
                "ms": 5,
                "lw": 1.2,
            }
            gamma = [p.gamma0 for p in curve]
            energy_ci, worth_ci = half_widths(curve)
            left.errorbar(gamma, energy_uj(curve), yerr=energy_ci, **style)
            right.errorbar(
                gamma,
                [100 * p.worth for p in curve],
                yerr=worth_ci,
                label=f"z = {z:g}, D = {most}",
                **style,
            )
        left.set(xlabel="importance base γ₀", ylabel="energy per token, µJ")
        right.set(xlabel="importance base γ₀", ylabel=worth_label(points))
        for axes in (left, right):
            tidy(axes)
        figure.legend(
            *right.get_legend_handles_labels(), loc="outside upper center", ncols=5, frameon=False
        )
        pictures["gamma0.png"] = png(figure)
    return pictures
