"""Own gains and scores become a round by one command, which says what it filled in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.drawn import Ended
from scipy.io import savemat

from dmoe_opt import Instance, load, solve

Typed = Callable[..., Ended]
GAINS = np.random.default_rng(1).exponential(1e-10, (2, 2, 3))
SCORES = np.array([[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]])
OTHERS = ("--threshold", "0.5", "--max-experts", "1", "-o", "mine.json")


@pytest.fixture(autouse=True)
def files(tmp_path: Path) -> None:
    np.save(tmp_path / "H.npy", GAINS)
    np.save(tmp_path / "Hdb.npy", 10 * np.log10(GAINS))
    np.savetxt(tmp_path / "H.csv", GAINS.reshape(4, 3), delimiter=",")
    np.save(tmp_path / "flat.npy", GAINS[:, :, 0])
    np.save(tmp_path / "h.npy", np.sqrt(GAINS) * 1j)
    np.savez(tmp_path / "S.npz", scores=SCORES, logits=SCORES - 1)
    values = {"H": GAINS, "source": [0.0, 0.0, 1.0], "J": [[1e-3], [2e-3]], "z": [0.5, 0.5, 0.25]}
    savemat(tmp_path / "all.mat", values)


def made(folder: Path) -> Instance:
    data = load(folder / "mine.json")
    assert isinstance(data, Instance)
    return data


def test_all_that_is_filled_in_is_printed(typed: Typed, tmp_path: Path) -> None:
    """Gains, scores, threshold and cap are the user's; each of the others has its line."""
    done = typed("new", "--gains", "H.npy", "--scores", "S.npz:scores", *OTHERS)
    assert (done.returncode, done.stdout) == (0, "mine.json\n")
    round_ = made(tmp_path)
    assert round_.radio is not None
    assert (round_.radio.gains == GAINS).all()
    assert (round_.scores == SCORES).all()
    assert round_.source.tolist() == [0, 1, 0]
    assert round_.radio.noise_w == pytest.approx(1.380649e-23 * 290 * 1e6)
    lines = [line.split(": ")[1] for line in done.stderr.splitlines()[1:]]
    fields = {"bandwidth", "power", "payload", "noise", "source", "shortfall", "results"}
    assert set(lines) == fields | {"compute energy"}
    assert round_.meta["filled_in"] == [
        line.removeprefix("filled in: ") for line in done.stderr.splitlines()[1:]
    ]
    assert solve(round_, "jesa").status == "optimal"


@pytest.mark.parametrize("gains", [["H.csv"], ["all.mat:H"], ["Hdb.npy", "--db"]])
def test_the_same_round_from_every_kind(typed: Typed, tmp_path: Path, gains: list[str]) -> None:
    """numpy, a table of one row per link, MATLAB, decibels."""
    typed("new", "--gains", *gains, "--scores", "S.npz:scores", *OTHERS)
    radio = made(tmp_path).radio
    assert radio is not None
    assert radio.gains == pytest.approx(GAINS, rel=1e-12)


def test_everything_given(typed: Typed, tmp_path: Path) -> None:
    """Then only the shortfall rule is filled in; MATLAB's vectors and numbers are understood."""
    done = typed(
        *("new", "--gains", "all.mat:H", "--scores", "S.npz:scores", "--threshold", "all.mat:z"),
        *("--max-experts", "1", "--source", "all.mat:source", "--compute-energy", "all.mat:J"),
        *("--bandwidth-hz", "2e6", "--power-w", "0.1", "--snr-db", "10", "--payload-bits", "8192"),
        *("--round-trip", "-o", "mine.json"),
    )
    assert [line.split(": ")[1] for line in done.stderr.splitlines()[1:]] == ["shortfall"]
    round_ = made(tmp_path)
    assert round_.source.tolist() == [0, 0, 1]
    assert round_.threshold.tolist() == [0.5, 0.5, 0.25]
    assert round_.compute_energy.tolist() == [1e-3, 2e-3]
    radio = round_.radio
    assert radio is not None and radio.round_trip
    mean_gain = GAINS[~np.eye(2, dtype=bool)].mean()
    assert 0.1 * mean_gain / radio.noise_w == pytest.approx(10.0)


BAD: list[tuple[list[str], str]] = [
    (["--gains", "Hdb.npy"], "Hdb.npy: radio.gains[0][0][0] = -"),
    (["--gains", "Hdb.npy"], "(--db)"),
    (["--gains", "h.npy"], "h.npy: radio.gains has complex numbers; "),
    (["--gains", "h.npy"], "abs(h) ** 2"),
    (["--gains", "S.npz:scores"], "S.npz:scores: gains have shape 3 x 2; allowed: K x K x M"),
    (["--gains", "all.mat"], "all.mat: the variable is not named; allowed: one of H (2 x 2 x 3)"),
    (["--gains", "none.npy"], "none.npy: cannot be read: No such file or directory"),
    (["--scores", "S.npz:logits"], "S.npz:logits: tokens.scores[0][0] = -0.75; allowed: finite"),
    (["--scores", "S.npz:logits"], "logits become scores by a softmax"),
    (["--scores", "H.npy"], "tokens.scores has shape 2 x 2 x 3; allowed: "),
    (["--threshold", "x"], "x: cannot be read: No such file"),
    (["--compute-energy", "2:1"], "compute_energy = '2:1'; allowed: A:B with A <= B"),
    (["--compute-energy", "all.mat:z"], "compute_energy has shape 3; allowed: 2"),
    (["--source", "all.mat:J"], "tokens.source"),
    (["--noise-w", "1", "--snr-db", "1"], "give --noise-w or --snr-db, one of the two"),
    (["--send-once"], "send_once is given without placement; allowed: both, or none"),
    (["--placement", "all.mat:J"], "placement = "),
    (["--colour", "1"], "--colour"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_bad_input_is_one_line(typed: Typed, options: list[str], message: str) -> None:
    """It names file, field, index and value, and what helps."""
    given: dict[str, Any] = {"--gains": "H.npy", "--scores": "S.npz:scores"}
    given = {name: value for name, value in given.items() if name not in options}
    typed_options = [word for pair in given.items() for word in pair]
    done = typed("new", *typed_options, *OTHERS, *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_experts_on_nodes(typed: Typed, tmp_path: Path) -> None:
    """Four experts on two nodes: scores tell the number of experts, gains that of nodes."""
    scores, node = np.full((3, 4), 0.25), np.array([0, 1, 1, 0])
    np.save(tmp_path / "four.npy", scores)
    np.savetxt(tmp_path / "node.csv", node)
    placed = ("--placement", "node.csv", "--send-once")
    done = typed("new", "--gains", "H.csv", "--scores", "four.npy", *placed, *OTHERS)
    assert (done.returncode, done.stdout) == (0, "mine.json\n")
    round_ = made(tmp_path)
    assert round_.node_of.tolist() == node.tolist()
    assert (round_.num_nodes, round_.num_experts, round_.send_once) == (2, 4, True)


def test_a_matrix_is_one_subcarrier(typed: Typed, tmp_path: Path) -> None:
    """K x K gains have no third axis."""
    typed("new", "--gains", "flat.npy", "--scores", "S.npz:scores", *OTHERS)
    assert made(tmp_path).num_subcarriers == 1
