"""Fading: each family has the mean power and the correlations it claims, and the presets draw from it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from dmoe_opt import InputError, Instance, generate
from dmoe_opt.generating.fading import (
    LEAST_DISTANCE,
    log_distance_gains,
    rayleigh_gains,
    tapped_gains,
    with_interference,
)
from dmoe_opt.generating.presets import PRESETS, options

LARGE = ("wide-32x1024", "nr-273", "olmoe-64", "qwen3-128", "deepseek-256")


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

    The power of a link has standard deviation 1: 3540 links with 16 subcarriers are 56,640 independent draws under
    Rayleigh fading (standard error 0.0042), and at least 3540 under tapped fading (0.017).
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
    """None under Rayleigh fading; under tapped fading that of theory: |sum_l p_l e^(-2 pi i l d / M)|^2 at spacing d."""
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
    """Nodes on a line: the reference gain at half a side, an eighth of it at twice that for exponent 3; reciprocal."""
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
    """Reciprocal, and of the standard deviation asked for: 1770 pairs give it to 1.7 %, five times that is allowed."""
    gains = log_distance_gains(
        np.random.default_rng(6), np.random.default_rng(7).random((60, 2)), 1.0, 0.0, 8.0
    )
    assert (gains == gains.T).all()
    shadow = 10 * np.log10(gains[np.triu_indices(60, 1)])
    assert shadow.std() == pytest.approx(8.0, rel=0.085)
    assert shadow.mean() == pytest.approx(0.0, abs=5 * 8.0 / np.sqrt(1770))


def test_interference() -> None:
    """One factor a subcarrier, shared by all links and below 1; its mean ratio is the one asked for."""
    gains = rayleigh_gains(np.random.default_rng(8), 4, 20_000, 1.0)
    factor = links(with_interference(np.random.default_rng(9), gains, 3.0)) / links(gains)
    np.testing.assert_allclose(factor, factor[:1] * np.ones((12, 1)), rtol=1e-12)
    assert (factor < 1).all()
    assert (1 / factor[0] - 1).mean() == pytest.approx(3.0, abs=5 * 3.0 / np.sqrt(20_000))


def test_options_reach_the_radio() -> None:
    """Every radio option changes the radio and nothing else of the instance; interference lowers every gain."""
    plain = generate("edge-8x64", 1)
    assert isinstance(plain, Instance) and plain.radio is not None
    changes: list[dict[str, Any]] = [
        {"mean_snr_db": 3}, {"bandwidth_hz": 360e3}, {"fading": "tapped"}, {"fading": "tapped", "taps": 2},
        {"fading": "tapped", "tap_decay_db": 0.5}, {"path_loss_exponent": 3.5}, {"shadowing_db": 4.0},
        {"interference_db": 5.0},
    ]  # fmt: skip
    digests = {plain.sha256}
    for change in changes:
        data = generate("edge-8x64", 1, **change)
        assert isinstance(data, Instance) and data.radio is not None
        assert (data.scores == plain.scores).all() and (
            data.compute_energy == plain.compute_energy
        ).all()
        assert data.meta["options"] == options("edge-8x64") | change | {"compute_j": [5e-5, 5e-4]}
        digests.add(data.sha256)
    assert len(digests) == len(changes) + 1
    assert (links(data.radio.gains) < links(plain.radio.gains)).all()


def test_path_loss_is_reciprocal_in_a_round() -> None:
    """Over 2000 subcarriers the mean gains of both directions agree to five standard errors, those of pairs do not."""
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


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_reproducible(preset: str) -> None:
    """Equal from equal seeds, with the sizes they announce; the large ones with few tokens."""
    changes = {"num_tokens": 8} if preset in LARGE else {}
    data = generate(preset, 3, **changes)
    if preset not in LARGE:
        assert data.sha256 == generate(preset, 3).sha256
    o = options(preset) | changes
    assert (data.num_experts, data.num_tokens, data.max_experts) == (
        o["num_experts"],
        o["num_tokens"],
        o["max_experts"],
    )
    if isinstance(data, Instance):
        assert data.num_subcarriers == o["num_subcarriers"]
        assert data.source.tolist() == [
            t % (o["num_sources"] or o["num_experts"]) for t in range(o["num_tokens"])
        ]


def fewest_links(data: Instance) -> int:
    """Least number of links with which every token reaches its threshold, by enumeration; max_experts is 2."""
    problem, experts, total = data.selection_problem(), np.arange(data.num_experts), 0
    subsets = (np.arange(2**data.num_experts)[:, None] >> experts & 1).astype(bool)
    for node in experts:
        units = problem.usable_units[data.source == node]
        best = np.zeros((len(subsets), len(units)))
        for i in experts:
            for j in experts[i + 1 :]:
                both = subsets[:, [i]] * units[:, i] + subsets[:, [j]] * units[:, j]
                best = np.maximum(best, both)
        serves = (best >= problem.need_units[data.source == node]).all(axis=1) & subsets[:, node]
        total += int(subsets[serves].sum(axis=1).min()) - 1
    return total


@pytest.mark.parametrize(("preset", "answers"), [("scarce-8x36", 9), ("scarce-8x48", 8)])
def test_scarcity(preset: str, answers: int) -> None:
    """Most of seeds 0 to 9 have an answer, with at most 5 subcarriers to spare: enough links can be open at once."""
    spare = []
    for seed in range(10):
        data = generate(preset, seed)
        assert isinstance(data, Instance)
        spare.append(data.num_subcarriers - fewest_links(data))
    assert sum(number >= 0 for number in spare) == answers
    assert max(spare) <= 5


def test_scarce_presets() -> None:
    """Fewer subcarriers than links."""
    scarce = [name for name in PRESETS if name.startswith("scarce")]
    assert len(scarce) == 3
    for o in map(options, scarce):
        assert o["num_subcarriers"] < o["num_experts"] * (o["num_experts"] - 1)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("fading", "rician", '"rayleigh" or "tapped"'),
        ("fading", None, "a string"),
        ("taps", 0, "a whole number from 1 to 2^31"),
        ("taps", 65, "a whole number from 1 to the number of subcarriers, 64"),
        ("tap_decay_db", -1.0, "decibels in [0, 200]"),
        ("path_loss_exponent", None, "a number in [0, 10]"),
        ("path_loss_exponent", "3", "a number in [0, 10]"),
        ("shadowing_db", -1, "decibels in [0, 100]"),
        ("shadowing_db", True, "decibels in [0, 100]"),
        ("interference_db", float("nan"), "decibels in [-200, 200]"),
        ("mean_snr_db", 201, "decibels in [-200, 200]"),
        ("bandwidth_hz", 0, "a finite number > 0"),
        ("threshold", -0.5, "a number in [0, 1000000]"),
    ],
)
def test_wrong_options(name: str, value: object, allowed: str) -> None:
    """One line with field, value and what is allowed."""
    with pytest.raises(InputError) as caught:
        generate("correlated-8x64", 1, **{name: value})
    message = str(caught.value)
    assert message.startswith(f"{name} = ")
    assert message.endswith(f"; allowed: {allowed}")
    assert "\n" not in message


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
