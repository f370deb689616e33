"""Load, mix of types, speeds and links drift as the scenario says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dmoe_opt import InputError
from dmoe_opt.offload.drift import Drift
from dmoe_opt.offload.episode import draw
from dmoe_opt.offload.presets import preset

BUSY = preset("busy")


def test_without_ranges_nothing_changes() -> None:
    """An absent drift, and one without fields, give the same episode to the last bit."""
    plain, empty = draw(BUSY, 3), draw(replace(BUSY, drift=Drift()), 3)
    for name in ("arrival_s", "type", "work", "gains", "reward", "finish_s"):
        assert (getattr(plain, name) == getattr(empty, name)).all()
    assert plain.speed is None


def test_the_load_follows_its_profile() -> None:
    """Jobs arrive at the rate of the profile: between 2 and 4 s three times as many as before."""
    many = replace(BUSY.arrivals, num_jobs=100_000, jobs_per_s=5_000.0, subtasks_per_job=(1, 1))
    drift = Drift(load=[[1, 1], [1, 1], [3, 3], [3, 3]], period_s=1.0)
    arrival_s = draw(replace(BUSY, arrivals=many, drift=drift), 0).arrival_s
    counts = np.histogram(arrival_s, [0, 1, 2, 3, 4, 5])[0]
    np.testing.assert_allclose(counts, 5_000 * np.array([1, 2, 3, 2, 1]), rtol=0.05)
    steady = draw(replace(BUSY, arrivals=many, drift=Drift(load=[[2, 2]])), 0).arrival_s
    np.testing.assert_allclose(steady, draw(replace(BUSY, arrivals=many), 0).arrival_s / 2)


def test_speeds_and_links_follow_their_profiles() -> None:
    """A factor runs straight between two times; a fixed factor is the same as another scenario."""
    drift = Drift(speed=[[1, 1], [3, 3]], gain=[[4, 4]], period_s=2.0)
    episode = draw(replace(BUSY, drift=drift), 0)
    expected = 2.0 * (1 + np.abs((episode.arrival_s + 2) % 4 - 2))
    np.testing.assert_allclose(episode.speed, np.repeat(expected[:, None], 6, axis=1))
    assert (episode.gains == 4.0).all()
    assert (episode.duration_s[:, -1] == draw(BUSY, 0).duration_s[:, -1]).all()


def test_ranges_are_drawn_for_each_expert_and_type() -> None:
    """Within their range, apart for each expert; without a period once for an episode."""
    drift = Drift(speed=[[0.5, 1.5]], types=[[0.01, 100]])
    episode = draw(replace(BUSY, drift=drift), 0)
    assert (episode.speed == episode.speed[0]).all()
    assert len(set(episode.speed[0])) == 6
    assert ((episode.speed >= 1.0) & (episode.speed <= 3.0)).all()
    shares = [np.bincount(draw(replace(BUSY, drift=drift), k).type) for k in range(3)]
    assert max(counts.argmax() for counts in shares) > 0  # drafts are no longer the most


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"load": [[2, 1]]}, r"drift\.load\[0\] = \[2.0, 1.0\]; allowed: \[least, most\]"),
        ({"load": []}, "drift.load has 0 ranges"),
        ({"speed": [[1, 1], [2, 2]]}, "has 2 ranges; allowed: 1, or more with drift.period_s"),
        ({"gain": [[0, 1]]}, r"drift\.gain\[0\]\[0\] = 0.0; allowed: finite numbers in \[0.01"),
        ({"types": [1, 2]}, "drift.types has shape 2; allowed: any x 2"),
        ({"period_s": 0}, "drift.period_s = 0.0; allowed: a finite number > 0"),
    ],
)
def test_complaints(fields: dict[str, object], complaint: str) -> None:
    """One line that names what is wrong."""
    with pytest.raises(InputError, match=complaint) as error:
        Drift(**fields)
    assert "\n" not in str(error.value)


def test_too_fine_a_drift_is_refused() -> None:
    """Rather than filling the memory."""
    with pytest.raises(InputError, match=r"drift\.period_s = 1e-08; allowed: at least"):
        draw(replace(BUSY, drift=Drift(speed=[[1, 2]], period_s=1e-8)), 0)
