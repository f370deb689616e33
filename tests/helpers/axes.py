"""Axes to draw on that are never shown."""

from __future__ import annotations

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

mpl.use("Agg")


def canvas() -> Axes:
    return Figure().subplots()
