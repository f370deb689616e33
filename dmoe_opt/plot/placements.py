"""Energy of sending under several placements, from `dmoe-opt place`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from dmoe_opt.plot.styling import COLOURS, plain, png, tidy

if TYPE_CHECKING:
    from dmoe_opt.comparing.placement_rows import PlacementStudy


def of_placements(study: PlacementStudy, name: str) -> dict[str, bytes]:
    """`placements.png`: sending energy of every placement, seen and held out, and the bound."""
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    place = np.arange(len(study.rows))
    parts = [("sending_j", "rounds seen")]
    parts += [("held_out_sending_j", "rounds held out")] if study.held_out_tokens else []
    wide = 0.8 / len(parts)
    for k, (field, label) in enumerate(parts):
        heights = [1e3 * getattr(row, field) for row in study.rows]
        offset = (k - (len(parts) - 1) / 2) * wide
        axes.bar(place + offset, heights, wide, color=COLOURS[k], label=label)
    if study.bound_j is not None:
        best = next(row for row in study.rows if row.placement == study.method)
        without = " without replicas" if study.rows[-1].placement == "replicas" else ""
        bound_mj = 1e3 * (study.bound_j - (best.energy_j - best.sending_j))
        axes.axhline(bound_mj, color="black", ls="--", lw=1.0, label=f"bound{without}, rounds seen")
    axes.set_xticks(place, [row.placement for row in study.rows], rotation=20)
    axes.set_ylabel("energy of sending per token, mJ")
    axes.set_title(plain(name))
    figure.legend(frameon=False, loc="outside lower center", ncols=3)
    tidy(axes)
    return {"placements.png": png(figure)}
