"""Pictures of offloading; needs matplotlib (`pip install dmoe-opt[plot]`)."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from dmoe_opt.comparing.policies import OffloadComparison
from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.policies import SAC
from dmoe_opt.offload.scenario import Whole
from dmoe_opt.plot import offload
from dmoe_opt.plot.styling import COLOURS, plain, png, tidy


def of_learning(
    steps: Sequence[int], returns: Sequence[float], optimum: float, rules: dict[str, float]
) -> dict[str, bytes]:
    """`learning.png`: mean return on the validation episodes against training steps; rules and optimum as lines."""
    figure = Figure(figsize=(7.2, 4.0), layout="constrained")
    axes = figure.subplots()
    axes.axhline(optimum, color="0.2", lw=1.5, label="clairvoyant optimum")
    for k, (name, value) in enumerate(sorted(rules.items(), key=lambda item: -item[1])):
        axes.axhline(
            value, color=COLOURS[1 + k % 6], lw=1.2, ls=("--", ":", "-.")[k % 3], label=name
        )
    axes.plot(steps, returns, "o-", color=COLOURS[0], ms=3.5, lw=1.2, label=SAC)
    axes.xaxis.set_major_formatter(lambda v, _: f"{v:,.0f}")
    axes.set(xlabel="training steps", ylabel="mean return of an episode")
    tidy(axes)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", frameon=False)
    return {"learning.png": png(figure)}


def of_episode(episode: Episode, choice: Whole, title: str) -> dict[str, bytes]:
    """`load.png`: who occupies which slot of which expert when, and which subtasks are lost."""
    figure = Figure(figsize=offload.episode_in(episode, choice), layout="constrained")
    axes = offload.episode(episode, choice, axes=figure.subplots())
    axes.set_title(plain(title))
    figure.legend(
        *axes.get_legend_handles_labels(), loc="outside upper right", ncols=6, frameon=False
    )
    return {"load.png": png(figure)}


def of_comparison(comparison: OffloadComparison) -> dict[str, bytes]:
    """`shares.png`: what share of the clairvoyant optimum each policy earns, with 95 % confidence intervals."""
    figure = Figure(figsize=offload.shares_in(comparison), layout="constrained")
    offload.shares(comparison, axes=figure.subplots())
    return {"shares.png": png(figure)}
