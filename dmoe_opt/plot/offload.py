"""Episodes of edge offloading, and what share of the optimum policies earn.

Importing the offloading package brings gymnasium along, so it is left to those who have an episode to draw.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from dmoe_opt.plot.styling import COLOURS, plain, tidy

if TYPE_CHECKING:
    from dmoe_opt.comparing.policies import OffloadComparison, PolicyRow
    from dmoe_opt.offload.episode import Episode
    from dmoe_opt.offload.scenario import Array, Whole

HATCHES = ("", "", "////", "....")
"""The first two colours differ in grey, the next do not."""


def episode(episode: Episode, choice: Whole, *, axes: Axes | None = None) -> Axes:
    """Who occupies which slot of which expert when, and which subtasks are lost; time in s, `choice` of shape (N,).

    The device has no slots, its rows keep apart what it does at the same time. A figure of its own has a legend of the
    types; on others `figure.legend(*axes.get_legend_handles_labels())` places it.
    """
    from dmoe_opt.offload.simulate import LOST

    scenario = episode.scenario
    slots, top = _bands(episode, choice)
    if axes is None:
        figure, axes = plt.subplots(figsize=episode_in(episode, choice), layout="constrained")
    else:
        figure = None
    for kind, name in enumerate(scenario.types.name):
        axes.broken_barh([], (0, 1), label=plain(name), **_look(kind))
    bars: dict[tuple[int, float], list[tuple[float, float]]] = {}
    for e, count in enumerate(slots):
        free_at = np.zeros(max(count, 1))
        for n in np.flatnonzero(choice == e):
            slot = int(np.argmax(free_at <= episode.arrival_s[n]))
            free_at[slot] = episode.finish_s[n, e]
            bars.setdefault((int(episode.type[n]), float(top[e] + slot)), []).append(
                (float(episode.arrival_s[n]), float(episode.duration_s[n, e]))
            )
        if e < scenario.num_experts:
            axes.axhspan(top[e], top[e] + count, color="0.95", zorder=0)
    for (kind, y), spans in bars.items():
        axes.broken_barh(spans, (y + 0.05, 0.9), **_look(kind))
    lost = choice == LOST
    axes.plot(episode.arrival_s[lost], np.full(lost.sum(), top[-1] + 0.5), "x", color="black", ms=5)
    ticks = [b + c / 2 for b, c in zip(top, slots, strict=False)]
    names = [*(f"expert {e}" for e in range(scenario.num_experts)), "device\n(no slots)", "lost"]
    axes.set_yticks([*ticks, top[-1] + 0.5], names)
    axes.set_ylim(top[-1] + 1.2, -0.4)
    axes.set_xlim(left=0)
    axes.set_xlabel("time, s")
    tidy(axes, None)
    if figure is not None:
        figure.legend(
            *axes.get_legend_handles_labels(), loc="outside upper right", ncols=6, frameon=False
        )
    return axes


def _look(kind: int) -> dict[str, Any]:
    """Colour and hatching of a type."""
    return {
        "facecolor": COLOURS[kind % len(COLOURS)],
        "hatch": HATCHES[kind % len(HATCHES)],
        "edgecolor": "white",
        "lw": 0.4,
    }


def episode_in(episode: Episode, choice: Whole) -> tuple[float, float]:
    """Width and height that an episode needs, inches."""
    return 9.0, min(1.6 + 0.16 * _bands(episode, choice)[1][-1], 14.0)


def _bands(episode: Episode, choice: Whole) -> tuple[list[int], Array]:
    """Rows of each expert and of the device, (E + 1), and where on the axis they begin and the lost do, (E + 2)."""
    mine = np.flatnonzero(choice == episode.scenario.num_experts)
    begin, end = episode.arrival_s[mine], episode.finish_s[mine, -1]
    at_once = int(max(((begin <= now) & (end > now)).sum() for now in begin)) if len(mine) else 1
    rows = [*episode.scenario.experts.capacity.tolist(), at_once]
    return rows, np.append(0.0, np.cumsum(np.array(rows) + 0.8))


def shares(comparison: OffloadComparison, *, axes: Axes | None = None) -> Axes:
    """What share of the clairvoyant optimum each policy earns, %, with 95 % confidence intervals."""
    from dmoe_opt.offload.policies import SAC

    rows = _with_share(comparison)
    if axes is None:
        _, axes = plt.subplots(figsize=shares_in(comparison), layout="constrained")
    share = 100 * np.array([row.optimum_share for row in rows])
    error = 100 * np.array([row.optimum_share_ci95 or 0.0 for row in rows])
    axes.barh(
        range(len(rows)),
        share,
        xerr=error,
        color=[COLOURS[5 if r.policy == SAC else 0] for r in rows],
        capsize=3,
    )
    axes.axvline(100, color="0.2", lw=1.2)
    axes.text(
        100,
        1.01,
        "optimum",
        ha="center",
        va="bottom",
        fontsize=9,
        transform=axes.get_xaxis_transform(),
    )
    for k, (value, width) in enumerate(zip(share, error, strict=True)):
        inside = value > 20
        x = 1.5 if inside else max(value + width, 0) + 1.5
        axes.text(
            x, k, f"{value:.1f}", va="center", fontsize=9, color="white" if inside else "black"
        )
    axes.set_yticks(range(len(rows)), [row.policy for row in rows])
    axes.invert_yaxis()
    axes.set_xlim(min(0.0, float((share - error).min(initial=0)) * 1.1), 104)
    axes.set(
        xlabel="share of the clairvoyant optimum, %",
        title=f"{plain(comparison.scenario)}, {comparison.episodes} held-out episodes",
    )
    tidy(axes, None)
    return axes


def shares_in(comparison: OffloadComparison) -> tuple[float, float]:
    """Width and height that the shares need, inches."""
    return 6.4, 1.4 + 0.42 * len(_with_share(comparison))


def _with_share(comparison: OffloadComparison) -> list[PolicyRow]:
    return [row for row in comparison.rows if row.optimum_share is not None]
