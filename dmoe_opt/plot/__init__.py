"""Pictures for notebooks and talks, drawn on matplotlib axes; needs the extra `plot`.

Every function takes `axes` to draw on, makes a figure of pyplot without, and returns the axes.
"""

from dmoe_opt.plot.rounds import allocation, network
from dmoe_opt.plot.style import style

__all__ = ["allocation", "network", "style"]
