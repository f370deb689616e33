"""Pictures of fronts and runs: what is drawn is what was measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.axes import canvas

from dmoe_opt import plot
from dmoe_opt.comparing.schedulers import FrontierPoint, frontier
from dmoe_opt.layers.protocol import run as protocol_run
from dmoe_opt.plot.fronts import of_fronts
from dmoe_opt.plot.styling import styles


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
    assert (axes.get_xlabel(), axes.get_ylabel()) == (
        "energy per token, µJ (logarithmic)",
        "accuracy, %",
    )
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


def old(points: list[FrontierPoint]) -> list[FrontierPoint]:
    """The same settings under the name that the joint scheduler had in old files."""
    return [
        replace(point, scheduler="jesa") if point.scheduler == "joint" else point
        for point in points
    ]


def test_old_names_look_like_new_ones() -> None:
    """A file of the time when the joint scheduler was called jesa is drawn in the same colours."""
    points = [
        FrontierPoint(scheduler, 0.9, 0.5, 2, 3, 0.8, 0.01, 0.5, energy, 0.0, 1e-3, True)
        for scheduler, energy in (("topk", 3e-5), ("joint", 1e-5), ("des", 2e-5))
    ]
    new, former = plot.front(points, axes=canvas()), plot.front(old(points), axes=canvas())
    colours = [[bars.lines[0].get_color() for bars in axes.containers] for axes in (new, former)]
    assert colours[0] == colours[1]
    both = plot.front([*points, *old(points)], axes=canvas())
    by_name = {bars.get_label(): bars.lines[0].get_color() for bars in both.containers}
    assert by_name["jesa"] == by_name["joint"]
    assert len(set(by_name.values())) == 3
    assert styles(["jesa", "topk"])["jesa"] == styles(["joint", "topk"])["joint"]
    assert styles(["jesa", "joint", "kapa"])["jesa"] == styles(["joint", "kapa"])["joint"]
    assert of_fronts(old(points), (1e-4, 0.5)).keys() == {"fronts.png"}
