"""Energy saved against the share of the gate weight that is kept, from `dmoe-opt savings`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from dmoe_opt.plot.styling import COLOURS, MARKERS, plain, png, tidy

if TYPE_CHECKING:
    from dmoe_opt.comparing.savings import SavingPoint

LINES = (("saved", "from Top-k"), ("saved_from_topp", "from Top-p"))


def of_savings(points: Sequence[SavingPoint], name: str) -> dict[str, bytes]:
    """`savings.png`: energy saved from Top-k and from Top-p against the share, with intervals."""
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    for k, (field, label) in enumerate(LINES):
        known = [point for point in points if getattr(point, field) is not None]
        share = [point.share for point in known]
        saved = [getattr(point, field) for point in known]
        half = [getattr(point, f"{field}_ci95") or 0.0 for point in known]
        low = [s - h for s, h in zip(saved, half, strict=True)]
        high = [s + h for s, h in zip(saved, half, strict=True)]
        axes.fill_between(share, low, high, color=COLOURS[k], alpha=0.2, lw=0)
        axes.plot(share, saved, color=COLOURS[k], marker=MARKERS[k], ms=5, label=label)
    axes.axhline(0.0, color="black", lw=0.8)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlabel("wanted share of the gate weight of the best D experts")
    axes.set_ylabel("energy saved")
    axes.set_title(plain(name))
    axes.legend(frameon=False)
    tidy(axes)
    return {"savings.png": png(figure)}
