"""Pictures of profiles: the lines are the numbers of the table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.jobs import THREE_BY_TWO, judged
from matplotlib.figure import Figure

from dmoe_opt.plot import profiles as pictures
from dmoe_opt.sweep import profiles


def test_the_drawn_profile_is_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps that perfprof draws have the heights of the ratios in the CSV."""
    seen: list[Figure] = []
    monkeypatch.setattr(pictures, "png", lambda figure: seen.append(figure) or b"")
    rows = profiles.profile_rows(judged(tmp_path, *THREE_BY_TWO))
    pictures.of_profiles(rows)
    for axes, within in zip(seen[0].axes, profiles.WITHIN, strict=True):
        for drawn, method in zip(axes.lines, ("a", "b"), strict=False):
            x, y = drawn.get_data()
            for ratio in (1.0, 1.5, 2.0, 2.5, 3.0):
                mine = [r for r in rows if (r.within, r.method) == (within, method)]
                height = sum(r.ratio is not None and r.ratio <= ratio for r in mine) / 3
                assert np.asarray(y)[np.asarray(x) <= ratio][-1] == pytest.approx(height)
