"""Recorded arrivals become episodes of a scenario."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dmoe_opt import InputError
from dmoe_opt.offload.episode import draw
from dmoe_opt.offload.presets import preset
from dmoe_opt.offload.recorded import episode, read


def test_a_drawn_episode_comes_back(tmp_path: Path) -> None:
    """Arrivals, jobs and types of an episode, shuffled and moved in time, come back."""
    drawn = draw(preset("busy"), 0)
    rows = np.column_stack([drawn.type, drawn.arrival_s + 2.0**20, 7 * drawn.job])
    np.random.default_rng(0).shuffle(rows)
    path = tmp_path / "log.csv"
    np.savetxt(path, rows, "%.17g", ",", header="type,arrival_s,job", comments="")
    again = episode(preset("busy"), read(path))
    np.testing.assert_allclose(again.arrival_s, drawn.arrival_s - drawn.arrival_s[0], atol=1e-9)
    assert (again.job == drawn.job).all()
    assert (again.type == drawn.type).all()
    assert again.gains.shape[1] == 6


def test_times_alone_are_enough(tmp_path: Path) -> None:
    """Without jobs each subtask is a job, and types are drawn as the scenario says, by the seed."""
    path = tmp_path / "times.csv"
    path.write_text("3\n1\n2\n")
    first = episode(preset("fading"), read(path), 1)
    assert first.arrival_s.tolist() == [0.0, 1.0, 2.0]
    assert first.share.tolist() == [1.0, 1.0, 1.0]
    assert (first.work != episode(preset("fading"), read(path), 2).work).any()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("time\n1\n", "column = 'time'; allowed: arrival_s, job, type"),
        ("job,type\n1,0\n", 'column "arrival_s" is missing; allowed: job, type'),
        ("arrival_s\nnan\n", "arrival_s"),
        ("arrival_s,type\n3,0\n1,2\n2,3\n", r"wrong\.csv: type\[1\] = 2; allowed: types 0\.\.1"),
        ("", "is empty"),
    ],
)
def test_complaints(tmp_path: Path, text: str, complaint: str) -> None:
    """One line that names what is wrong."""
    path = tmp_path / "wrong.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=complaint) as error:
        episode(preset("fading"), read(path))
    assert "\n" not in str(error.value)
