"""Searches: the tree of a branch and bound, and how energy falls towards a bound."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from dmoe_opt.answer.result import relative_gap
from dmoe_opt.errors import InputError
from dmoe_opt.plot.styling import COLOURS, tidy

if TYPE_CHECKING:
    from dmoe_opt.selection.des import TreeNode

MOST_NODES = 300
WHITE = "#FFFFFF"
SIGNS = {  # of a reason to leave a node: a sign in the box and its colour
    "branched": ("", WHITE),
    "reaches the threshold": ("✓", "#F0E442"),
    "cannot reach the threshold": ("✗", "#D55E00"),
    "bound": ("≥", "#56B4E9"),
    "completed by a sweep": ("≈", "#009E73"),
}
OTHER_SIGNS = "◆▲●■★"  # of reasons that DES does not know
OTHER_COLOURS = ("#CC79A7", "#E69F00", "#999999", "#B3B3E6", "#BFBFBF")
PREFIXES = ((1.0, "J"), (1e3, "mJ"), (1e6, "µJ"), (1e9, "nJ"))
HALF_BOX = 0.2  # of a row: a branch leaves a box below, so that it crosses no other
THIN, THICK = 1.0, 3.5  # edges of boxes, points
LETTERS = 13  # points, in a tree, which is wide and shown small


def search_tree(
    tree: Sequence[TreeNode], *, optimum_j: float | None = None, axes: Axes | None = None
) -> Axes:
    """Draw the tree of a branch and bound: the bound of every node, and why it was left.

    A solid line takes an expert, a dashed one skips it. The larger branch goes straight down, the
    smaller to the right. Colour and sign say why a node was left.

    Parameters
    ----------
    tree
        Nodes in the order of the search, from `des.search_tree` or with the same fields: `node` is
        the place in the list, a parent stands before its children, `bound_j` is in J, and inf where
        there is no answer. Reasons that DES does not know get colours of their own; a reason
        "branched" is for nodes that have children.
    optimum_j
        Least energy, J: the first node that reaches it gets a thick edge.

    Raises
    ------
    InputError
        If there are no nodes, or more than anyone can read, or more kinds of reasons than signs.
    """
    if not 0 < len(tree) <= MOST_NODES:
        raise InputError(
            f"tree has {len(tree)} nodes; allowed: 1 to {MOST_NODES}, more cannot be read"
        )
    signs = _signs(tree)
    places = _places(tree)
    rows = max(row for row, _ in places) + 1
    columns = max(column for _, column in places) + 1
    if axes is None:
        size = max(1.9 * columns, 7.8), 1.2 * rows + 0.9
        _, axes = plt.subplots(figsize=size, layout="constrained")
    best = _first_best(tree, optimum_j)
    bounds = _bound_texts(tree)
    for node, bound in zip(tree, bounds, strict=True):
        place = places[node.node]
        if node.parent >= 0:
            _branch(axes, node, places[node.parent], place)
        sign, colour = signs[node.reason]
        text = f"{node.node} {sign}".rstrip() + f"\n{bound}"
        _box(axes, place, text, colour, THICK if node is best else THIN)
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(0.55 - rows, 0.45))
    axes.axis("off")
    _legend_of_reasons(axes, signs, best is not None, max(1, min(columns // 2, 3)))
    return axes


def _bound_texts(tree: Sequence[TreeNode]) -> list[str]:
    """The bounds of all nodes in one unit, with decimals only where any bound has them."""
    factor, unit = _unit(node.bound_j for node in tree)
    finite = np.array([factor * node.bound_j for node in tree if np.isfinite(node.bound_j)])
    short = np.allclose(finite, finite.round(2), rtol=0, atol=1e-9)
    digits = ".4g" if short else "#.4g"
    texts = []
    for node in tree:
        solvable = np.isfinite(node.bound_j)
        texts.append(f"{factor * node.bound_j:{digits}} {unit}" if solvable else "no set")
    return texts


def _box(axes: Axes, place: tuple[int, int], text: str, colour: str, edge: float) -> None:
    row, column = place
    axes.text(
        column,
        -row,
        text,
        ha="center",
        va="center",
        zorder=3,
        linespacing=1.15,
        bbox={"boxstyle": "round,pad=0.3", "fc": colour, "ec": "black", "lw": edge},
        fontsize=LETTERS,
    )


def _legend_of_reasons(
    axes: Axes, signs: Mapping[str, tuple[str, str]], optimum: bool, columns: int
) -> None:
    """What colours and signs mean, above the tree."""
    square: dict[str, Any] = {"marker": "s", "s": 170, "edgecolor": "black"}
    for reason, (sign, colour) in signs.items():
        label = f"{sign}  {reason}" if sign else reason
        axes.scatter([], [], color=colour, label=label, **square)
    if optimum:
        axes.scatter([], [], color=WHITE, lw=THICK, label="the optimum (thick edge)", **square)
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=columns,
        frameon=False,
        fontsize=LETTERS,
    )


def _places(tree: Sequence[TreeNode]) -> list[tuple[int, int]]:
    """Row and column of every node.

    Each root and each smaller branch takes the first column that is free all the way down.
    """
    children: list[list[int]] = [[] for _ in tree]
    depth = [0] * len(tree)
    for n in tree:
        if n.parent >= 0:
            children[n.parent].append(n.node)
            depth[n.node] = depth[n.parent] + 1
    size, lowest = [1] * len(tree), depth.copy()
    for n in reversed(tree):
        if n.parent >= 0:
            size[n.parent] += size[n.node]
            lowest[n.parent] = max(lowest[n.parent], lowest[n.node])
    used = [-1] * (max(depth) + 1)
    column = [0] * len(tree)

    def put(node: int, at: int) -> None:
        column[node] = used[depth[node]] = at
        for k, child in enumerate(sorted(children[node], key=lambda c: -size[c])):
            put(child, max(at, free(child)) if k else at)

    def free(node: int) -> int:
        return max(used[depth[node] : lowest[node] + 1]) + 1

    for n in tree:
        if n.parent < 0:
            put(n.node, free(n.node))
    return list(zip(depth, column, strict=True))


def _branch(axes: Axes, node: TreeNode, parent: tuple[int, int], child: tuple[int, int]) -> None:
    """The line from a node's parent to it, with the expert that it takes or skips."""
    (above, left), (row, column) = parent, child
    x, y = np.array([left, column]), np.array([-above - HALF_BOX, HALF_BOX - row])
    axes.plot(x, y, color="0.45", lw=1.5, ls="-" if node.taken else "--", zorder=1)
    along = 0.7 if column > left else 0.5  # so that the two labels below a box stand apart
    axes.text(
        x[0] + along * (x[1] - x[0]),
        y[0] + along * (y[1] - y[0]),
        f"{'take' if node.taken else 'skip'} expert {node.expert}",
        ha="center",
        va="center",
        zorder=2,
        bbox={"fc": "white", "ec": "none", "pad": 0.8},
        fontsize=LETTERS,
    )


