"""Pictures of searches: what is drawn is what the tree and the trace say."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.patches import FancyBboxPatch

from dmoe_opt import InputError, SelectionProblem, generate, plot, solve
from dmoe_opt.selection.des import TreeNode, search_tree


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """No figure is left open."""
    yield
    plt.close("all")


def boxes(axes: Axes) -> dict[int, tuple[str, FancyBboxPatch, tuple[float, float]]]:
    """Second line, box and position of every node by its number."""
    found = {}
    for text in axes.texts:
        if "\n" in text.get_text():
            first, second = text.get_text().split("\n")
            box = text.get_bbox_patch()
            assert box is not None
            found[int(first.split()[0])] = (second, box, text.get_position())
    return found


def branches(axes: Axes) -> dict[tuple[tuple[float, float], tuple[float, float]], str]:
    """Line style by the two boxes that a line joins, the upper one first."""
    lines = (
        (np.transpose(line.get_data()).round().tolist(), str(line.get_linestyle()))
        for line in axes.lines
    )
    return {(tuple(a), tuple(b)): style for (a, b), style in lines}


@pytest.mark.parametrize("token", range(3))
def test_a_drawn_tree_is_the_search(token: int) -> None:
    """Every node stands alone at its place, joined to its parent, with its bound.

    Only the box of the optimum is thick.
    """
    problem = generate("weakly-correlated", 2, num_experts=10, max_experts=3, num_tokens=3)
    assert isinstance(problem, SelectionProblem)
    tree = search_tree(problem, token, reduce=False, sweep=False)
    optimum_j = float(solve(problem).stats["token_bound_j"][token])
    drawn = boxes(axes := plot.search_tree(tree, optimum_j=optimum_j))
    assert sorted(drawn) == [n.node for n in tree]
    assert len({place for *_, place in drawn.values()}) == len(tree)
    labels = [text.get_text() for text in axes.texts if "\n" not in text.get_text()]
    assert sorted(labels) == sorted(
        f"{'take' if n.taken else 'skip'} expert {n.expert}" for n in tree[1:]
    )
    joined = branches(axes)
    assert len(joined) == len(tree) - 1
    for n in tree[1:]:
        assert joined[drawn[n.parent][2], drawn[n.node][2]] == ("-" if n.taken else "--")
    for n in tree:
        text = drawn[n.node][0]
        assert (
            text == "no set"
            if np.isinf(n.bound_j)
            else float(text.split()[0]) == pytest.approx(1e3 * n.bound_j, rel=1e-3)
        )
    (thick,) = (n for n in tree if drawn[n.node][1].get_linewidth() > 1)
    assert thick.bound_j == pytest.approx(optimum_j)
    assert thick.reason == "reaches the threshold"


def test_reasons_differ_without_colour() -> None:
    """Every reason has its own colour and sign, also reasons that DES does not know.

    A node that is cut at the optimum is no optimum.
    """
    reasons = (
        "bound",
        "reaches the threshold",
        "cannot reach the threshold",
        "completed by a sweep",
        "too many",
        "too dear",
    )
    tree = [TreeNode(0, -1, None, None, 1.0, "branched")]
    tree += [TreeNode(n + 1, n and 0, n, True, 2.0, reason) for n, reason in enumerate(reasons)]
    axes = plot.search_tree(tree, optimum_j=2.0)
    drawn = boxes(axes)
    assert len({to_hex(box.get_facecolor()) for _, box, _ in drawn.values()}) == 7
    signs = [
        text.get_text().split("\n")[0].split()[1:] for text in axes.texts if "\n" in text.get_text()
    ]
    assert len({tuple(sign) for sign in signs}) == 7
    assert [n for n, (_, box, _) in drawn.items() if box.get_linewidth() > 1] == [2]
    legend = axes.get_legend()
    assert legend is not None
    assert [t.get_text().split("  ")[-1] for t in legend.get_texts()] == [
        "branched",
        *reasons,
        "the optimum (thick edge)",
    ]


def test_several_roots() -> None:
    """A hard token has a root for each number of experts; they stand side by side."""
    tree = [TreeNode(n, -1, None, None, 1.0, "bound") for n in range(3)]
    assert [place for *_, place in boxes(plot.search_tree(tree)).values()] == [
        (0, 0),
        (1, 0),
        (2, 0),
    ]


@pytest.mark.parametrize("nodes", [0, 301])
def test_trees_that_cannot_be_read(nodes: int) -> None:
    """Too many nodes, or none, are refused in a line."""
    with pytest.raises(InputError, match=f"tree has {nodes} nodes; allowed: 1 to 300"):
        plot.search_tree([TreeNode(n, -1, None, None, 1.0, "bound") for n in range(nodes)])


def test_trace_by_hand() -> None:
    """Energies from the first answer on, in the unit that suits them; steps from 0.

    The gap in the end is (4 - 3) / 4.
    """
    _, axes = plt.subplots()
    assert plot.trace([None, 5e-3, 4e-3], bound_j=[1e-3, 2e-3, 3e-3], axes=axes) is axes
    energy, bound = (np.asarray(line.get_ydata()) for line in axes.lines)
    assert energy.tolist() == pytest.approx([np.nan, 5.0, 4.0], nan_ok=True)
    assert np.asarray(axes.lines[0].get_xdata()).tolist() == [0, 1, 2]
    assert bound.tolist() == pytest.approx([1.0, 2.0, 3.0])
    assert axes.get_ylabel() == "energy, mJ"
    assert axes.lines[1].get_label() == "proven bound, in the end 25.00% below"
    level = plot.trace([2e-6], bound_j=2e-6).lines[1]
    assert np.asarray(level.get_ydata()).tolist() == pytest.approx([2.0, 2.0])
    assert level.get_label() == "proven bound, in the end 0.00% below"


def test_what_cannot_be_drawn_is_one_line() -> None:
    """More kinds of reasons than signs, no step, and bounds that are not one a step."""
    many = [
        TreeNode(k, k - 1, k or None, True if k else None, 1.0, f"reason {k}") for k in range(9)
    ]
    with pytest.raises(InputError, match="tree has 9 reasons of its own; allowed: up to"):
        plot.search_tree(many)
    for energies, bounds in (([], 1.0), ([2.0, 1.0], [0.5])):
        with pytest.raises(InputError, match=f"energy_j has {len(energies)} steps; allowed"):
            plot.trace(energies, bound_j=bounds)
