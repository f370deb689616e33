"""Pictures of one round: its nodes and links, and which subcarrier carries which link."""

from __future__ import annotations

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullLocator
from matplotlib.transforms import offset_copy
from numpy.typing import NDArray

from dmoe_opt.answer.bill import tokens_per_joule
from dmoe_opt.answer.objective import Allocation, Selection, loads
from dmoe_opt.answer.result import Result
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.words import counted
from dmoe_opt.errors import InputError
from dmoe_opt.plot.styling import COLOURS

BEND = 0.22  # of an arrow, so that both directions of a pair can be seen
# place of a label on its arrow: near the source, so that labels of both directions are apart
NEAR = 0.36
LEVEL = 0.3  # height from the middle up to which the words of a node stand beside it
NETWORK_IN = 7.2, 5.2
WIDE_IN = 8.8, 5.2  # width and height, inches; the wide one holds words beside nodes
MOST_WORDS = 8  # nodes or links up to which each is described in words
MOST_TOKENS = 4  # of a node that are listed one by one
ASIDE_PT = 210  # from the rightmost node to the right edge of a legend, past the words
MOST_NUMBERS = 40  # cells up to which each has its number


def network(round_: Instance, result: Result | None = None, *, axes: Axes | None = None) -> Axes:
    """The nodes of a round on a circle with the tokens they own, and the links that an answer uses.

    Without a result, grey lines are the links that could be used. With one, an arrow is a link in
    use, the wider the more tokens it carries; up to 8 links say how many, on which subcarrier and
    at what energy. A result that chooses experts only has every link on its best subcarrier.

    Raises
    ------
    InputError
        If the result has no answer, or is not of this round.
    """
    nodes = round_.num_nodes
    angle = np.pi / 2 - 2 * np.pi * np.arange(nodes) / nodes
    at = np.column_stack([np.cos(angle), np.sin(angle)]) * (nodes > 1)
    if axes is None:
        wide = nodes <= MOST_WORDS and any(_side(x, y) for x, y in at)
        size = WIDE_IN if wide else NETWORK_IN
        _, axes = plt.subplots(figsize=size, layout="constrained")
    if result is None:
        works = np.isfinite(round_.best_link_energy)
        pairs = np.argwhere(np.triu(works | works.T, 1))
        axes.add_collection(
            LineCollection([at[pair] for pair in pairs], colors="0.75", linewidths=1.5, zorder=1)
        )
        _nodes(axes, round_, at, None)
    else:
        selection, allocation = _decision(round_, result)
        _arrows(axes, round_, at, selection, allocation)
        _nodes(axes, round_, at, selection)
    axes.set(xlim=(-1.6, 1.6), ylim=(at[:, 1].min() - 0.55, at[:, 1].max() + 0.65), aspect="equal")
    axes.axis("off")
    return axes


def allocation(round_: Instance, result: Result, *, axes: Axes | None = None) -> Axes:
    """The energy of a token on each subcarrier of each link in use, and the one that carries it.

    The darker a cell, the more energy. A frame marks the subcarrier of a link, a dot its best one;
    hatched cells cannot be used. A result that chooses experts only has dots only.

    Raises
    ------
    InputError
        If the result has no answer, or is not of this round.
    """
    selection, chosen = _decision(round_, result)
    load = loads(round_, selection)
    links = np.argwhere(load)
    energy = round_.link_energy[links[:, 0], links[:, 1]]
    rows, columns = energy.shape
    if axes is None:
        size = (min(3.4 + 0.7 * columns, 9.5), min(1.6 + 0.5 * rows, 1.6 + 0.28 * rows + 3, 11.0))
        axes = plt.subplots(figsize=size, layout="constrained")[1]
    axes.set(
        xlabel="subcarrier",
        ylabel="link",
        xlim=(-0.5, columns - 0.5),
        ylim=(max(rows, 1) - 0.5, -0.5),
    )
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if not rows:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no link is in use", ha="center", va="center", transform=axes.transAxes)
        return axes
    axes.set_yticks(
        range(rows), [f"{i} → {j}, {counted(load[i, j], 'token')}" for i, j in links.tolist()]
    )
    axes.tick_params(axis="y", labelsize=11 if rows <= 12 else 10 if rows <= 32 else 7)
    _shade(axes, energy)
    handles = [
        Line2D(
            [], [], marker="o", color="black", ls="none", ms=5, label="best subcarrier of the link"
        )
    ]
    _dots(axes, energy)
    if result.allocation is not None:
        for row, (i, j) in enumerate(links):
            for m in np.flatnonzero(chosen[i, j]):
                box = Rectangle(
                    (m - 0.5, row - 0.5),
                    1,
                    1,
                    fill=False,
                    ec=COLOURS[5],
                    lw=3 if columns <= 20 else 1.8,
                    zorder=3,
                )
                axes.add_patch(box)
        frame = {
            "marker": "s",
            "mfc": "none",
            "mec": COLOURS[5],
            "mew": 2.5,
            "ms": 11,
            "ls": "none",
        }
        carrier = Line2D([], [], label="carries the link", **frame)  # type: ignore[arg-type]
        handles.insert(0, carrier)
    axes.legend(
        handles=handles,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=2,
        frameon=False,
        fontsize="small",
    )
    return axes


