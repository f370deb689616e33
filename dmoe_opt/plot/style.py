"""What all pictures have in common."""

from __future__ import annotations

from matplotlib import pyplot as plt


def style() -> None:
    """Letters that are readable at half size and pictures of a few kilobytes, for the rest of the session."""
    plt.rcParams.update({"font.size": 12, "figure.dpi": 80, "axes.spines.top": False, "axes.spines.right": False})
