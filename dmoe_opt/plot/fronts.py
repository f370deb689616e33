"""Accuracy-energy fronts as stairs, from the points of `dmoe-opt frontier`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dmoe_opt.comparing.rows import grouped
from dmoe_opt.plot.protocol import accuracy_energy, energy_uj, worth_percent
from dmoe_opt.plot.styling import plain, png, styles

if TYPE_CHECKING:
    from dmoe_opt.comparing.schedulers import FrontierPoint


def of_fronts(points: Sequence[FrontierPoint], reference: tuple[float, float]) -> dict[str, bytes]:
    """`fronts.png`: accuracy against energy per token, stairs along every scheduler's front.

    Parameters
    ----------
    points
        Settings whose fronts are marked by `comparing.fronts.with_fronts`.
    reference
        The point up to which areas count: energy per token, J, and accuracy in [0, 1].
    """
    figure = Figure(figsize=(7.2, 4.8), layout="constrained")
    axes = figure.subplots()
    looks = styles(point.scheduler for point in points)
    by_scheduler = grouped((point.scheduler, point) for point in points)
    for k, (scheduler, settings) in enumerate(by_scheduler.items()):
        _draw_stairs(axes, scheduler, settings, looks[scheduler], k)
    energy_j, worth = reference
    axes.plot(1e6 * energy_j, 100 * worth, "k+", ms=10, mew=1.6, label="reference point")
    accuracy_energy(axes, points)
    axes.set_title("settings on the front, pale: dominated by the same scheduler")
    axes.legend(frameon=False, handlelength=3.2)
    return {"fronts.png": png(figure)}


def _draw_stairs(
    axes: Axes, scheduler: str, settings: Sequence[FrontierPoint], look: dict[str, Any], k: int
) -> None:
    """Stairs along the front and pale dots off it.

    Later schedulers are drawn thinner and smaller, so that equal fronts show both.
    """
    front = [point for point in settings if point.front]
    dominated = [point for point in settings if not point.front]
    pale = look | {"ls": "none", "ms": 4, "alpha": 0.3}
    axes.plot(energy_uj(dominated), worth_percent(dominated), **pale)
    axes.step(
        energy_uj(front),
        worth_percent(front),
        where="post",
        ms=max(10 - k, 4),
        lw=max(2.6 - 0.3 * k, 1),
        mfc="none",
        label=plain(scheduler),
        **look,
    )
