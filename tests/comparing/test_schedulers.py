"""Accuracy against energy: the grid of settings, and the fronts."""

from __future__ import annotations

import pytest

from dmoe_opt import InputError
from dmoe_opt.comparing.schedulers import FrontierPoint, frontier

SMALL = {"gamma0": (0.8, 1.0), "z": (0.5, 0.9), "num_tokens": 64}


def beaten(point: FrontierPoint, rival: FrontierPoint) -> bool:
    """Whether the rival costs no more and is worth no less."""
    return rival.energy_per_token_j <= point.energy_per_token_j and rival.worth >= point.worth


def test_fronts_are_fronts() -> None:
    """Marked settings are beaten by none of their scheduler, the others by one."""
    points = frontier("domains", seeds=2, **SMALL)
    for point in points:
        rivals = [p for p in points if p.scheduler == point.scheduler and p is not point]
        assert point.accuracy is not None
        assert point.front != any(beaten(point, rival) for rival in rivals)
        assert point.energy_ci95_j > 0


def test_every_scheduler_has_its_settings() -> None:
    """Dense and Top-k have one setting each, homogeneous one per z; each scheduler is sorted."""
    points = frontier("domains", seeds=1, **SMALL)
    numbers: dict[str, int] = {}
    for point in points:
        numbers[point.scheduler] = numbers.get(point.scheduler, 0) + 1
    each = {"joint": 4, "homogeneous": 2, "des": 4, "topk": 1, "topp": 4, "relaxed": 4, "dense": 1}
    assert numbers == each
    for name in numbers:
        energies = [p.energy_per_token_j for p in points if p.scheduler == name]
        assert energies == sorted(energies)


def test_several_numbers_of_experts() -> None:
    """Top-k is run for each D, dense only once."""
    points = frontier(
        "digits",
        schedulers=["topk", "dense"],
        max_experts=(1, 2),
        seeds=1,
        num_tokens=32,
        layers=1,
    )
    settings = [(p.scheduler, p.gamma0, p.z, p.max_experts) for p in points]
    assert settings == [("topk", 1, 1, 1), ("topk", 1, 1, 2), ("dense", 1, 1, 1)]
    assert all(p.energy_ci95_j is None for p in points)


def test_progress_counts_runs() -> None:
    """Every run is told before it starts."""
    told: list[tuple[int, int]] = []
    frontier(
        "synthetic-32",
        schedulers=["topk", "dense"],
        seeds=2,
        num_tokens=16,
        layers=1,
        progress=lambda done, runs: told.append((done, runs)),
    )
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4)]


def test_the_old_name() -> None:
    """`jesa` is `joint`, and both together are one scheduler."""
    small = {"gamma0": (0.8,), "z": (0.5,), "seeds": 1, "num_tokens": 32}
    with pytest.warns(FutureWarning, match='"jesa" is called "joint" now') as caught:
        points = frontier("digits", schedulers=["jesa", "joint"], **small)
    assert [warning.filename for warning in caught] == [__file__]
    assert points == frontier("digits", schedulers=["joint"], **small)


def test_empty_lists() -> None:
    """One line of complaint."""
    with pytest.raises(InputError, match="z is empty; allowed: at least one value"):
        frontier("digits", z=())
    with pytest.raises(InputError, match="seeds = 0; allowed: "):
        frontier("digits", seeds=0)