def _decision(round_: Instance, result: Result) -> tuple[Selection, Allocation]:
    """The choice of a result; without an allocation, every link is on its best subcarrier."""
    # brings DES along, for which nobody else here waits
    from dmoe_opt.selection.relaxed import best_subcarriers

    if result.selection is None:
        raise InputError(f"result has no answer ({result.status}); allowed: one with a selection")
    if result.instance_sha256 not in (round_.sha256, round_.selection_problem().sha256):
        raise InputError(
            f"result is of {result.instance or 'another instance'}; allowed: one of this round"
        )
    chosen = result.allocation
    if chosen is None:
        chosen = best_subcarriers(round_, result.selection)
    return result.selection, chosen


def _nodes(
    axes: Axes, round_: Instance, at: NDArray[np.float64], selection: Selection | None
) -> None:
    """Circles with numbers; outside them the price of the expert and the tokens of the node."""
    nodes = round_.num_nodes
    in_words = nodes <= MOST_WORDS
    for node, (x, y) in enumerate(at):
        size = 30.0 if in_words else max(6.0, 300.0 / nodes)
        axes.plot(x, y, "o", ms=size, mfc="white", mec="black", mew=1.5, zorder=3)
        axes.text(
            x,
            y,
            str(node),
            ha="center",
            va="center",
            zorder=4,
            fontsize=14 if in_words else size * 0.55,
        )
        if in_words:
            side = _sign(x)  # the last of a tuple is the one at -1
            beside = _side(x, y) != 0
            axes.annotate(
                _words(round_, node, selection),
                (x, y),
                (22 * side, 0) if beside else (-14 * side, 20 if y >= 0 else -20),
                textcoords="offset points",
                ha=("center", "left", "right")[side],
                va="center" if beside else "bottom" if y >= 0 else "top",
                fontsize=12,
                zorder=4,
            )


def _sign(x: float) -> int:
    """1 for a node on the right, -1 on the left, 0 in the middle."""
    return int(np.sign(np.round(x, 6)))


def _side(x: float, y: float) -> int:
    """The side on which the words of a node stand beside it, as in `_sign`; 0 if above or below."""
    return _sign(x) if abs(y) < LEVEL else 0


def _words(round_: Instance, node: int, selection: Selection | None) -> str:
    owned = np.flatnonzero(round_.source == node)
    lines = [
        f"expert {j}: {_joules(round_.compute_energy[j])}/token"
        for j in np.flatnonzero(round_.node_of == node)[:MOST_TOKENS]
    ]
    if len(owned) > MOST_TOKENS:
        lines.append(f"{len(owned)} tokens")
    elif selection is None:
        lines += [f"token {t}" for t in owned]
    else:
        for t in owned:
            experts = np.flatnonzero(selection[t]).astype(str)
            lines.append(
                f"token {t}: {_several('expert', experts) if experts.size else 'no expert'}"
            )
    return "\n".join(lines)


