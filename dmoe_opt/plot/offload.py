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

MOST_GAPS = 4.0
"""Policies with more than so many times the gap of the best are not in the picture of gaps."""


def episode(
    episode: Episode, choice: Whole, *, prices: Array | None = None, axes: Axes | None = None
) -> Axes:
    """Who occupies which slot of which expert when, and which subtasks are lost.

    Time is in s, `choice` has shape (N,). The device has no slots; its rows keep apart what it does
    at the same time. `prices` of a second of a slot at each arrival and expert, (N, E), as
    `dmoe_opt.offload.pricing.along` gives, are strips above the experts. A figure of its own has a
    legend of the types; on other axes `figure.legend(*axes.get_legend_handles_labels())` places it.
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
    if prices is not None:
        _price_strips(axes, episode, prices, top)
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


def _price_strips(axes: Axes, episode: Episode, prices: Array, top: Array) -> None:
    """A strip above each expert, the darker the higher its price until the next arrival."""
    edges_s = np.append(episode.arrival_s, episode.arrival_s[-1] + 1e-3)
    for expert, row in enumerate(prices.T):
        strip = axes.pcolormesh(
            edges_s,
            top[expert] + np.array([-0.6, -0.1]),
            row[None],
            cmap="Reds",
            vmin=0.0,
            vmax=prices.max(),
        )
    figure = axes.get_figure()
    assert figure is not None
    label = "strips: price of a slot, jobs done perfectly per s"
    figure.colorbar(strip, ax=axes, label=label, shrink=0.6, pad=0.01)


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


def gaps(comparison: OffloadComparison, *, axes: Axes | None = None) -> Axes:
    """What each policy is below the optimum, % of its bound: hindsight, and what it lost itself.

    A comparison with a ceiling is needed. Intervals of 95 % are those of the second part. Policies
    with more than four times the gap of the best are left out. For a legend, place
    `axes.get_legend_handles_labels()`.
    """
    rows = _near_best(comparison)
    if axes is None:
        _, axes = plt.subplots(figsize=gaps_in(comparison), layout="constrained")
    assert comparison.hindsight is not None
    percent = 100 / comparison.bound_mean
    hindsight = percent * comparison.hindsight
    behind = percent * np.array([row.behind_ceiling for row in rows])
    error = percent * np.array([row.behind_ceiling_ci95 or 0.0 for row in rows])
    axes.barh(range(len(rows)), hindsight, color="0.7", label="nobody could know")
    axes.barh(
        range(len(rows)),
        behind,
        left=hindsight,
        xerr=error,
        capsize=3,
        color=COLOURS[5],
        label="the policy lost at most",
    )
    for k, (value, width) in enumerate(zip(hindsight + behind, error, strict=True)):
        axes.text(value + width, k, f"  {value:.1f}", va="center", fontsize=9)
    axes.set_yticks(range(len(rows)), [row.policy for row in rows])
    axes.invert_yaxis()
    axes.set_xlim(right=1.12 * (hindsight + behind + error).max())
    axes.set(
        xlabel="below the clairvoyant optimum, %",
        title=f"{plain(comparison.scenario)}, {comparison.episodes} held-out episodes",
    )
    tidy(axes, None)
    return axes


def gaps_in(comparison: OffloadComparison) -> tuple[float, float]:
    """Width and height of the picture of gaps, inches."""
    return 6.4, 1.6 + 0.42 * len(_near_best(comparison))


def _near_best(comparison: OffloadComparison) -> list[PolicyRow]:
    gap = {row.policy: comparison.bound_mean - row.return_mean for row in comparison.rows}
    most = MOST_GAPS * min(gap.values())
    return [row for row in comparison.rows if gap[row.policy] <= most]


def of_learning(
    steps: Sequence[int], returns: Sequence[float], optimum: float, rules: Mapping[str, float]
) -> dict[str, bytes]:
    """`learning.png`: mean return on the validation episodes against training steps.

    The optimum and the rules, the best one first, are lines across. Rules far below all of the
    training are left out.
    """
    from dmoe_opt.offload.policies import SAC

    figure = Figure(figsize=(7.2, 4.0), layout="constrained")
    axes = figure.subplots()
    axes.axhline(optimum, color="0.2", lw=1.5, label="clairvoyant optimum")
    least = min(returns) - (optimum - min(returns)) / 2
    best_first = sorted(
        (name for name in rules if rules[name] >= least), key=lambda name: -rules[name]
    )
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


def of_episode(
    of: Episode, choice: Whole, title: str, prices: Array | None = None
) -> dict[str, bytes]:
    """`load.png`: who occupies which slot of which expert when, and which subtasks are lost."""
    figure = Figure(figsize=episode_in(of, choice), layout="constrained")
    axes = episode(of, choice, prices=prices, axes=figure.subplots())
    axes.set_title(plain(title))
    _legend_of_types(axes)
    return {"load.png": png(figure)}


def of_comparison(comparison: OffloadComparison) -> dict[str, bytes]:
    """`shares.png`: the share of the optimum that each policy earns; `gaps.png`: the rest, split.

    The second picture needs a ceiling.
    """
    figure = Figure(figsize=shares_in(comparison), layout="constrained")
    shares(comparison, axes=figure.subplots())
    drawn = {"shares.png": png(figure)}
    if comparison.hindsight is not None:
        figure = Figure(figsize=gaps_in(comparison), layout="constrained")
        handles = gaps(comparison, axes=figure.subplots()).get_legend_handles_labels()
        figure.legend(*handles, loc="outside lower right", ncols=2, frameon=False)
        drawn["gaps.png"] = png(figure)
    return drawn
