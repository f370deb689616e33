"""What all pictures have in common."""

from __future__ import annotations

import io
import warnings
from typing import Literal

from cycler import cycler
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
    """Letters readable at half size, colours that everybody can tell apart, small pictures: for the rest of the session.

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
        warnings.filterwarnings(
            "ignore", "Glyph", UserWarning
        )  # names in scripts that the font lacks
        figure.savefig(buffer, format="png", dpi=150)
    return buffer.getvalue()
