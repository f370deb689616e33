"""The radio: from gains to joules."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from dmoe_opt import InputError, Instance, Radio, solve


def test_energy_by_hand() -> None:
    """SNR 3 gives 2 bit/s/Hz: 65536 bits at 2 Mbit/s and 10 mW cost 0.32768 mJ.

    A round trip costs twice as much.
    """
    gains = np.full((2, 2, 1), 0.3)
    radio = Radio(gains=gains, bandwidth_hz=1e6, power_w=1e-2, noise_w=1e-3, payload_bits=65536)
    assert radio.rate_bit_s()[0, 1, 0] == pytest.approx(2e6, rel=1e-12)
    assert radio.link_energy_j()[0, 1, 0] == pytest.approx(3.2768e-4, rel=1e-12)
    assert radio.link_energy_j()[0, 0, 0] == 0.0
    twice = Radio(
        gains=gains,
        bandwidth_hz=1e6,
        power_w=1e-2,
        noise_w=1e-3,
        payload_bits=65536,
        round_trip=True,
    )
    assert twice.link_energy_j()[0, 1, 0] == pytest.approx(6.5536e-4, rel=1e-12)


@pytest.mark.parametrize("gain", [0.0, 5e-324, 1e-300, 1e-20, 1e20, 1e300, 1.7e308])
def test_extreme_gains_have_an_answer(gain: float) -> None:
    """Dead and perfect links alike: a checked answer, no warning, no overflow."""
    radio = Radio(
        gains=np.full((2, 2, 2), gain),
        bandwidth_hz=1e6,
        power_w=1e-2,
        noise_w=1e-3,
        payload_bits=1e4,
    )
    data = Instance(
        source=[0, 1],
        scores=[[0.25, 0.75]] * 2,
        threshold=0.75,
        max_experts=1,
        compute_energy=[1.0, 1.0],
        radio=radio,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = solve(data)
    assert result.status == "optimal"
    assert result.shortfall == ((0,) if gain < 1e-15 else ())


def test_gains_in_decibels() -> None:
    """20 dB are a factor of 100, -inf dB no link; negative linear gains get the hint."""
    gains_db = np.array([[[0.0, 0.0], [20.0, -30.0]], [[-np.inf, -90.0], [0.0, 0.0]]])
    fields = {"bandwidth_hz": 1.0, "power_w": 1.0, "noise_w": 1.0, "payload_bits": 1.0}
    radio = Radio.from_db(gains_db, **fields)
    assert radio.gains == pytest.approx(10 ** (gains_db / 10), rel=1e-15)
    assert radio.gains[1, 0, 0] == 0
    message = r"gains\[0\]\[1\]\[1\] = -30.0; allowed: .*; negative gains look like dB, .* \(--db\)"
    with pytest.raises(InputError, match=message):
        Radio(gains_db, **fields)
    for bad, shown in ((np.nan, "nan"), (np.inf, "inf"), (3001.0, "3001.0")):
        with pytest.raises(InputError, match=rf"gains_db\[0\]\[0\]\[0\] = {shown}; allowed: "):
            Radio.from_db([[[bad]]], **fields)
