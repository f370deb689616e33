"""From gains to joules, and the generator that draws them."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from dmoe_opt import InputError, Instance, Radio, generate, solve
from dmoe_opt.generating.gates import GRID, importance
from dmoe_opt.generating.presets import PRESETS


def test_energy_by_hand() -> None:
    """SNR 3 gives 2 bit/s/Hz: 65536 bits at 2 Mbit/s and 10 mW cost 0.32768 mJ, twice that for a round trip."""
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


@pytest.mark.parametrize("preset", [p for p in PRESETS if p not in ("qwen3-128", "deepseek-256")])
def test_presets(preset: str) -> None:
    """Same seed, same data; another seed, other data; scores and thresholds on the grid; no token falls short."""
    changes = {"num_tokens": 20}
    one, same, other = (
        generate(preset, 1, **changes),
        generate(preset, 1, **changes),
        generate(preset, 2, **changes),
    )
    assert one.sha256 == same.sha256 != other.sha256
    assert one.name == f"{preset}-s1"
    for values in (one.scores, one.threshold):
        assert (values / GRID == np.rint(values / GRID)).all()
    result = solve(one)
    assert result.status == "optimal"
    assert result.shortfall == ()


def test_mean_snr_of_the_edge_preset() -> None:
    """About 10 dB on average, and both directions of a pair fade independently."""
    data = generate("edge-8x64", 1)
    assert isinstance(data, Instance)
    assert data.radio is not None
    off = ~np.eye(8, dtype=bool)
    snr = data.radio.gains[off] * data.radio.power_w / data.radio.noise_w
    assert 10 * np.log10(snr.mean()) == pytest.approx(10, abs=0.3)
    there, back = data.radio.gains[off], data.radio.gains.transpose(1, 0, 2)[off]
    assert abs(np.corrcoef(there.ravel(), back.ravel())[0, 1]) < 0.1


def test_unknown_presets_and_options() -> None:
    """Names are listed when one is wrong."""
    with pytest.raises(InputError, match='preset = "moon"; allowed: tiny, '):
        generate("moon")
    with pytest.raises(
        InputError, match="option colour is unknown to preset tiny; allowed: num_experts"
    ):
        generate("tiny", colour=1)
    with pytest.raises(InputError, match="seed = -1"):
        generate("tiny", -1)


def test_importance_factor() -> None:
    """gamma^(l) = gamma0^l; gamma0 = 1 is the homogeneous scheme."""
    assert importance(3, 0.5).tolist() == [0.5, 0.25, 0.125]
    assert importance(3, 1.0).tolist() == [1.0, 1.0, 1.0]
