"""Pictures of episodes and shares: what is drawn is what was measured."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from helpers.axes import canvas
from helpers.drawn import draws
from helpers.offloads import by_hand, episodes
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.collections import QuadMesh

from dmoe_opt import plot
from dmoe_opt.comparing.policies import compare
from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.policies import RULES
from dmoe_opt.offload.pricing import Tariff, along
from dmoe_opt.offload.simulate import LOST, run


@given(episodes(), st.sampled_from(sorted(RULES)))
@draws(0.5)
def test_no_slot_is_drawn_twice(episode: Episode, rule: str) -> None:
    """Every subtask is one bar or one cross.

    Bars of a row do not overlap, and lie in the rows of their expert.
    """
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


def test_no_interval_is_cut() -> None:
    """The axis of shares reaches both ends of the widest interval."""
    comparison = compare(by_hand(), ["greedy", "local"])
    rows = tuple(replace(row, optimum_share_ci95=1.5) for row in comparison.rows)
    left, right = plot.shares(replace(comparison, rows=rows), axes=canvas()).get_xlim()
    shares = [row.optimum_share for row in rows if row.optimum_share is not None]
    assert left < 100 * (min(shares) - 1.5)
    assert right > 100 * (max(shares) + 1.5)


def test_gaps_are_stacked_to_the_whole_gap() -> None:
    """Hindsight and what the policy lost; policies far below the best are left out."""
    comparison = compare(by_hand(), ["greedy", "local"])
    rows = [replace(row, behind_ceiling=1.2 - row.return_mean) for row in comparison.rows]
    split = replace(comparison, rows=rows, ceiling_mean=1.4, hindsight=0.1)
    split = replace(split, rows=[rows[0], replace(rows[1], return_mean=-9.0)])
    axes = plot.gaps(split, axes=canvas())
    assert [label.get_text() for label in axes.get_yticklabels()] == ["greedy"]
    hindsight, lost = axes.patches
    assert hindsight.get_width() == pytest.approx(100 * 0.1 / 1.5)
    assert lost.get_x() == hindsight.get_width()
    assert lost.get_width() == pytest.approx(100 * rows[0].behind_ceiling / 1.5, abs=1e-9)


def test_prices_are_strips_above_the_experts() -> None:
    """One strip for each expert, with the price at each arrival."""
    episode = by_hand()
    tariff = Tariff([0], [0.1], [0.3], 1.0)
    choice = run(episode, RULES["greedy"](0))
    prices = along(tariff, episode, choice)
    assert prices.tolist() == [
        [0.1],
        [pytest.approx(0.4)],
        [0.1],
    ]  # the slot is taken from 0 to 2 s
    axes = plot.episode(episode, choice, prices=prices)
    (strip,) = (c for c in axes.collections if isinstance(c, QuadMesh))
    assert strip.get_array().ravel().tolist() == prices.ravel().tolist()
