"""The part `radio` of a scenario, and the fading of its links."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from dmoe_opt.data import validate
from dmoe_opt.offload.parts import Array, Part

FADING = ("none", "rayleigh")


@dataclass(frozen=True, eq=False)
class BlockRadio(Part):
    """One link to each expert.

    Its gain H is constant for blocks of `coherence_s`. A transfer keeps the rate
    B log2(1 + P H / N0) of the block in which the subtask arrives, both ways.

    Parameters
    ----------
    bandwidth_hz, power_w, noise_w
        B, P and N0.
    coherence_s
        Length of a block, s.
    fading
        "none", or "rayleigh": the amplitude is complex Gaussian and first-order autoregressive.
    correlation
        Correlation of the amplitudes of one block and the next, in [0, 1].
    """

    bandwidth_hz: float
    power_w: float
    noise_w: float
    coherence_s: float
    fading: str = "rayleigh"
    correlation: float = 0.0
    part = "radio"

    def __post_init__(self) -> None:
        self._number("bandwidth_hz power_w noise_w coherence_s")
        validate.word("radio.fading", self.fading, FADING)
        self._number("correlation", least=0.0, most=1.0)


def fading(rng: np.random.Generator, radio: BlockRadio, shape: tuple[int, int]) -> Array:
    """Power gains of unit mean for each block and expert, (B, E).

    The amplitude of a Rayleigh link is g[b] = c g[b - 1] + sqrt(1 - c^2) w[b] with the correlation
    c and complex Gaussian w.
    """
    if radio.fading == "none":
        return np.ones(shape)
    fresh = rng.standard_normal((2, *shape))
    fresh[:, 1:] *= np.sqrt(1.0 - radio.correlation**2)
    amplitude = lfilter([1.0], [1.0, -radio.correlation], fresh, axis=1)
    return np.asarray((amplitude**2).sum(axis=0) / 2.0)