def _arrows(
    axes: Axes, round_: Instance, at: NDArray[np.float64], selection: Selection, chosen: Allocation
) -> None:
    load = loads(round_, selection)
    links = np.argwhere(load)
    most = int(load.max(initial=1))
    shrink = 17.0 if round_.num_nodes <= MOST_WORDS else 5.0
    for i, j in links.tolist():
        width = 0.8 + 3.7 * load[i, j] / most
        axes.add_patch(
            FancyArrowPatch(
                at[i],
                at[j],
                connectionstyle=f"arc3,rad={BEND}",
                arrowstyle="-|>",
                mutation_scale=10 + 2.5 * width,
                lw=width,
                color=COLOURS[0],
                shrinkA=shrink,
                shrinkB=shrink,
                alpha=0.9,
                zorder=2,
            )
        )
        if len(links) <= MOST_WORDS:
            dx, dy = at[j] - at[i]
            x, y = (
                at[i] + NEAR * (at[j] - at[i]) + 2 * NEAR * (1 - NEAR) * BEND * np.array([dy, -dx])
            )
            label = _label(round_, i, j, int(load[i, j]), chosen)
            box = {"fc": "white", "ec": "none", "pad": 1.0}
            axes.text(
                x,
                y,
                label,
                ha="center",
                va="center",
                fontsize=11,
                linespacing=1.1,
                bbox=box,
                zorder=5,
            )
    if len(links) > MOST_WORDS:
        _legend_of_widths(axes, at, len(links), most)


def _legend_of_widths(axes: Axes, at: NDArray[np.float64], links: int, most: int) -> None:
    """The number of tokens by width of an arrow; on the right of the words of the nodes, if any."""
    handles = [
        Line2D([], [], color=COLOURS[0], lw=0.8 + 3.7 * q / most, label=counted(q, "token"))
        for q in sorted({1, most})
    ]
    legend = axes.legend(handles=handles, title=f"{links} links", loc="lower right", frameon=False)
    if len(at) <= MOST_WORDS:
        right = offset_copy(
            axes.get_xaxis_transform(), axes.get_figure(root=True), x=ASIDE_PT, units="points"
        )
        legend.set_bbox_to_anchor((at[:, 0].max(), 0.0), right)


def _label(round_: Instance, i: int, j: int, load: int, chosen: Allocation) -> str:
    used = np.flatnonzero(chosen[i, j])
    rate = tokens_per_joule(round_, chosen, np.array([i]), np.array([j]))[0]
    subcarriers = _several("subcarrier", used.astype(str))
    energy = _joules(load * len(used) / rate)
    return f"{counted(load, 'token')}\n{subcarriers}\n{energy}"


def _shade(axes: Axes, energy: NDArray[np.float64]) -> None:
    """Cells shaded by energy on a logarithmic scale, light enough for marks and numbers."""
    works = np.isfinite(energy)
    positive = energy[works & (energy > 0)]
    least, most = (float(positive.min()), float(positive.max())) if positive.size else (1.0, 1.0)
    shown = np.ma.masked_array(np.clip(energy, least, most), ~works)
    colours = LinearSegmentedColormap.from_list("", ["#FFFFFF", COLOURS[4], "#2B8CC9"])
    image = axes.imshow(
        shown,
        norm=LogNorm(least, most),
        cmap=colours,
        aspect="auto",
        interpolation="none",
        zorder=1,
    )
    axes.patch.set(hatch="////", edgecolor="0.6", linewidth=0)
    figure = axes.get_figure(root=True)
    bar = figure.colorbar(image, ax=axes, label="energy of a token")  # type: ignore[union-attr]
    bar.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if most < 100 * least else (1,)))
    bar.ax.yaxis.set_major_formatter(EngFormatter("J"))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    if energy.size <= MOST_NUMBERS:
        for row, m in np.argwhere(works):
            axes.text(
                m, row, _joules(energy[row, m]), ha="center", va="center", fontsize=10, zorder=4
            )


def _dots(axes: Axes, energy: NDArray[np.float64]) -> None:
    """The best subcarrier of every link; beside the number where cells have one."""
    rows = np.flatnonzero(np.isfinite(energy).any(axis=1))
    aside = 0.32 if energy.size <= MOST_NUMBERS else 0.0
    axes.plot(
        energy[rows].argmin(axis=1) - aside,
        rows - aside,
        "o",
        color="black",
        ms=5 if len(rows) <= 20 else 3,
        zorder=4,
    )


def _joules(energy_j: float) -> str:
    return EngFormatter(unit="J")(float(f"{energy_j:.3g}"))


def _several(thing: str, names: NDArray[np.str_]) -> str:
    return f"{thing}{'' if len(names) == 1 else 's'} {', '.join(names)}"
