"""Episodes of edge offloading, and the shares of the optimum that policies earn.

The functions `of_...` return PNG files by name for the command line. Importing the offloading
package brings gymnasium along, so it is imported only inside the functions that need it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dmoe_opt.plot.styling import COLOURS, DASHES, plain, png, styles, tidy

if TYPE_CHECKING:
    from dmoe_opt.comparing.policies import OffloadComparison, PolicyRow
    from dmoe_opt.offload.episode import Episode
    from dmoe_opt.offload.scenario import Array, Whole

HATCHES = ("", "", "////", "....")
"""Patterns by type of subtask: the first two colours differ in grey, the next do not."""

ROOM_INSIDE = 20
"""Length of a bar from which its number has room inside, %."""

BAND_GAP = 0.8
"""Space between the bands of two experts, in rows."""


def episode(episode: Episode, choice: Whole, *, axes: Axes | None = None) -> Axes:
    """Who occupies which slot of which expert when, and which subtasks are lost.

    Time is in s, `choice` has shape (N,). The device has no slots; its rows keep apart what it does
    at the same time. A figure of its own has a legend of the types; on other axes
    `figure.legend(*axes.get_legend_handles_labels())` places it.
    """
    own_figure = axes is None
    if axes is None:
        _, axes = plt.subplots(figsize=episode_in(episode, choice), layout="constrained")
    rows, top = _bands(episode, choice)
    for kind, name in enumerate(episode.scenario.types.name):
        axes.broken_barh([], (0, 1), label=plain(name), **_look(kind))
    for expert in range(episode.scenario.num_experts):
        axes.axhspan(top[expert], top[expert] + rows[expert], color="0.95", zorder=0)
    for (kind, row), spans in _spans(episode, choice, top).items():
        axes.broken_barh(spans, (row + 0.05, 0.9), **_look(kind))
    _lost(axes, episode, choice, top[-1] + 0.5)
    _name_bands(axes, rows, top)
    axes.set_xlim(left=0)
    axes.set_xlabel("time, s")
    tidy(axes, None)
    if own_figure:
        _legend_of_types(axes)
    return axes


def _spans(
    episode: Episode, choice: Whole, top: Array
) -> dict[tuple[int, float], list[tuple[float, float]]]:
    """Start and length of every subtask, s, by its type and the row that it is drawn in.

    A subtask takes the first row of its expert that is free when it arrives.
    """
    from dmoe_opt.offload.frames import slot_of
    from dmoe_opt.offload.simulate import LOST

    spans: dict[tuple[int, float], list[tuple[float, float]]] = {}
    slots = slot_of(episode, choice)
    for n in np.flatnonzero(choice != LOST):
        place = int(episode.type[n]), float(top[choice[n]] + slots[n])
        span = float(episode.arrival_s[n]), float(episode.duration_s[n, choice[n]])
        spans.setdefault(place, []).append(span)
    return spans


def _lost(axes: Axes, episode: Episode, choice: Whole, row: float) -> None:
    """A cross for every subtask that is lost, at its arrival."""
    from dmoe_opt.offload.simulate import LOST

    arrivals = episode.arrival_s[choice == LOST]
    axes.plot(arrivals, np.full(len(arrivals), row), "x", color="black", ms=5)


def _name_bands(axes: Axes, rows: Sequence[int], top: Array) -> None:
    """Name the bands of experts, device and lost subtasks, from above."""
    middles = top[:-1] + np.array(rows) / 2
    names = [f"expert {expert}" for expert in range(len(rows) - 1)]
    axes.set_yticks([*middles, top[-1] + 0.5], [*names, "device\n(no slots)", "lost"])
    axes.set_ylim(top[-1] + 1.2, -0.4)


def _legend_of_types(axes: Axes) -> None:
    handles = axes.get_legend_handles_labels()
    figure = axes.get_figure(root=True)
    assert figure is not None
    figure.legend(*handles, loc="outside upper right", ncols=6, frameon=False)


def _look(kind: int) -> dict[str, Any]:
    """Colour and hatching of a type."""
    return {
        "facecolor": COLOURS[kind % len(COLOURS)],
        "hatch": HATCHES[kind % len(HATCHES)],
        "edgecolor": "white",
        "lw": 0.4,
    }


def episode_in(episode: Episode, choice: Whole) -> tuple[float, float]:
    """Width and height of the picture of an episode, inches."""
    _, top = _bands(episode, choice)
    return 9.0, min(1.6 + 0.16 * top[-1], 14.0)


def _bands(episode: Episode, choice: Whole) -> tuple[list[int], Array]:
    """Rows of each expert and of the device, (E + 1,), and where each band begins, (E + 2,).

    The last band is the one of lost subtasks.
    """
    from dmoe_opt.offload.frames import rows_of

    rows = [*rows_of(episode, choice), _most_on_device(episode, choice)]
    return rows, np.append(0.0, np.cumsum(np.array(rows) + BAND_GAP))


def _most_on_device(episode: Episode, choice: Whole) -> int:
    """The most subtasks that the device works on at the same time, at least 1."""
    local = np.flatnonzero(choice == episode.scenario.num_experts)
    begin = episode.arrival_s[local]
    end = episode.finish_s[local, -1]
    running = [int(((begin <= now) & (end > now)).sum()) for now in begin]
    return max(running, default=1)


def shares(comparison: OffloadComparison, *, axes: Axes | None = None) -> Axes:
    """The share of the clairvoyant optimum that each policy earns, %, with 95 % intervals."""
    rows = _with_share(comparison)
    if axes is None:
        _, axes = plt.subplots(figsize=shares_in(comparison), layout="constrained")
    share = 100 * np.array([row.optimum_share for row in rows])
    error = 100 * np.array([row.optimum_share_ci95 or 0.0 for row in rows])
    axes.barh(range(len(rows)), share, xerr=error, color=_bar_colours(rows), capsize=3)
    _mark_optimum(axes)
    for k, (value, width) in enumerate(zip(share, error, strict=True)):
        _number_bar(axes, k, value, width)
    axes.set_yticks(range(len(rows)), [row.policy for row in rows])
    axes.invert_yaxis()
    axes.set_xlim(1.1 * (share - error).min(initial=0.0), 1.04 * (share + error).max(initial=100.0))
    axes.set(
        xlabel="share of the clairvoyant optimum, %",
        title=f"{plain(comparison.scenario)}, {comparison.episodes} held-out episodes",
    )
    tidy(axes, None)
    return axes


def _bar_colours(rows: Sequence[PolicyRow]) -> list[str]:
    """The learned policy stands out from the rules."""
    from dmoe_opt.offload.policies import SAC

    return [COLOURS[5] if row.policy == SAC else COLOURS[0] for row in rows]


def _mark_optimum(axes: Axes) -> None:
    axes.axvline(100, color="0.2", lw=1.2)
    above = axes.get_xaxis_transform()
    axes.text(100, 1.01, "optimum", ha="center", va="bottom", fontsize=9, transform=above)


def _number_bar(axes: Axes, row: int, value: float, half_width: float) -> None:
    """The value in its bar, or beside it where the bar is short."""
    text = f"{value:.1f}"
    if value > ROOM_INSIDE:
        axes.text(1.5, row, text, va="center", fontsize=9, color="white")
    else:
        beside = max(value + half_width, 0) + 1.5
        axes.text(beside, row, text, va="center", fontsize=9, color="black")


def shares_in(comparison: OffloadComparison) -> tuple[float, float]:
    """Width and height of the picture of shares, inches."""
    return 6.4, 1.4 + 0.42 * len(_with_share(comparison))


def _with_share(comparison: OffloadComparison) -> list[PolicyRow]:
    return [row for row in comparison.rows if row.optimum_share is not None]


def of_learning(
    steps: Sequence[int], returns: Sequence[float], optimum: float, rules: Mapping[str, float]
) -> dict[str, bytes]:
    """`learning.png`: mean return on the validation episodes against training steps.

    The optimum and the rules, the best one first, are lines across.
    """
    from dmoe_opt.offload.policies import SAC

    figure = Figure(figsize=(7.2, 4.0), layout="constrained")
    axes = figure.subplots()
    axes.axhline(optimum, color="0.2", lw=1.5, label="clairvoyant optimum")
    best_first = sorted(rules, key=lambda name: -rules[name])
    looks = styles([SAC, *best_first])
    broken = DASHES[1:]
    for k, name in enumerate(best_first):
        colour = looks[name]["color"]
        axes.axhline(rules[name], color=colour, lw=1.2, ls=broken[k % len(broken)], label=name)
    axes.plot(steps, returns, "o-", color=looks[SAC]["color"], ms=3.5, lw=1.2, label=SAC)
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:,.0f}")
    axes.set(xlabel="training steps", ylabel="mean return of an episode")
    tidy(axes)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", frameon=False)
    return {"learning.png": png(figure)}


def of_episode(of: Episode, choice: Whole, title: str) -> dict[str, bytes]:
    """`load.png`: who occupies which slot of which expert when, and which subtasks are lost."""
    figure = Figure(figsize=episode_in(of, choice), layout="constrained")
    axes = episode(of, choice, axes=figure.subplots())
    axes.set_title(plain(title))
    _legend_of_types(axes)
    return {"load.png": png(figure)}


def of_comparison(comparison: OffloadComparison) -> dict[str, bytes]:
    """`shares.png`: the share of the clairvoyant optimum that each policy earns."""
    figure = Figure(figsize=shares_in(comparison), layout="constrained")
    shares(comparison, axes=figure.subplots())
    return {"shares.png": png(figure)}
