"""Lines of many methods, and legends beside a panel: what the pictures of sweeps share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from matplotlib.axes import Axes

from dmoe_opt.plot.styling import COLOURS, MARKERS, plain, todays_name

DASHES = ("-", "--", "-.", ":")
WIDTH_IN = 8.4
"""Width of a figure, inches."""


def styles(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Colour, dashes and marker by method or scheduler, in alphabetical order.

    Dashes and markers tell 28 of them apart where print is grey. The old name of a scheduler looks
    like the new one.
    """
    given = sorted(set(names))
    today = sorted({todays_name(name) for name in given})
    looks = {name: _style(k) for k, name in enumerate(today)}
    return {name: looks[todays_name(name)] for name in given}


def _style(k: int) -> dict[str, Any]:
    return {
        "color": COLOURS[k % len(COLOURS)],
        "ls": DASHES[k % len(DASHES)],
        "marker": MARKERS[(k + k // len(MARKERS)) % len(MARKERS)],
    }


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
