"""Jobs of stages: worth, losses, and an optimum of their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.offloads import by_hand

from dmoe_opt import InputError
from dmoe_opt.offload import windows
from dmoe_opt.offload.episode import Episode, draw
from dmoe_opt.offload.presets import preset
from dmoe_opt.offload.simulate import LOST, State, account, rewards, violations


def job_by_hand(how: str) -> Episode:
    """The three subtasks worked by hand, of types A, B, A, as one job of stages at 0, 2 and 4 s.

    The expert has qualities 0.6, 1.0, 0.6 and costs 0.1, the device 0.3, 0.2, 0.3 for nothing.
    """
    hand = by_hand()
    scenario = replace(hand.scenario, arrivals=replace(hand.scenario.arrivals, job_quality=how))
    return replace(
        hand, scenario=scenario, job=[0, 0, 0], arrival_s=[0, 2, 4], gains=np.ones((5, 1))
    )


@pytest.mark.parametrize(
    ("how", "of_two", "quality", "best"),
    [("product", 0.18, 0.06 * 0.6, 0.06), ("minimum", 0.3, 0.2, 0.2)],
)
def test_by_hand(how: str, of_two: float, quality: float, best: float) -> None:
    """A stage earns the change of the worth of its job; a loss takes it back, at its price once."""
    episode = job_by_hand(how)
    state = State(episode)
    assert state.reward == pytest.approx([0.5, 0.3])
    state.step(1)
    assert state.reward[0] == pytest.approx(-0.1)  # quality 1.0 leaves the worth as it is
    assert state.loss == pytest.approx(-0.3 - 0.25)
    assert state.step(LOST) == pytest.approx(-0.55)
    assert state.mask == [False, False]
    assert state.step(1) == 0.0
    lost = account(episode, state.choice)
    assert (lost.return_, lost.quality, lost.lost) == (pytest.approx(-0.25), 0.0, 2)
    assert violations(episode, np.array([1, LOST, 1])) == ["stage 2 is placed, but job 0 is lost"]
    played = np.array([1, 1, 0])
    assert account(episode, played).quality == pytest.approx(quality)
    assert rewards(episode, played).sum() == pytest.approx(quality - 0.1)
    two = np.array([0, 0, 1])
    assert account(episode, two).quality == pytest.approx(of_two)
    solved = windows.solve(episode)
    assert solved.proven
    assert solved.return_ >= max(best - 0.1, of_two - 0.2)


def test_stages_come_in_sequence() -> None:
    """A stage arrives after the longest deadline from the one before; others are refused."""
    busy = preset("busy")
    scenario = replace(busy, arrivals=replace(busy.arrivals, job_quality="minimum"))
    episode = draw(scenario, 0)
    for job in range(5):
        assert np.diff(episode.arrival_s[episode.job == job]).min(initial=9.0) >= 4.0
    with pytest.raises(InputError, match=r"late_per_s = 0\.5; allowed: none with arrivals\.job"):
        replace(scenario, prices=replace(busy.prices, late_per_s=0.5))
    with pytest.raises(
        InputError, match=r"arrival_s\[1\] = 1\.0; allowed: at least 2, the deadline"
    ):
        replace(job_by_hand("minimum"), arrival_s=[0, 1, 4])


@pytest.mark.parametrize("how", ["product", "minimum"])
def test_the_optimum_of_stages_is_below_that_of_means(how: str) -> None:
    """And it is proven where the mean over the weights leaves a gap."""
    busy = preset("busy")
    few = replace(busy.arrivals, num_jobs=20, jobs_per_s=40.0)
    episode = draw(replace(busy, arrivals=replace(few, job_quality=how)), 1)
    means = replace(episode, scenario=replace(busy, arrivals=few))
    best = windows.solve(episode)
    assert best.proven
    assert violations(episode, best.choice) == []
    assert best.return_ < windows.solve(means).bound - 0.1
    assert best.return_ <= windows.solve(episode, time_limit=1e-9).bound
