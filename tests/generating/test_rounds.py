"""Rounds: every option reaches the radio, and nothing is made twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from helpers.traced import SCORES

from dmoe_opt import InputError, Instance, Radio, generate
from dmoe_opt.data.rules import OPTIONAL_RULES
from dmoe_opt.generating.presets import check_radio, options
from dmoe_opt.generating.rounds import draw_radio
from dmoe_opt.generating.traces import Trace, to_rounds


def test_options_reach_the_radio() -> None:
    """Every radio option changes the radio and nothing else; interference lowers every gain."""
    plain = generate("edge-8x64", 1)
    assert isinstance(plain, Instance) and plain.radio is not None
    changes: list[dict[str, Any]] = [
        {"mean_snr_db": 3},
        {"bandwidth_hz": 360e3},
        {"fading": "tapped"},
        {"fading": "tapped", "taps": 2},
        {"fading": "tapped", "tap_decay_db": 0.5},
        {"path_loss_exponent": 3.5},
        {"shadowing_db": 4.0},
        {"interference_db": 5.0},
    ]
    digests = {plain.sha256}
    for change in changes:
        data = generate("edge-8x64", 1, **change)
        assert isinstance(data, Instance) and data.radio is not None
        assert (data.scores == plain.scores).all()
        assert (data.compute_energy == plain.compute_energy).all()
        usual = {
            name: value
            for name, value in options("edge-8x64").items()
            if value is not None or name not in OPTIONAL_RULES
        }
        assert data.meta["options"] == usual | change | {"compute_j": [5e-5, 5e-4]}
        digests.add(data.sha256)
    assert len(digests) == len(changes) + 1
    between = ~np.eye(8, dtype=bool)
    assert (data.radio.gains[between] < plain.radio.gains[between]).all()


def test_path_loss_is_reciprocal_in_a_round() -> None:
    """Over 2000 subcarriers the mean gains of both directions agree to five standard errors.

    The mean gains of different pairs do not.
    """
    data = generate("tiny", 1, num_subcarriers=2000, path_loss_exponent=3.0, shadowing_db=6.0)
    assert isinstance(data, Instance) and data.radio is not None
    mean = data.radio.gains.mean(axis=2)
    above = np.triu_indices(3, 1)
    assert mean.T[above] == pytest.approx(mean[above], rel=5 * np.sqrt(2 / 2000))
    assert mean[above].max() > 2 * mean[above].min()


def test_fixed_threshold() -> None:
    """One threshold for all tokens, on the grid, in place of the share."""
    data = generate("tiny", 1, threshold=0.3)
    assert set(data.threshold) == {np.floor(0.3 * 2**20) / 2**20}
    assert (data.scores == generate("tiny", 1).scores).all()


def test_extreme_options_are_finite() -> None:
    """The ends of the ranges overflow nowhere."""
    ends: list[dict[str, Any]] = [
        {"shadowing_db": 100, "path_loss_exponent": 10, "mean_snr_db": 200},
        {
            "fading": "tapped",
            "tap_decay_db": 200,
            "taps": 6,
            "interference_db": 200,
            "mean_snr_db": -200,
        },
        {"num_experts": 1, "max_experts": 1, "path_loss_exponent": 3.0, "shadowing_db": 6.0},
    ]
    for end in ends:
        data = generate("tiny", 1, **end)
        assert isinstance(data, Instance) and data.radio is not None
        assert np.isfinite(data.radio.gains).all()


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


def test_round_trip() -> None:
    """A radio drawn for a round trip has the same gains and needs twice the energy."""
    there, both = (
        draw_radio(np.random.default_rng(1), 4, 8, 1024, round_trip) for round_trip in (False, True)
    )
    assert (there.round_trip, both.round_trip) == (False, True)
    assert (there.gains == both.gains).all()
    assert (2 * there.link_energy_j() == both.link_energy_j()).all()


def test_round_trip_is_no_option() -> None:
    """The problem says whether results come back, not the options of a preset."""
    assert "round_trip" not in options("edge-8x64")
    with pytest.raises(InputError, match="option round_trip is unknown to the radio; allowed: "):
        check_radio({"round_trip": True})


def test_nothing_is_made_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round is checked once and its link energies are computed once, from a preset or a trace."""
    calls: list[str] = []

    def counted(kind: type, name: str) -> None:
        function = getattr(kind, name)

        def call(self: Any) -> Any:
            calls.append(name)
            return function(self)

        monkeypatch.setattr(kind, name, call)

    counted(Instance, "__post_init__")
    counted(Radio, "link_energy_j")
    data = generate("tiny", 2)
    assert sorted(calls) == ["__post_init__", "link_energy_j"]
    assert (data.name, data.meta["preset"], data.meta["seed"]) == ("tiny-s2", "tiny", 2)
    calls.clear()
    (made,) = to_rounds(Trace(SCORES[:1], 2), num_subcarriers=16)
    assert sorted(calls) == ["__post_init__", "link_energy_j"]
    assert (made.name, made.meta["layer"]) == ("trace-l0", 0)
