"""Pictures of offloading; needs matplotlib (`pip install dmoe-opt[plot]`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from dmoe_opt.figures import COLOURS, plain, png, tidy
from dmoe_opt.offload.comparing import SAC, OffloadComparison
from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.scenario import Whole
from dmoe_opt.offload.simulate import LOST


def of_learning(steps: Sequence[int], returns: Sequence[float], optimum: float, rules: dict[str, float]) -> dict[str, bytes]:
    """`learning.png`: mean return on the validation episodes against training steps; rules and optimum as lines."""
    figure = Figure(figsize=(7.2, 4.0), layout="constrained")
    axes = figure.subplots()
    axes.axhline(optimum, color="0.2", lw=1.5, label="clairvoyant optimum")
    for k, (name, value) in enumerate(sorted(rules.items(), key=lambda item: -item[1])):
        axes.axhline(value, color=COLOURS[1 + k % 6], lw=1.2, ls=("--", ":", "-.")[k % 3], label=name)
    axes.plot(steps, returns, "o-", color=COLOURS[0], ms=3.5, lw=1.2, label=SAC)
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:,.0f}")
    axes.set(xlabel="training steps", ylabel="mean return of an episode")
    tidy(axes)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", frameon=False)
    return {"learning.png": png(figure)}


def of_episode(episode: Episode, choice: Whole, title: str) -> dict[str, bytes]:
    """`load.png`: who occupies which slot of which expert when, and which subtasks are lost."""
    scenario = episode.scenario
    capacity = [*scenario.experts.capacity.tolist(), _most_at_once(episode, choice)]
    base = np.append(0.0, np.cumsum(np.array(capacity) + 0.8))
    figure = Figure(figsize=(9.0, min(1.6 + 0.16 * base[-1], 14.0)), layout="constrained")
    axes = figure.subplots()
    bars: dict[tuple[int, float], list[tuple[float, float]]] = {}
    for e, slots in enumerate(capacity):
        free_at = np.zeros(max(slots, 1))
        for n in np.flatnonzero(choice == e):
            slot = int(np.argmax(free_at <= episode.arrival_s[n]))
            free_at[slot] = episode.finish_s[n, e]
            bars.setdefault((int(episode.type[n]), float(base[e] + slot)), []).append(
                (float(episode.arrival_s[n]), float(episode.duration_s[n, e]))
            )
        if e < scenario.num_experts:
            axes.axhspan(base[e], base[e] + slots, color="0.95", zorder=0)
    for (kind, y), spans in bars.items():
        axes.broken_barh(spans, (y + 0.05, 0.9), color=COLOURS[kind % len(COLOURS)], edgecolor="white", lw=0.4)
    lost = choice == LOST
    axes.plot(episode.arrival_s[lost], np.full(lost.sum(), base[-1] + 0.5), "x", color="black", ms=5)
    ticks = [b + c / 2 for b, c in zip(base, capacity, strict=False)]
    axes.set_yticks([*ticks, base[-1] + 0.5], [*(f"expert {e}" for e in range(scenario.num_experts)), "device", "lost"])
    axes.set_ylim(base[-1] + 1.2, -0.4)
    axes.set_xlim(left=0)
    axes.set(xlabel="time, s", title=plain(title))
    tidy(axes, None)
    handles = [Patch(color=COLOURS[y % len(COLOURS)], label=plain(name)) for y, name in enumerate(scenario.types.name)]
    figure.legend(handles=handles, loc="outside upper right", ncols=6, frameon=False)
    return {"load.png": png(figure)}


def _most_at_once(episode: Episode, choice: Whole) -> int:
    """Subtasks that the device works on at the same time, at most."""
    mine = np.flatnonzero(choice == episode.scenario.num_experts)
    begin, end = episode.arrival_s[mine], episode.finish_s[mine, -1]
    return int(max(((begin <= now) & (end > now)).sum() for now in begin)) if len(mine) else 1


def of_comparison(comparison: OffloadComparison) -> dict[str, bytes]:
    """`shares.png`: what share of the clairvoyant optimum each policy earns, with 95 % confidence intervals."""
    rows = [row for row in comparison.rows if row.optimum_share is not None]
    figure = Figure(figsize=(6.4, 1.4 + 0.42 * len(rows)), layout="constrained")
    axes = figure.subplots()
    share = 100 * np.array([row.optimum_share for row in rows])
    error = 100 * np.array([row.optimum_share_ci95 or 0.0 for row in rows])
    axes.barh(range(len(rows)), share, xerr=error, color=[COLOURS[5 if r.policy == SAC else 0] for r in rows], capsize=3)
    axes.axvline(100, color="0.2", lw=1.2)
    for k, (value, width) in enumerate(zip(share, error, strict=True)):
        inside = value > 20
        x = 1.5 if inside else max(value + width, 0) + 1.5
        axes.text(x, k, f"{value:.1f}", va="center", fontsize=9, color="white" if inside else "black")
    axes.set_yticks(range(len(rows)), [row.policy for row in rows])
    axes.invert_yaxis()
    axes.set_xlim(min(0.0, float((share - error).min(initial=0)) * 1.1), 104)
    axes.set(
        xlabel="share of the clairvoyant optimum, %",
        title=f"{plain(comparison.scenario)}, {comparison.episodes} held-out episodes",
    )
    tidy(axes, None)
    return {"shares.png": png(figure)}
