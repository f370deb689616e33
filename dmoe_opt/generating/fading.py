"""Fading: channel power gains of N(N-1) links on M subcarriers, drawn from standard models.

A mean gain is one number, or an array of shape (N, N) for links of unequal strength. Gains are
linear, of shape (N, N, M), and 0 on the diagonal. Both directions of a pair fade independently.
Source of the models: A. Goldsmith, *Wireless Communications*, Cambridge University Press 2005,
chapters 2 and 3. Arguments are taken as checked.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

REFERENCE_DISTANCE = 0.5
"""Reference distance of the path loss, in sides of the square: the median distance is 0.51."""
LEAST_DISTANCE = 0.02
"""Least distance of two nodes, in sides of the square: log-distance path loss diverges at 0."""


def rayleigh_gains(
    rng: np.random.Generator,
    num_nodes: int,
    num_subcarriers: int,
    mean_gain: float | NDArray[np.float64],
) -> NDArray[np.float64]:
    """Rayleigh fading: exponential power gains, shape (N, N, M).

    They are independent over ordered pairs and subcarriers. The probability of distinct best
    subcarriers in docs/problems/joint.md assumes that both directions are independent.
    """
    power = rng.standard_exponential((num_nodes, num_nodes, num_subcarriers))
    return _scaled(power, mean_gain)


def tapped_gains(
    rng: np.random.Generator,
    num_nodes: int,
    num_subcarriers: int,
    mean_gain: float | NDArray[np.float64],
    taps: int,
    decay_db: float,
) -> NDArray[np.float64]:
    """Rayleigh fading through a tapped delay line, which correlates neighbours, shape (N, N, M).

    Each ordered link has `taps` <= M independent complex Gaussian taps, one sample of the total
    bandwidth apart (1 / (M B0) seconds). The mean power of each tap is `decay_db` below the one
    before (exponential power-delay profile), and the powers sum to 1. The discrete Fourier
    transform of the taps is the response on the M subcarriers. One tap is flat fading; with more
    taps, fewer subcarriers (about M / taps) fade together.
    """
    profile = 10.0 ** (-decay_db / 10.0 * np.arange(taps))
    profile /= profile.sum()
    real, imaginary = rng.standard_normal((2, num_nodes, num_nodes, taps))
    response = np.fft.fft((real + 1j * imaginary) * np.sqrt(profile / 2.0), n=num_subcarriers)
    return _scaled(response.real**2 + response.imag**2, mean_gain)


def log_distance_gains(
    rng: np.random.Generator,
    positions: NDArray[np.float64],
    reference_gain: float,
    exponent: float,
    shadowing_db: float,
) -> NDArray[np.float64]:
    """Mean gains of log-distance path loss with log-normal shadowing, symmetric, shape (N, N).

    `positions` of shape (N, 2) lie in the unit square. `reference_gain` is the median over the
    shadowing at `REFERENCE_DISTANCE`; the gain falls with the distance to the power `exponent`.
    `shadowing_db` is the standard deviation of the shadowing, independent over pairs of nodes. Both
    are reciprocal, and the diagonal is 0. The means have 24 significant bits.
    """
    num_nodes = len(positions)
    offset = positions[:, None] - positions
    distance = np.maximum(np.hypot(offset[..., 0], offset[..., 1]), LEAST_DISTANCE)
    above = np.triu(rng.normal(0.0, shadowing_db, (num_nodes, num_nodes)), 1)
    mean = (
        reference_gain
        * (distance / REFERENCE_DISTANCE) ** -exponent
        * 10.0 ** ((above + above.T) / 10.0)
    )
    np.fill_diagonal(mean, 0.0)
    # Processors disagree about the last bit of a power; a seed has to mean the same instance.
    fraction, power = np.frexp(mean)
    return np.asarray(np.ldexp(np.round(fraction * 2.0**24), power - 24))


def with_interference(
    rng: np.random.Generator, gains: NDArray[np.float64], interference_to_noise: float
) -> NDArray[np.float64]:
    """Gains H / (1 + I_m / N0) under interference that all links share, shape (N, N, M).

    I_m / N0 is exponential with mean `interference_to_noise`, independent over subcarriers: a far
    Rayleigh-fading transmitter. It raises the noise of subcarrier m; since a radio has one noise
    power, the gains carry it.
    """
    return np.asarray(
        gains / (1.0 + interference_to_noise * rng.standard_exponential(gains.shape[2]))
    )


def _scaled(
    power: NDArray[np.float64], mean_gain: float | NDArray[np.float64]
) -> NDArray[np.float64]:
    gains = np.asarray(mean_gain)[..., None] * power
    nodes = np.arange(len(gains))
    gains[nodes, nodes] = 0.0
    return np.asarray(gains)


def estimate(
    rng: np.random.Generator, gains: NDArray[np.float64], error: float
) -> NDArray[np.float64]:
    """Gains as a scheduler believes them, shape (N, N, M).

    A share `error` of the channel's variance is unknown. Amplitudes h of a link with mean power p
    over the band become sqrt(1 - error) h + sqrt(error p) e, with e complex Gaussian of unit
    variance: as strong on average, correlated with the truth by sqrt(1 - error).
    """
    phase = rng.uniform(0.0, 2.0 * np.pi, gains.shape)
    spread = np.sqrt(error / 2.0 * gains.mean(axis=2, keepdims=True))
    noise = rng.standard_normal((2, *gains.shape)) * spread
    amplitude = np.sqrt((1.0 - error) * gains)
    real = amplitude * np.cos(phase) + noise[0]
    imaginary = amplitude * np.sin(phase) + noise[1]
    return np.asarray(real**2 + imaginary**2)
