"""The radio: channel power gains to rates to joules per token.

The rate of a link on a subcarrier is r = B0 log2(1 + P0 H / N0) in bit/s, and a token of s0 bits
costs P0 s0 / r joules. See docs/problems/round.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data import validate
from dmoe_opt.errors import InputError

DEAD_LINK_J = 1e9
"""A link on which one token would cost more than this many joules counts as unusable."""
MOST_TOKENS = 2**40
"""What a subcarrier can send at most: far more tokens than any round has."""
ON_TIME = 1e-9
"""Relative rounding that is granted to a token that ends exactly at a deadline."""
MOST_DB = 3000.0
"""Largest gain in decibels, up or down; far beyond any channel."""


@dataclass(frozen=True, eq=False)
class Radio:
    """OFDMA links between K nodes on M subcarriers.

    Parameters
    ----------
    gains
        Channel power gain of link i -> j on subcarrier m, linear, shape (N, N, M). A gain of 0 is a
        link that cannot be used; the diagonal is ignored.
    bandwidth_hz, power_w, noise_w
        Bandwidth, transmit power and noise power of one subcarrier.
    payload_bits
        Size of one hidden state.
    round_trip
        Whether the result comes back over the reciprocal channel, which doubles the energy of a
        link.

    Raises
    ------
    InputError
        If a value is not finite, has the wrong sign, or the gains are not of shape (N, N, M).

    Examples
    --------
    At a signal-to-noise ratio of 1 the rate is one bit per second and hertz, so one bit at 1 W
    takes 1 J:

    >>> import numpy as np
    >>> from dmoe_opt import Radio
    >>> radio = Radio(
    ...     np.ones((2, 2, 1)), bandwidth_hz=1.0, power_w=1.0, noise_w=1.0, payload_bits=1.0
    ... )
    >>> radio.link_energy_j()[:, :, 0].tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """

    gains: NDArray[np.float64]
    bandwidth_hz: float
    power_w: float
    noise_w: float
    payload_bits: float
    round_trip: bool = False

    def __post_init__(self) -> None:
        gains = self._linear_gains()
        if gains.shape[0] != gains.shape[1]:
            raise InputError(f"radio.gains has shape {gains.shape}; allowed: N x N x M")
        object.__setattr__(self, "gains", gains)
        for field in ("bandwidth_hz", "power_w", "noise_w", "payload_bits"):
            object.__setattr__(self, field, validate.real(f"radio.{field}", getattr(self, field)))
        object.__setattr__(self, "round_trip", validate.flag("radio.round_trip", self.round_trip))

    def _linear_gains(self) -> NDArray[np.float64]:
        try:
            return validate.real_array("radio.gains", self.gains, (None, None, None))
        except InputError as error:
            if "] = -" not in str(error):
                raise
            hint = "negative gains look like dB, which Radio.from_db (--db) reads"
            raise InputError(f"{error}; {hint}") from None

    @classmethod
    def from_db(cls, gains_db: Any, **others: Any) -> Self:
        """A radio from channel power gains in decibels, H = 10^(g / 10).

        Parameters
        ----------
        gains_db
            Gains in dB, shape (K, K, M); -inf is a link that cannot be used. Of a received power
            in dBm subtract the transmit power in dBm first; a path loss is a negative gain.
        others
            The other fields: `bandwidth_hz`, `power_w`, `noise_w`, `payload_bits`, `round_trip`.

        Raises
        ------
        InputError
            If a gain is no number, or beyond 3000 dB.

        Examples
        --------
        >>> from dmoe_opt import Radio
        >>> gains_db = [[[0.0], [-20.0]], [[-30.0], [0.0]]]
        >>> radio = Radio.from_db(
        ...     gains_db, bandwidth_hz=1e6, power_w=0.1, noise_w=1e-6, payload_bits=65536
        ... )
        >>> radio.gains[:, :, 0].tolist()
        [[1.0, 0.01], [0.001, 1.0]]
        """
        decibels = validate.numbers("radio.gains_db", gains_db)
        dead = decibels == -np.inf
        decibels = validate.real_array(
            "radio.gains_db",
            np.where(dead, 0.0, decibels),
            (None, None, None),
            most=MOST_DB,
            least=-MOST_DB,
        )
        return cls(np.where(dead, 0.0, 10.0 ** (decibels / 10.0)), **others)

    __reduce__ = validate.reduced

    def at_mean_snr(self, snr_db: float) -> Radio:
        """The same radio with the noise that gives its links a mean SNR of so many decibels."""
        mean_gain = 1.0 if self.mean_gain is None else self.mean_gain
        return replace(self, noise_w=self.power_w * mean_gain / 10.0 ** (snr_db / 10.0))

    @property
    def mean_gain(self) -> float | None:
        """Mean gain over links and subcarriers; None for a single node."""
        links = self.gains[~np.eye(len(self.gains), dtype=bool)]
        return float(links.mean()) if links.size else None

    def rate_bit_s(self) -> NDArray[np.float64]:
        """Shannon rate B0 log2(1 + P0 H / N0), bit/s, shape (N, N, M)."""
        # In place, since the gains of a large round are most of what there is in memory.
        with np.errstate(over="ignore", under="ignore"):
            rate = self.gains * (self.power_w / self.noise_w)
            np.minimum(rate, np.finfo(np.float64).max, out=rate)
            np.log1p(rate, out=rate)
            rate /= np.log(2.0)
            rate *= self.bandwidth_hz
            return np.asarray(rate)

    def link_energy_j(self) -> NDArray[np.float64]:
        """Energy P0 s0 / r of one token on every link and subcarrier, J, shape (N, N, M).

        It is twice that with `round_trip`, inf where a link cannot be used, and 0 on the diagonal,
        which needs no link.
        """
        ways = 2.0 if self.round_trip else 1.0
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            energy = self.rate_bit_s()
            np.divide(self.power_w * self.payload_bits * ways, energy, out=energy)
        energy[~(energy <= DEAD_LINK_J)] = np.inf
        nodes = np.arange(energy.shape[0])
        energy[nodes, nodes, :] = 0.0
        return energy

    def tokens_within(self, seconds: float) -> NDArray[np.int64]:
        """Whole tokens that a subcarrier can send in a time, U = floor(tau r / s0), (N, N, M).

        With `round_trip` it is half as many, since the result comes back in the same time.

        Examples
        --------
        At one bit per second, a token of 2 bits takes 2 s:

        >>> import numpy as np
        >>> from dmoe_opt import Radio
        >>> radio = Radio(
        ...     np.ones((2, 2, 1)), bandwidth_hz=1.0, power_w=1.0, noise_w=1.0, payload_bits=2.0
        ... )
        >>> radio.tokens_within(5.0)[0, 1].tolist()
        [2]
        """
        ways = 2.0 if self.round_trip else 1.0
        with np.errstate(over="ignore"):
            tokens = self.rate_bit_s() * (seconds / (self.payload_bits * ways))
        return np.asarray(np.minimum(np.floor(tokens * (1 + ON_TIME)), MOST_TOKENS), dtype=np.int64)
