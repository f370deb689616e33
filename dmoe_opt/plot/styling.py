"""What all pictures have in common."""

from __future__ import annotations

from cycler import cycler
from matplotlib import pyplot as plt

from dmoe_opt.plot.comparison import COLOURS


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
    plt.rcParams.update({"font.size": 12, "figure.dpi": 80, "axes.spines.top": False, "axes.spines.right": False})
    plt.rcParams["axes.prop_cycle"] = cycler(color=COLOURS)
