"""Pictures for notebooks and talks, drawn on matplotlib axes; needs the extra `plot`.

Every function but `style` takes `axes` to draw on, makes a figure of pyplot without, and returns
the axes.
"""

from dmoe_opt.plot.offload import episode, gaps, shares
from dmoe_opt.plot.protocol import experts, front, layers
from dmoe_opt.plot.rounds import allocation, network
from dmoe_opt.plot.search import search_tree, trace
from dmoe_opt.plot.styling import style

__all__ = [
    "allocation",
    "episode",
    "experts",
    "front",
    "gaps",
    "layers",
    "network",
    "search_tree",
    "shares",
    "style",
    "trace",
]
