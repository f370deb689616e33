"""Pictures of rounds agree with the result: arrows, labels, frames and dots."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Rectangle

import dmoe_opt
from dmoe_opt import InputError, Instance, plot
from dmoe_opt.answer.objective import loads


@pytest.fixture(autouse=True)
def unseen() -> Iterator[None]:
    """Figures are not shown, and closed in the end."""
    with mpl.rc_context({"backend": "agg"}):
        yield
    plt.close("all")


@pytest.fixture
def tiny() -> Instance:
    """Nine tokens want all three experts, so that all six links carry three tokens."""
    return dmoe_opt.generate("tiny", 4, num_tokens=9, share=1.0, max_experts=3)


def arrows(axes: Axes) -> list[FancyArrowPatch]:
    return [patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def dots(axes: Axes) -> list[tuple[int, int]]:
    """Link and subcarrier of every dot."""
    x, y = axes.lines[0].get_data()
    return [(round(row), round(m)) for m, row in zip(x, y, strict=True)]


def frames(axes: Axes) -> list[tuple[int, int]]:
    boxes = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    return [(round(box.get_y() + 0.5), round(box.get_x() + 0.5)) for box in boxes]


def test_network_says_who_carries_what(tiny: Instance) -> None:
    """There is one arrow for each link in use.

    Its label names tokens, subcarrier and energy; the energies add up to the result's.
    """
    result = dmoe_opt.solve(tiny, "jesa", "exact")
    axes = plot.network(tiny, result)
    assert len(arrows(axes)) == (loads(tiny, result.selection) > 0).sum() == 6
    labels = sorted(text for text in texts(axes) if "subcarrier" in text)
    chosen = np.argwhere(result.allocation)
    wanted = [
        f"3 tokens\nsubcarrier {m}\n{3e6 * tiny.link_energy[i, j, m]:.3g} µJ" for i, j, m in chosen
    ]
    assert labels == sorted(wanted)
    assert any("token 0: experts 0, 1, 2" in text for text in texts(axes))
    sending = sum(float(label.split("\n")[2].removesuffix(" µJ")) for label in labels) * 1e-6
    computing = float(result.selection.sum(axis=0) @ tiny.compute_energy)
    assert sending + computing == pytest.approx(result.objective_j, rel=1e-3)


def test_arrows_point_from_owner_to_expert(tiny: Instance) -> None:
    """A single foreign expert is one arrow, from the node of the token to that of the expert."""
    scores = np.zeros((1, 3))
    scores[0, 2] = 1.0
    one = tiny.replace(source=[1], scores=scores, threshold=0.5, max_experts=1)
    nodes = plot.network(one).lines
    (arrow,) = arrows(plot.network(one, dmoe_opt.solve(one)))
    at = np.array([[float(line.get_xdata()[0]), float(line.get_ydata()[0])] for line in nodes])
    assert np.allclose(arrow._posA_posB, at[[1, 2]])


def test_network_without_a_result(tiny: Instance) -> None:
    """Nodes, tokens and links that could be used, without dead ones; nothing is said to be used."""
    energy = tiny.link_energy.copy()
    energy[0, 1] = energy[1, 0] = 1e12
    axes = plot.network(tiny.replace(link_energy=energy))
    assert len(axes.collections[0].get_segments()) == 2
    assert arrows(axes) == []
    assert "token 3" in "".join(texts(axes))
    assert not any("expert" in line and "token 0:" in line for line in texts(axes))


@pytest.mark.parametrize("nodes", [1, 2, 20])
def test_networks_of_other_sizes(nodes: int) -> None:
    """One node has no link, two bend apart, many are still all there; and nothing warns."""
    round_ = dmoe_opt.generate(
        "tiny", 1, num_experts=nodes, num_tokens=2 * nodes, num_subcarriers=nodes * nodes
    )
    result = dmoe_opt.solve(round_, "jesa")
    axes = plot.network(round_, result)
    axes.figure.canvas.draw()
    assert len(arrows(axes)) == np.count_nonzero(loads(round_, result.selection))
    assert [text for text in texts(axes) if text.isdigit()] == [str(node) for node in range(nodes)]
    grid = plot.allocation(round_, result)
    grid.figure.canvas.draw()
    assert len(frames(grid)) == len(arrows(axes))


@pytest.mark.parametrize("nodes", range(1, 9))
def test_words_are_inside_the_figure(nodes: int) -> None:
    """The words beside the nodes are not cut off."""
    round_ = dmoe_opt.generate("tiny", 1, num_experts=nodes, num_tokens=9 * nodes)
    figure = plot.network(round_).figure
    figure.canvas.draw()
    for text in figure.axes[0].texts:
        box = text.get_window_extent()
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1


@pytest.mark.parametrize("nodes", [4, 7, 8])
def test_the_legend_of_links_hides_no_words(nodes: int) -> None:
    """It stands on the right of the words, and inside the figure."""
    round_ = dmoe_opt.generate(
        "tiny", 1, num_experts=nodes, num_tokens=4 * nodes, num_subcarriers=nodes * nodes
    )
    axes = plot.network(round_, dmoe_opt.solve(round_, "jesa"))
    axes.figure.canvas.draw()
    legend = axes.get_legend()
    assert legend is not None
    place = legend.get_window_extent()
    assert place.x1 <= axes.figure.bbox.x1
    assert axes.figure.bbox.y0 <= place.y0
    assert not any(place.overlaps(text.get_window_extent()) for text in axes.texts)


def test_allocation_frames_what_is_allocated(tiny: Instance) -> None:
    """There is one row for each active link.

    Frames are the allocation, dots the best subcarriers, numbers the energies of a token.
    """
    result = dmoe_opt.solve(tiny, "jesa", "exact")
    axes = plot.allocation(tiny, result)
    links = np.argwhere(loads(tiny, result.selection))
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        f"{i} → {j}, 3 tokens" for i, j in links
    ]
    energy = tiny.link_energy[links[:, 0], links[:, 1]]
    assert frames(axes) == [
        (row, int(m))
        for row, (i, j) in enumerate(links)
        for m in np.flatnonzero(result.allocation[i, j])
    ]
    assert dots(axes) == list(enumerate(energy.argmin(axis=1).tolist()))
    assert frames(axes) != dots(axes)
    assert texts(axes) == [f"{1e6 * value:.3g} µJ" for value in energy.ravel()]


def test_allocation_leaves_dead_subcarriers_blank(tiny: Instance) -> None:
    """No number, no shade."""
    energy = tiny.link_energy.copy()
    energy[0, 1, 2:] = 1e12
    round_ = tiny.replace(link_energy=energy)
    axes = plot.allocation(round_, dmoe_opt.solve(round_, "jesa", "exact"))
    assert np.ma.getmaskarray(axes.images[0].get_array())[0].tolist() == [
        False,
        False,
        True,
        True,
        True,
        True,
    ]
    assert len(texts(axes)) == 36 - 4


def test_experts_alone_have_dots_and_no_frames(tiny: Instance) -> None:
    """A selection is priced on best subcarriers; no picture says that they were allocated."""
    chosen = dmoe_opt.solve(tiny, "selection")
    axes = plot.allocation(tiny, chosen)
    assert frames(axes) == []
    assert len(dots(axes)) == len(arrows(plot.network(tiny, chosen))) == 6


def test_axes_are_those_given(tiny: Instance) -> None:
    """And are given back."""
    _, (left, right) = plt.subplots(1, 2)
    assert plot.network(tiny, axes=left) is left
    assert plot.allocation(tiny, dmoe_opt.solve(tiny, "selection"), axes=right) is right


def test_what_cannot_be_drawn_is_said(tiny: Instance) -> None:
    """A result without an answer, and one of another round, are no empty pictures."""
    crowded = tiny.replace(link_energy=tiny.link_energy[:, :, :2])
    none = dmoe_opt.solve(crowded, "jesa", "exact")
    for draw in (plot.network, plot.allocation):
        with pytest.raises(InputError, match=r"no answer \(infeasible\)"):
            draw(crowded, none)
        with pytest.raises(InputError, match="of this round"):
            draw(crowded, dmoe_opt.solve(tiny, "jesa"))
