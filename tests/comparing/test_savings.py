"""Savings against the kept share of the gate weight."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.drawn import Ended

from dmoe_opt import InputError, Instance, generate
from dmoe_opt.comparing.savings import SavingPoint, Spent, ends_at, of_rounds, savings
from dmoe_opt.data.files import instances_folder

Typed = Callable[..., Ended]


def drawn(seed: int) -> list[Instance]:
    layers = [generate("edge-8x64", 10 * seed + n, num_tokens=24) for n in range(2)]
    return [layer for layer in layers if isinstance(layer, Instance)]


def test_a_saving_falls_with_the_share_and_ends_at_the_whole() -> None:
    """DES never spends more than Top-p; at share 1 there is nothing to choose."""
    points = savings(of_rounds(drawn), shares=[0.3, 0.6, 0.9, 1.0], samples=3)
    energies = [(p.topk_j, p.topp_j, p.des_j, p.joint_j) for p in points]
    for topk_j, topp_j, des_j, joint_j in energies:
        assert joint_j <= des_j * (1 + 1e-9) <= topp_j * (1 + 2e-9) <= topk_j * (1 + 3e-9)
    joint = [e[3] for e in energies]
    assert joint == sorted(joint)
    assert all(p.kept >= p.share - 1e-6 for p in points)
    assert points[-1].saved == pytest.approx(0.0, abs=1e-9)
    assert ends_at(points) == 1.0


def test_samples_are_paired_and_sums_go_over_layers() -> None:
    """The mean saving and its interval by hand, with a sample that has no answer."""
    table = {("topk", 0): 4.0, ("joint", 0): 1.0, ("topk", 1): 2.0, ("joint", 1): 1.0}

    def measure(scheduler: str, share: float, seed: int) -> Spent | None:
        energy_j = table.get((scheduler, seed))
        return None if energy_j is None else Spent(energy_j, 1.0)

    (point,) = savings(measure, shares=[0.5], samples=2)
    assert (point.saved, point.topk_j, point.topp_j) == (0.625, 3.0, None)
    assert point.saved_ci95 == pytest.approx(12.706 * 0.125, rel=1e-4)  # t of one degree
    assert point.saved_from_topp is None
    assert ends_at([point]) == 0.5


@pytest.mark.parametrize("shares", [[], [0.0], [1.5]])
def test_bad_shares(shares: list[float]) -> None:
    """Shares lie in (0, 1]."""
    with pytest.raises(InputError, match="shares"):
        savings(of_rounds(drawn), shares=shares, samples=1)


def test_devices_are_measured_and_sourced() -> None:
    """Every line of the table of devices has a figure, a source and a date."""
    for line in json.loads((instances_folder() / "devices.json").read_text()):
        assert line["joules_per_token"] > 0
        assert line["source"] and line["date"] and line["measured"]


def test_the_command(typed: Typed, tmp_path: Path) -> None:
    """Own energies and radio change the numbers; the points, a table and a figure are written."""
    small = ("savings", "edge-8x64", "--samples", "2", "--shares", "0.5,1", "--tokens", "16")
    plain = json.loads(typed(*small, "--json", "-o", "out").stdout)
    assert {"share", "saved", "saved_ci95"} <= set(plain["points"][0])
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"savings.csv", "savings.png"}
    dear = json.loads(typed(*small, "--json", "--snr-db", "0").stdout)
    own = json.loads(typed(*small, "--json", "--compute-energy", "1:1").stdout)
    points: list[SavingPoint] = [d["points"][0]["topk_j"] for d in (plain, dear, own)]
    assert points[0] < points[1] < points[2]
    assert "no saving of JESA" in typed(*small).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("savings", "uncorrelated"), "has no radio"),
        (("savings", "digits", "--gains", "x.npy"), "--gains is not taken"),
        (("savings", "tiny", "--shares", "half"), "shares = 'half'"),
        (("savings", "nowhere"), "nowhere"),
        (("savings", "tiny", "--shadow", "1"), "--shadow"),
    ],
)
def test_one_line_of_complaint(typed: Typed, arguments: tuple[str, ...], message: str) -> None:
    """Bad input ends with exit code 2 and one line."""
    done = typed(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
