"""`dmoe-opt place`: what it writes, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.drawn import Ended

from dmoe_opt import generate, load, save
from dmoe_opt.data.placements import read_placement

Typed = Callable[..., Ended]
MEMORY = '{"format": "dmoe-opt/memory", "version": 1, %s}'


def put_rounds(folder: Path) -> None:
    """Two rounds of 8 experts on 4 nodes, and one without nodes."""
    (folder / "rounds").mkdir()
    for seed in range(2):
        round_ = generate("mixtral-8-on-4", seed, num_tokens=8)
        save(round_.replace(meta={"layer": seed}), folder / "rounds" / f"{round_.name}.json")
    save(generate("subset-sum", 1, num_tokens=8), folder / "bare.npz")
    (folder / "small.json").write_text(MEMORY % '"memory": 1')
    (folder / "odd.json").write_text(MEMORY % '"memory": [4, 2, 2, 2], "size": 1.5')
    (folder / "shape.json").write_text(MEMORY % '"memory": [4, 4]')


def test_rounds_are_written_with_their_placement(typed: Typed, tmp_path: Path) -> None:
    """Each layer has its own; the file says the same as the rounds and as the document."""
    put_rounds(tmp_path)
    done = typed("place", "rounds", "--nodes", "4", "--time-limit", "0", "-o", "out", "--json")
    assert done.returncode == 0, done.stderr
    layers = json.loads(done.stdout)["layers"]
    written = read_placement(tmp_path / "out" / "placement.json")
    assert [layer.layer for layer in written.layers] == [0, 1]
    for seed, layer in enumerate(written.layers):
        assert layer.placement == layers[seed]["placement"]
        round_ = load(tmp_path / "out" / "rounds" / f"mixtral-8-on-4-s{seed}.json")
        assert [[n] for n in round_.placement.tolist()] == layer.placement
    lines = (tmp_path / "out" / "placements.csv").read_text().splitlines()
    assert len(lines) == 1 + 2 * 6


def test_names_of_rounds_are_no_paths(typed: Typed, tmp_path: Path) -> None:
    """Rounds are written inside the folder, each to a file of its own, whatever they are called."""
    (tmp_path / "rounds").mkdir()
    for seed in range(2):
        round_ = generate("mixtral-8-on-4", seed, num_tokens=4).replace(name="../../up")
        save(round_, tmp_path / "rounds" / f"{seed}.json")
    done = typed("place", "rounds", "--nodes", "4", "--time-limit", "0", "-o", "out")
    assert done.returncode == 0, done.stderr
    written = {path.name for path in (tmp_path / "out" / "rounds").iterdir()}
    assert written == {"up.json", "up-1.json"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("rounds --nodes 3", "has 4 nodes, and --nodes is 3; allowed: --nodes 4, or a router"),
        ("rounds --nodes 4 --memory small.json", "the experts do not fit: they need 8 and the nod"),
        ("rounds --nodes 4 --memory odd.json", "the experts do not fit: they need 12 and the n"),
        ("rounds --nodes 4 --memory shape.json", "shape.json: memory has shape 2; allowed: 4"),
        ("rounds --nodes 4 --tokens 5", "--tokens is not taken for rounds in files"),
        ("rounds --nodes 4 --held-out 1", "held_out = 1.0; allowed: a number from 0 to below 1"),
        ("bare.npz --nodes 4", "a selection problem has no nodes; allowed: rounds"),
        ("rounds", "Missing option '--nodes'"),
        ("no-such --nodes 4", "no-such: cannot be read"),
    ],
)
def test_bad_input_is_one_line(typed: Typed, tmp_path: Path, line: str, message: str) -> None:
    """It names the option or file, the value and what is allowed."""
    put_rounds(tmp_path)
    done = typed("place", *line.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
