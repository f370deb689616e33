"""Fading: each family has the mean power and the correlations it claims."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from dmoe_opt.generating.fading import (
    LEAST_DISTANCE,
    log_distance_gains,
    rayleigh_gains,
    tapped_gains,
    with_interference,
)


def links(gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rows of all ordered links, shape (K(K-1), ...)."""
    return gains[~np.eye(len(gains), dtype=bool)]


def correlation(gains: NDArray[np.float64], spacing: int) -> float:
    """Correlation of the power gains of subcarriers a spacing apart, over all links."""
    flat = links(gains)
    return float(np.corrcoef(flat[:, :-spacing].ravel(), flat[:, spacing:].ravel())[0, 1])


@pytest.mark.parametrize(
    "mean_gain", [0.25, np.linspace(0.1, 2.0, 60 * 60).reshape(60, 60)], ids=["scalar", "array"]
)
def test_mean_power(mean_gain: float | NDArray[np.float64]) -> None:
    """Within five standard errors of 1, relative to the mean gain.

    The power of a link has standard deviation 1: 3540 links with 16 subcarriers are 56,640
    independent draws under Rayleigh fading (standard error 0.0042), and at least 3540 under tapped
    fading (0.017).
    """
    rng = np.random.default_rng(1)
    per_link = np.broadcast_to(mean_gain, (60, 60))[~np.eye(60, dtype=bool)][:, None]
    rayleigh = rayleigh_gains(rng, 60, 16, mean_gain)
    assert (links(rayleigh) / per_link).mean() == pytest.approx(1.0, abs=0.021)
    tapped = tapped_gains(rng, 60, 16, mean_gain, taps=4, decay_db=3.0)
    assert (links(tapped) / per_link).mean() == pytest.approx(1.0, abs=0.084)
    for gains in (rayleigh, tapped):
        assert not gains[np.arange(60), np.arange(60)].any()


def test_correlation_of_subcarriers() -> None:
    """None under Rayleigh fading, and as in theory under tapped fading.

    Theory says |sum_l p_l e^(-2 pi i l d / M)|^2 at spacing d.
    """
    rng = np.random.default_rng(2)
    rayleigh = rayleigh_gains(rng, 60, 32, 1.0)
    assert abs(correlation(rayleigh, 1)) < 5 / np.sqrt(3540 * 31)
    tapped = tapped_gains(rng, 60, 32, 1.0, taps=4, decay_db=3.0)
    found = [correlation(tapped, spacing) for spacing in (1, 2, 4, 8)]
    profile = 10.0 ** (-0.3 * np.arange(4))
    profile /= profile.sum()
    theory = [abs(profile @ np.exp(-2j * np.pi * np.arange(4) * d / 32)) ** 2 for d in (1, 2, 4, 8)]
    assert found == pytest.approx(theory, abs=5 / np.sqrt(3540))
    assert found == sorted(found, reverse=True)
    assert found[0] > 0.9


def test_both_directions_fade_apart() -> None:
    """The gains of i -> j and j -> i are uncorrelated under tapped fading."""
    gains = tapped_gains(np.random.default_rng(3), 60, 1, 1.0, taps=1, decay_db=0.0)[..., 0]
    above = np.triu_indices(60, 1)
    assert abs(np.corrcoef(gains[above], gains.T[above])[0, 1]) < 5 / np.sqrt(1770)


def test_one_tap_is_flat() -> None:
    """All subcarriers of a link fade alike, and links still differ."""
    gains = links(tapped_gains(np.random.default_rng(4), 5, 8, 1.0, taps=1, decay_db=3.0))
    np.testing.assert_allclose(gains, gains[:, :1] * np.ones(8), rtol=1e-12)
    assert len(set(gains[:, 0])) == 20


def test_path_loss_by_hand() -> None:
    """Nodes on a line: the reference gain at half a side, an eighth of it at a side; reciprocal.

    The exponent is 3.
    """
    positions = np.array([[0.0, 0.0], [0.5, 0.0], [1.0, 0.0], [1.0, 1e-9]])
    gains = log_distance_gains(np.random.default_rng(0), positions, 2.0, 3.0, 0.0)
    assert gains[0, 1:3] == pytest.approx([2.0, 0.25], rel=1e-12)
    assert gains[2, 3] == pytest.approx(2.0 * (0.5 / LEAST_DISTANCE) ** 3, rel=1e-12)
    assert (gains == gains.T).all()
    assert not np.diag(gains).any()


def test_path_loss_falls_with_distance() -> None:
    """Without shadowing the farther of any two links has the lower mean gain."""
    rng = np.random.default_rng(5)
    positions = rng.random((12, 2))
    distance = links(np.linalg.norm(positions[:, None] - positions, axis=2))
    gains = links(log_distance_gains(rng, positions, 1.0, 2.5, 0.0))
    assert (np.diff(gains[np.argsort(distance)]) <= 0).all()


def test_shadowing() -> None:
    """Reciprocal, and of the standard deviation asked for.

    1770 pairs give it to 1.7 %; five times as much is allowed.
    """
    gains = log_distance_gains(
        np.random.default_rng(6), np.random.default_rng(7).random((60, 2)), 1.0, 0.0, 8.0
    )
    assert (gains == gains.T).all()
    shadow = 10 * np.log10(gains[np.triu_indices(60, 1)])
    assert shadow.std() == pytest.approx(8.0, rel=0.085)
    assert shadow.mean() == pytest.approx(0.0, abs=5 * 8.0 / np.sqrt(1770))


def test_interference() -> None:
    """One factor for each subcarrier, shared by all links and below 1, of the mean asked for."""
    gains = rayleigh_gains(np.random.default_rng(8), 4, 20_000, 1.0)
    factor = links(with_interference(np.random.default_rng(9), gains, 3.0)) / links(gains)
    np.testing.assert_allclose(factor, factor[:1] * np.ones((12, 1)), rtol=1e-12)
    assert (factor < 1).all()
    assert (1 / factor[0] - 1).mean() == pytest.approx(3.0, abs=5 * 3.0 / np.sqrt(20_000))
