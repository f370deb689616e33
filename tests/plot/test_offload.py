"""Pictures of episodes and shares: what is drawn is what was measured."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from helpers.axes import canvas
from helpers.offloads import by_hand, episodes
from hypothesis import given, settings
from hypothesis import strategies as st

from dmoe_opt import plot
from dmoe_opt.comparing.policies import compare
from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.policies import RULES
from dmoe_opt.offload.simulate import LOST, run


@given(episodes(), st.sampled_from(sorted(RULES)))
@settings(max_examples=20)
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
