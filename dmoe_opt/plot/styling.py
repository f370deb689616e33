"""Colours, markers and other habits that all pictures share."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from cycler import cycler
from matplotlib import colormaps
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from PIL import Image

from dmoe_opt.colours import OKABE_ITO
from dmoe_opt.layers.schedulers import OLD_NAMES

COLOURS = (*OKABE_ITO, "#999999")
MARKERS = "osD^vPX<>h"
DASHES = ("-", "--", "-.", ":")
DPI = 150

COLOUR_OF = {
    "joint": "#0072B2",
    "homogeneous": "#E69F00",
    "des": "#009E73",
    "topk": "#CC79A7",
    "topp": "#D55E00",
    "relaxed": "#56B4E9",
    "dense": "#999999",
    "bcd": "#332288",
    "lagrangian": "#117733",
    "wlr": "#AA4499",
    "cvxpy": "#661100",
    "exhaustive": "#882255",
    "exact": "#000000",
    "assignment": "#7CC900",
    "networkx": "#44D0B0",
    "activation": "#E6007E",
    "pyomo": "#999933",
    "greedy": "#9966FF",
}
"""The one table of the colours of schedulers and methods, all different. The place in the table
gives marker and dashes; schedulers, and the methods of a problem, differ in their markers."""

SPARE_COLOURS = (*COLOURS, "#332288", "#117733", "#E6007E", "#999933", "#661100", "#9966FF")
"""For lines that the table does not know, as far as their figure does not use them yet."""


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


def styles(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Colour, dashes and marker of the lines of one figure, by name in order of appearance.

    A scheduler or method has the same colour in all figures, from `COLOUR_OF`; other lines get
    colours that are left. The old name of a scheduler looks like the new one. Dashes and markers
    tell the lines apart where print is grey.

    Examples
    --------
    >>> from dmoe_opt.plot.styling import styles
    >>> styles(["topp", "mine"])["topp"] == styles(["joint", "topp"])["topp"]
    True
    """
    given = list(dict.fromkeys(names))
    others = list(dict.fromkeys(todays_name(name) for name in given))
    known = [name for name in COLOUR_OF if name in others]
    others = [name for name in others if name not in COLOUR_OF]
    spare = _spare_colours({COLOUR_OF[name] for name in known}, len(others))
    colours = COLOUR_OF | dict(zip(others, spare, strict=True))
    looks = {}
    for k, (name, colour) in enumerate(colours.items()):
        looks[name] = {
            "color": colour,
            "ls": DASHES[k % len(DASHES)],
            "marker": MARKERS[k % len(MARKERS)],
        }
    return {name: looks[todays_name(name)] for name in given}


def _spare_colours(taken: set[str], count: int) -> list[str]:
    """So many colours that are not taken; beyond the hand-picked ones, along a rainbow."""
    left = [colour for colour in SPARE_COLOURS if colour not in taken]
    if count <= len(left):
        return left[:count]
    return [to_hex(colour) for colour in colormaps["turbo"](np.linspace(0.03, 0.97, count))]


def tidy(axes: Axes, grid: Literal["both", "x", "y"] | None = "both") -> None:
    """A light grid, or none, and no frame above and on the right."""
    if grid:
        axes.grid(axis=grid, lw=0.5, alpha=0.5)
    axes.spines[["top", "right"]].set_visible(False)


def plain(name: str) -> str:
    """A name as text of a figure, where $ would begin a formula."""
    return name.replace("$", r"\$")


def png(figure: Figure) -> bytes:
    """The figure as a file: PNG, or the `savefig.format` that matplotlib is set to."""
    is_png = plt.rcParams["savefig.format"] == "png"
    options: dict[str, Any] = {"pil_kwargs": {"compress_level": 0}} if is_png else {}
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # names in scripts that the font lacks
        warnings.filterwarnings("ignore", "Glyph", UserWarning)
        figure.savefig(buffer, dpi=DPI, **options)
    return _opaque(buffer) if is_png else buffer.getvalue()


def _opaque(picture: io.BytesIO) -> bytes:
    """A PNG without transparency, which takes a tenth less room."""
    smaller = io.BytesIO()
    with Image.open(picture) as image:
        image.convert("RGB").save(smaller, "png", dpi=(DPI, DPI))
    return smaller.getvalue()