def _signs(tree: Sequence[TreeNode]) -> dict[str, tuple[str, str]]:
    """Sign and colour of the reasons in a tree, in order of appearance."""
    reasons = dict.fromkeys(n.reason for n in tree)
    others = [reason for reason in reasons if reason not in SIGNS]
    if len(others) > len(OTHER_SIGNS):
        raise InputError(
            f"tree has {len(others)} reasons of its own; "
            f"allowed: up to {len(OTHER_SIGNS)}, more look alike"
        )
    known = SIGNS | dict(zip(others, zip(OTHER_SIGNS, OTHER_COLOURS, strict=True), strict=False))
    return {reason: known[reason] for reason in reasons}


def _first_best(tree: Sequence[TreeNode], optimum_j: float | None) -> TreeNode | None:
    if optimum_j is None:
        return None
    ends = (n for n in tree if n.reason not in ("branched", "bound"))
    return next((n for n in ends if np.isclose(n.bound_j, optimum_j, rtol=1e-9, atol=0.0)), None)


def trace(
    energy_j: Sequence[float | None],
    *,
    bound_j: float | Sequence[float] | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw how energy falls from the start, step 0, and the bound it cannot fall below.

    Parameters
    ----------
    energy_j
        Energy at the start and after each step, J: `stats["trace"]` of block coordinate descent, or
        the energies that a `log` was told; None where there was no answer yet.
    bound_j
        The bound, J: one number, or one for each step where it rises.

    Raises
    ------
    InputError
        If there is no step, or not a bound for each.
    """
    bounds_given = len(bound_j) if isinstance(bound_j, Sequence) else len(energy_j)
    if not len(energy_j) or bounds_given != len(energy_j):
        raise InputError(
            f"energy_j has {len(energy_j)} steps; "
            "allowed: at least one, and as many bounds where they are a list"
        )
    if axes is None:
        _, axes = plt.subplots(figsize=(7.2, 3.6), layout="constrained")
    steps = np.arange(len(energy_j))
    energies = np.array([np.nan if e is None else e for e in energy_j], dtype=float)
    bounds = np.full(len(steps), np.nan if bound_j is None else bound_j, dtype=float)
    factor, unit = _unit([*energies, *bounds])
    axes.plot(steps, factor * energies, "o-", color=COLOURS[0], ms=6, label="energy")
    if bound_j is not None:
        label = _bound_label(float(energies[-1]), float(bounds[-1]))
        if isinstance(bound_j, int | float):
            axes.axhline(factor * bound_j, ls="--", color=COLOURS[5], label=label)
        else:
            axes.plot(steps, factor * bounds, "s--", color=COLOURS[5], ms=5, label=label)
    axes.set(xlabel="step", ylabel=f"energy, {unit}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.ticklabel_format(axis="y", useOffset=False)
    tidy(axes)
    axes.legend(frameon=False)
    return axes


def _bound_label(energy_j: float, bound_j: float) -> str:
    """The bound in the legend, with the final gap if there is an answer."""
    if np.isnan(energy_j):
        return "proven bound"
    return f"proven bound, in the end {relative_gap(energy_j, bound_j):.2%} below"


def _unit(energies_j: Iterable[float]) -> tuple[float, str]:
    """Factor and unit that bring the largest of these energies to 1 or more."""
    largest = max((e for e in energies_j if np.isfinite(e)), default=1.0)
    return next(
        ((factor, unit) for factor, unit in PREFIXES if factor * largest >= 1.0),
        PREFIXES[0 if largest <= 0 else -1],
    )
