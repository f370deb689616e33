"""Colours, markers and other habits that all pictures share."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from typing import Literal

from cycler import cycler
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dmoe_opt.layers.schedulers import OLD_NAMES

COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#999999",
)  # Okabe and Ito, colour-blind safe
MARKERS = "osD^vPX"


def style() -> None:
    """Set large letters, colours that everybody can tell apart and small pictures.

    The letters are readable at half size. It holds for the rest of the session.

    Examples
    --------
    >>> from matplotlib import pyplot as plt
    >>> from dmoe_opt import plot
    >>> plot.style()
    >>> plt.rcParams["font.size"]
    12.0
    """
    plt.rcParams.update(
        {"font.size": 12, "figure.dpi": 80, "axes.spines.top": False, "axes.spines.right": False}
    )
    plt.rcParams["axes.prop_cycle"] = cycler(color=COLOURS)


def todays_name(scheduler: str) -> str:
    """The name of a scheduler today; files may still hold an old one."""
    return OLD_NAMES.get(scheduler, scheduler)


def ranks(schedulers: Iterable[str]) -> dict[str, int]:
    """The place of each scheduler in order of appearance, which gives its colour and marker.

    The old and the new name of a scheduler have the same place.
    """
    names = list(dict.fromkeys(schedulers))
    today = list(dict.fromkeys(todays_name(name) for name in names))
    return {name: today.index(todays_name(name)) for name in names}


def tidy(axes: Axes, grid: Literal["both", "x", "y"] | None = "both") -> None:
    """A light grid, or none, and no frame above and on the right."""
    if grid:
        axes.grid(axis=grid, lw=0.5, alpha=0.5)
    axes.spines[["top", "right"]].set_visible(False)


def plain(name: str) -> str:
    """A name as text of a figure, where $ would begin a formula."""
    return name.replace("$", r"\$")


def png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # names in scripts that the font lacks
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        figure.savefig(buffer, format="png", dpi=150)
    return buffer.getvalue()
