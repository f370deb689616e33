"""Energy against an optional rule, with the proven bound as a band; needs the extra `plot`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from dmoe_opt.comparing.rows import grouped
from dmoe_opt.data.words import counted
from dmoe_opt.plot.panels import handle
from dmoe_opt.plot.styling import png, styles, tidy
from dmoe_opt.sweep.rule_fronts import RulePoint, served_bound_j

AXES = {
    "air_deadline_s": ("deadline on air, ms", 1e3),
    "capacity": ("capacity of every expert, tokens", 1.0),
    "wake_energy": ("energy to wake an expert, mJ", 1e3),
    "drop_price": ("price of a dropped token, mJ", 1e3),
}
"""Label and scale of the horizontal axis, by rule."""
STEPS = 200  # of the curve of a bound
WIDTH_IN, PANEL_IN, LINE_IN = 6.4, 3.4, 0.25


def of_rule_fronts(points: Sequence[RulePoint]) -> dict[str, bytes]:
    """`front-PROBLEM-RULE.png`: the least energy for every value of the rule, a line per setting.

    The band reaches from the bound to the answer; where it is too thin to see, the answer is
    proven. Over `drop_price` a second panel has the energy of served tokens against the number of
    dropped ones; nothing can lie below its band.
    """
    pictures = {}
    by_figure = grouped(((point.problem, point.rule), point) for point in points)
    for (problem, rule), of_figure in by_figure.items():
        pictures[f"front-{problem}-{rule}.png"] = _figure(problem, rule, of_figure)
    return pictures


def _figure(problem: str, rule: str, points: Sequence[RulePoint]) -> bytes:
    by_setting = grouped((point.setting, point) for point in points)
    looks = {setting: look | {"ls": "-"} for setting, look in styles(by_setting).items()}
    panels = 2 if rule == "drop_price" else 1
    height = panels * PANEL_IN + LINE_IN * (len(looks) + 1)
    figure = Figure(figsize=(WIDTH_IN, height), layout="constrained")
    first, *others = figure.subplots(panels, squeeze=False)[:, 0]
    handles = [Patch(color="0.8", label=f"{problem}: from the proven bound to the best answer")]
    for setting, of_setting in by_setting.items():
        front(of_setting, axes=first, look=looks[setting])
        seeds = of_setting[0].seeds
        rounds = f"{'mean of ' if seeds > 1 else ''}{counted(seeds, 'round')}"
        handles.append(handle(first, looks[setting], f"{setting}, {rounds}"))
        for axes in others:
            _dropping(axes, of_setting, looks[setting])
    figure.legend(handles=handles, loc="outside upper left", frameon=False)
    return png(figure)


def front(points: Sequence[RulePoint], *, axes: Axes, look: dict[str, Any] | None = None) -> Axes:
    """The points of one setting: energy in mJ against the value of the rule, with the band."""
    look = look or {"color": "C0", "marker": "o"}
    label, scale = AXES[points[0].rule]
    value = [scale * point.value for point in points]
    energy_mj = [1e3 * point.energy_j for point in points]
    bound_mj = [1e3 * point.bound_j for point in points]
    axes.fill_between(value, bound_mj, energy_mj, color=look["color"], alpha=0.25, lw=0)
    axes.plot(value, energy_mj, lw=1.6, ms=5, **look)
    axes.set(xlabel=label, ylabel="energy of a round, mJ")
    tidy(axes)
    return axes


def _dropping(axes: Axes, points: Sequence[RulePoint], look: dict[str, Any]) -> None:
    """Energy of served tokens in mJ against dropped tokens; below the curve nothing is possible."""
    dropped = np.array([point.dropped or 0.0 for point in points])
    served_mj = np.array([1e3 * point.served_j for point in points])
    order = np.lexsort((served_mj, dropped))
    numbers = np.linspace(dropped.min(), dropped.max(), STEPS)
    least_mj = [1e3 * served_bound_j(points, number) for number in numbers]
    curve = np.interp(numbers, dropped[order], served_mj[order])
    axes.fill_between(numbers, least_mj, curve, color=look["color"], alpha=0.25, lw=0)
    axes.plot(dropped[order], served_mj[order], lw=1.6, ms=5, **look)
    axes.set(xlabel="dropped tokens", ylabel="energy of served tokens, mJ")
    tidy(axes)
