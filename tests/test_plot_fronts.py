"""Pictures of fronts, runs and episodes for notebooks: what is drawn is what was measured."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import matplotlib
import numpy as np
import pytest
from helpers.offloads import by_hand, episodes
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dmoe_opt import plot
from dmoe_opt.comparing.policies import compare
from dmoe_opt.comparing.schedulers import frontier
from dmoe_opt.layers.protocol import run as protocol_run
from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.policies import RULES
from dmoe_opt.offload.simulate import LOST, run

matplotlib.use("Agg")


def canvas() -> Axes:
    return Figure().subplots()


def test_import_is_light() -> None:
    """Who draws need not have gymnasium or torch, nor wait for them or for compiled searches."""
    heavy = "{'gymnasium', 'torch', 'pyomo', 'cvxpy', 'numba'}"
    code = (
        f"import sys, dmoe_opt.plot, dmoe_opt.plot.sweep, dmoe_opt.plot.profiles; print(sorted({heavy} & set(sys.modules)))"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        == "[]\n"
    )


def test_the_line_is_the_front() -> None:
    """Each scheduler's line goes through its front and no other setting; units are µJ and %."""
    points = frontier(
        "domains",
        schedulers=("joint", "topk"),
        gamma0=(0.8, 1.0),
        z=(0.5, 0.9),
        seeds=2,
        num_tokens=64,
    )
    axes = plot.front(points, axes=canvas())
    assert [bars.get_label() for bars in axes.containers] == ["joint", "topk"]
    for bars in axes.containers:
        mine = [p for p in points if p.scheduler == bars.get_label() and p.front]
        assert bars.lines[0].get_xdata() == pytest.approx(
            [1e6 * p.energy_per_token_j for p in mine]
        )
        assert bars.lines[0].get_ydata() == pytest.approx([100 * p.worth for p in mine])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("energy per token, µJ", "accuracy, %")
    for front in (True, False):
        legend = plot.front([*points, replace(points[0], front=front)], axes=canvas()).get_legend()
        assert ("pale: off the front" in [text.get_text() for text in legend.get_texts()]) == (
            not front
        )


def test_a_run_is_drawn_whole() -> None:
    """The bars of a layer add up to its energy, and every use of an expert is in the map."""
    run = protocol_run("domains", num_tokens=64)
    bars = plot.layers(run, axes=canvas()).patches
    for bill in run.layers:
        heights = [
            b.get_height() for b in bars if b.get_x() < bill.layer < b.get_x() + b.get_width()
        ]
        assert sum(heights) == pytest.approx(1e6 * bill.energy_j / 64)
    image = np.asarray(plot.experts(run, axes=canvas()).images[0].get_array())
    assert image == pytest.approx(100 / 64 * np.array([bill.chosen for bill in run.layers]))


@given(episodes(), st.sampled_from(sorted(RULES)))
@settings(max_examples=20)
def test_no_slot_is_drawn_twice(episode: Episode, rule: str) -> None:
    """Every subtask is one bar or one cross; bars of a row do not overlap, and lie in the rows of their expert."""
    choice = run(episode, RULES[rule](0))
    axes = plot.episode(episode, choice, axes=canvas())
    boxes = [path.get_extents() for bars in axes.collections for path in bars.get_paths()]
    assert len(boxes) == (choice != LOST).sum()
    assert len(axes.lines[0].get_xdata()) == (choice == LOST).sum()
    for e, band in enumerate(axes.patches):
        inside = [b for b in boxes if band.get_y() < b.y0 < band.get_y() + band.get_height()]
        assert len(inside) == (choice == e).sum()
    for row in {b.y0 for b in boxes}:
        mine = sorted((b.x0, b.x1) for b in boxes if b.y0 == row)
        assert all(after[0] >= before[1] - 1e-9 for before, after in itertools.pairwise(mine))


def test_shares_are_bars() -> None:
    """One bar a policy, as long as its share; the line at 100 is the optimum."""
    comparison = compare(by_hand(), ["greedy", "local"])
    axes = plot.shares(comparison, axes=canvas())
    bars = axes.patches
    assert [text.get_position()[0] for text in axes.texts if text.get_text() == "optimum"] == [100]
    assert [b.get_width() for b in bars] == pytest.approx([100 * 1.2 / 1.5, 100 * 0.8 / 1.5])


@pytest.mark.parametrize(
    ("draw", "data"),
    [
        (plot.episode, lambda: (by_hand(), np.array([0, 1, 0]))),
        (plot.shares, lambda: (compare(by_hand(), ["greedy"]),)),
        (plot.layers, lambda: (protocol_run("digits", num_tokens=16),)),
        (plot.experts, lambda: (protocol_run("digits", num_tokens=16),)),
        (plot.front, lambda: (frontier("digits", schedulers=("topk",), seeds=2, num_tokens=16),)),
    ],
)
def test_axes_are_given_or_made(
    draw: Callable[..., Axes], data: Callable[[], tuple[Any, ...]]
) -> None:
    """Given axes are drawn on and returned, without there is a new figure of pyplot."""
    given_axes = canvas()
    before = plt.get_fignums()
    assert draw(*data(), axes=given_axes) is given_axes
    assert given_axes.has_data()
    assert plt.get_fignums() == before
    made = draw(*data())
    assert plt.fignum_exists(made.figure.number)
    plt.close(made.figure)
