"""Legends beside a panel: what the pictures of sweeps share."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes

from dmoe_opt.plot.styling import plain

WIDTH_IN = 8.4
"""Width of a figure, inches."""


def height_in(lines: int) -> float:
    """Height of a panel with a legend of so many lines beside it, inches."""
    return max(3.0, 0.6 + 0.23 * lines)


def handle(axes: Axes, style: dict[str, Any], label: str) -> Any:
    """An entry of a legend."""
    return axes.plot([], [], ms=5, lw=1.6, label=plain(label), **style)[0]


def legend_beside(axes: Axes, handles: list[Any], title: str) -> None:
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
