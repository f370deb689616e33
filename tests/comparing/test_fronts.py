"""Fronts against enumeration, and files of points."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from dmoe_opt import InputError
from dmoe_opt.comparing.fronts import fronts, read_frontier, with_fronts
from dmoe_opt.comparing.rows import as_csv
from dmoe_opt.comparing.schedulers import FrontierPoint

TOP = 10
"""Greatest energy and worth on the grid of the enumeration."""


def point(scheduler: str, energy: float, accuracy: float | None) -> FrontierPoint:
    return FrontierPoint(scheduler, 1.0, 0.5, 2, 3, accuracy, 0.01, 0.5, energy, 0.0, 1e-3)


def place(p: FrontierPoint) -> tuple[float, float]:
    return p.energy_per_token_j, p.worth


def undominated(places: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Places that no other one beats, once each."""

    def beats(other: tuple[float, float], mine: tuple[float, float]) -> bool:
        return other != mine and other[0] <= mine[0] and other[1] >= mine[1]

    return sorted({a for a in places if not any(beats(b, a) for b in places)})


def dominated_cells(places: list[tuple[float, float]]) -> int:
    """Cells of the grid from (0, -1) to (11, 10) that one of the places dominates."""
    cells = itertools.product(range(TOP + 1), range(-1, TOP))
    return sum(any(e <= x and w > y for e, w in places) for x, y in cells)


def test_fronts_by_enumeration() -> None:
    """Marks by pairs, hypervolumes by counting cells; the reference is a tenth of the range off."""
    rng = np.random.default_rng(5)
    for _ in range(20):
        points = [point("a", 10.0, 0.0), point("b", 0.0, 0.0), point("b", 10.0, 10.0)]
        for _ in range(12):
            energy, accuracy = rng.integers(0, TOP + 1, 2).astype(float)
            points.append(point("ab"[int(rng.integers(2))], energy, accuracy))
        marked = with_fronts(points)
        for found in fronts(points):
            places = [place(p) for p in points if p.scheduler == found.scheduler]
            on_front = [place(p) for p in marked if p.scheduler == found.scheduler and p.front]
            assert sorted(on_front) == undominated(places)
            assert (found.settings, found.on_front) == (len(places), len(on_front))
            assert (found.reference_energy_j, found.reference_worth) == pytest.approx((11.0, -1.0))
            share = dominated_cells(places) / (TOP + 1) ** 2
            assert found.hypervolume == pytest.approx(share)


def test_files(tmp_path: Path) -> None:
    """What `frontier` writes is read as it was."""
    points = [point("joint", 1e-5, 0.8), point("topk", 2e-5, None)]
    (tmp_path / "frontier.csv").write_text(as_csv(points, FrontierPoint))
    assert read_frontier(tmp_path) == points


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("2e-05", "dear", "line 3: energy_per_token_j = 'dear'; allowed: float"),
        ("2e-05", "nan", "line 3: energy_per_token_j = 'nan'; allowed: finite numbers"),
        ("2e-05", " -Infinity", "line 3: energy_per_token_j = ' -Infinity'; allowed: finite"),
        ("2e-05", "", "line 3: energy_per_token_j = ''; allowed: float"),
        ("latency_s", "delay", "line 1: latency_s is missing; allowed: a column for each of "),
        (",False\n", "\n", "line 2: front = None; allowed: finite numbers"),
    ],
)
def test_a_broken_line_is_one_complaint(tmp_path: Path, old: str, new: str, says: str) -> None:
    """With the line and the field."""
    points = [point("joint", 1e-5, 0.8), point("topk", 2e-5, 0.9)]
    text = as_csv(points, FrontierPoint).replace(old, new)
    (tmp_path / "frontier.csv").write_text(text)
    with pytest.raises(InputError, match=r"frontier\.csv: ") as complaint:
        read_frontier(tmp_path)
    assert says in str(complaint.value)
    assert "\n" not in str(complaint.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a" * 200_000, "line 1: field larger than"),
        (b"", "line 1: scheduler is missing"),
        (b"scheduler\xff", "is not UTF-8: "),
        (as_csv([], FrontierPoint).encode(), "holds no setting; allowed: at least one line"),
    ],
)
def test_a_broken_file_is_one_complaint(tmp_path: Path, content: bytes, says: str) -> None:
    """Empty, in another encoding, or with a header alone."""
    (tmp_path / "frontier.csv").write_bytes(content)
    with pytest.raises(InputError, match=says):
        read_frontier(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        read_frontier(tmp_path / "none")
