"""The commands `protocol` and `frontier`."""

from __future__ import annotations

import csv
import inspect
import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from helpers.drawn import Ended

from dmoe_opt.cli import layers
from dmoe_opt.comparing.schedulers import frontier
from dmoe_opt.layers.protocol import PRESETS, run

Typed = Callable[..., Ended]
SUMS = (
    "accuracy",
    "energy_j",
    "communication_j",
    "computation_j",
    "latency_s",
    "rounds",
    "tokens",
    "shortfalls",
)


def lines_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def is_png(path: Path) -> bool:
    return path.read_bytes()[:4] == b"\x89PNG"


def test_protocol_writes_a_run(typed: Typed, tmp_path: Path) -> None:
    """One JSON document on stdout, and the same in a file beside tables and figures."""
    importance = ("--importance", "1,1,0.5,0.25")
    done = typed("protocol", "digits", "--tokens", "64", *importance, "-o", "run", "--json")
    document = json.loads(done.stdout)
    assert done.returncode == 0
    assert (document["importance"], document["gamma0"]) == ([1, 1, 0.5, 0.25], None)
    assert document["scheduler"] == "joint"
    assert {*SUMS, "layers"} <= set(document)
    assert set(SUMS) <= set(document["layers"][0])
    assert (document["rounds"], len(document["layers"])) == (4, 4)
    assert document["layers"][-1]["accuracy"] == document["accuracy"]
    folder = tmp_path / "run"
    assert json.loads((folder / "protocol.json").read_text()) == document
    assert len(lines_of(folder / "layers.csv")) == 4
    for layer in range(1, 5):
        assert len(lines_of(folder / f"tokens-l{layer:02d}.csv")) == 64
    assert is_png(folder / "energy_per_layer.png")
    assert is_png(folder / "experts.png")


def test_protocol_prints_a_table(typed: Typed) -> None:
    """Without `--json` a table, with the accuracy below it."""
    assert "accuracy" in typed("protocol", "digits", "--tokens", "16").stdout


def test_protocol_with_rules(typed: Typed, tmp_path: Path) -> None:
    """Rules are typed once or per layer; the table says what was kept, and a figure shows it."""
    small = ("protocol", "digits", "--tokens", "32", "--layers", "2", "--capacity", "16")
    printed = typed(*small, "--air-deadline-s", "1e-3,1e-6", "-o", "run").stdout
    first, second = (line.split() for line in printed.splitlines()[2:4])
    assert (first[-1], second[-1]) == ("kept", "missed")
    assert "deadline kept in 1 of 2 layers" in printed
    assert is_png(tmp_path / "run" / "air_per_layer.png")
    document = json.loads((tmp_path / "run" / "protocol.json").read_text())
    assert (document["late"], document["capacity"]) == (1, [16, 16])
    printed = typed(*small, "--drop-price", "0,1", "--wake-energy", "1e-5").stdout
    assert "32 of 64 tokens dropped over 2 layers" in printed
    assert "waking mJ" in printed


def test_frontier_writes_its_points(typed: Typed, tmp_path: Path) -> None:
    """A row for each setting of every scheduler, in the table and in a file, and figures."""
    small = ("--tokens", "32", "--seeds", "2")
    done = typed("frontier", "domains", *small, "--gamma0", "0.8,1", "--z", "0.5", "-o", "front")
    assert done.returncode == 0
    assert "homogeneous" in done.stdout
    assert len(lines_of(tmp_path / "front" / "frontier.csv")) == 11
    for name in ("accuracy_energy.png", "gamma0.png"):
        assert is_png(tmp_path / "front" / name)
        assert name in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [("protocol", "--scheduler", "jesa"), ("frontier", "--schedulers", "jesa,topk", "--seeds=1")],
)
def test_the_old_name_is_one_line_on_stderr(typed: Typed, arguments: tuple[str, ...]) -> None:
    """And the answer says `joint`."""
    command, *options = arguments
    done = typed(command, "digits", "--tokens", "16", *options, "--json")
    hint = 'dmoe-opt: the scheduler "jesa" is called "joint" now; the old name will be removed\n'
    assert (done.returncode, done.stderr) == (0, hint)
    document = json.loads(done.stdout)
    rows = document.get("rows", [document])
    assert {row["scheduler"] for row in rows} <= {"joint", "topk"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("protocol", "moon"), 'preset = "moon"'),
        (("protocol", "digits", "--scheduler", "magic"), 'scheduler = "magic"'),
        (("protocol", "digits", "--gamma0", "1", "--importance", "1,1,1,1"), "one of the two"),
        (("protocol", "digits", "--capacity", "1,x"), "capacity = "),
        (("frontier", "digits", "--z", "high"), "z = 'high'"),
        (("frontier", "digits", "--max-experts", "1.5"), "max_experts = 1.5"),
        (("frontier", "digits", "--max-experts", "inf"), "max_experts = inf"),
    ],
)
def test_one_line_of_complaint(typed: Typed, arguments: tuple[str, ...], message: str) -> None:
    """Bad input ends with exit code 2."""
    done = typed(*arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert message in done.stderr


@pytest.mark.parametrize(
    ("command", "function", "names"),
    [
        (
            layers.protocol,
            run,
            ("scheduler", "gamma0", "z", "max_experts", "channel_error", "seed"),
        ),
        (layers.frontier, frontier, ("schedulers", "gamma0", "z", "max_experts", "seeds")),
    ],
)
def test_commands_and_functions_have_the_same_defaults(
    command: click.Command, function: Callable[..., object], names: tuple[str, ...]
) -> None:
    """What the help says is what the function does."""
    typed = {option.name: option.default for option in command.params}
    wanted = inspect.signature(function).parameters
    for name in names:
        default = wanted[name].default
        if isinstance(default, tuple):
            kind = type(default[0])
            assert tuple(kind(part) for part in str(typed[name]).split(",")) == default
        else:
            assert typed[name] == default


def test_help_names_everything() -> None:
    """Every scheduler of the package and every preset is in the help."""
    scheduler = next(o for o in layers.protocol.params if o.name == "scheduler")
    assert isinstance(scheduler, click.Option)
    assert "joint, homogeneous, des, topk, topp, relaxed, dense" in str(scheduler.help)
    assert all(name in str(layers.protocol.help) for name in PRESETS)
