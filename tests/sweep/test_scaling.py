"""Exponents of time against size, on exact powers and by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.jobs import judged, line, powers

from dmoe_opt.sweep import scaling


def test_exponents_of_exact_powers(tmp_path: Path) -> None:
    """Found with an interval of no width, per method, from three sizes on."""
    rows = powers("a", 1.0, (2, 4, 8, 16)) + powers("b", 2.5, (3, 9, 27)) + powers("c", 1.0, (2, 4))
    points = scaling.scaling_points(judged(tmp_path, *rows))
    assert {p.size_is for p in points} == {"tokens"}
    assert [(p.jobs, p.lower_s / p.median_s, p.upper_s / p.median_s) for p in points] == [
        (3, 0.75, 2.0)
    ] * 9
    a, b, c = scaling.scaling_fits(points)
    assert (a.exponent, a.exponent_ci95, a.factor_s) == pytest.approx((1.0, 0.0, 1e-3), abs=1e-6)
    assert (b.exponent, b.exponent_ci95, b.factor_s) == pytest.approx((2.5, 0.0, 1e-3), abs=1e-6)
    assert (c.sizes, c.exponent) == (2, None)
    assert list(map(str, (a, b, c))) == ["1.00 ± 0.00", "2.50 ± 0.00", "too few sizes"]
    assert scaling.scaling_points(judged(tmp_path, *powers("a", 1.0, (2, 4)))) == []


def test_the_interval_of_an_exponent(tmp_path: Path) -> None:
    """Times 1, 2, 8 at sizes 1, 2, 4: slope 1.5, and Student's t with one degree of freedom."""
    rows = [
        line("a", tokens=n, instance_sha256=str(n), options={"num_tokens": n}, wall_s=t)
        for n, t in ((1, 1), (2, 2), (4, 8))
    ]
    (fit,) = scaling.scaling_fits(scaling.scaling_points(judged(tmp_path, *rows)))
    residual = np.array([1 / 6, -1 / 3, 1 / 6])
    width = 12.7062047 * np.sqrt((residual**2).sum() / 1 / 2)
    assert (fit.exponent, fit.exponent_ci95) == pytest.approx((1.5, width))
    assert width > 1
    assert str(fit) == "undetermined"


def test_a_time_limit_is_not_a_time(tmp_path: Path) -> None:
    """Sizes at which most jobs were stopped are drawn, not fitted.

    They would say that time does not grow.
    """
    rows = powers("a", 2.0, (2, 4, 8, 16))
    for row in rows:
        row["options"] = row["options"] | {"time_limit": 0.1}
        row["wall_s"] = min(row["wall_s"], 0.1)
    points = scaling.scaling_points(judged(tmp_path, *rows))
    assert [(p.stopped, p.censored) for p in points] == [
        (0, False),
        (0, False),
        (1, False),
        (3, True),
    ]
    (fit,) = scaling.scaling_fits(points)
    assert (fit.sizes, fit.exponent) == (3, pytest.approx(2.0))


def test_what_size_is(tmp_path: Path) -> None:
    """Tokens times experts where both vary, else the one that varies.

    Presets of one size each share a panel.
    """
    sizes = ((2, 2), (2, 3), (4, 3))
    both = [line("a", n, tokens=t, experts=k) for n, (t, k) in enumerate(sizes)]
    assert {(p.size_is, p.size) for p in scaling.scaling_points(judged(tmp_path, *both))} == {
        ("tokens times experts", size) for size in (4, 6, 12)
    }
    air = [line("a", n, subcarriers=m, preset=f"preset {n}") for n, m in enumerate((16, 32, 64))]
    points = scaling.scaling_points(judged(tmp_path, *air))
    assert {(p.preset, p.size_is) for p in points} == {(scaling.ALL_PRESETS, "subcarriers")}
