"""What commands print as JSON: every command does, as the schemas in docs/schema/cli say."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np
from helpers.drawn import Ended
from helpers.offloads import by_hand
from jsonschema import Draft202012Validator

from dmoe_opt import generate, save
from dmoe_opt.cli import documents
from dmoe_opt.cli.main import cli
from dmoe_opt.offload import store

Typed = Callable[..., Ended]
GRID = """
[grid]
preset = ["tiny"]
seeds = 3
problem = "selection"
method = ["des", "topk"]
"""
NEW = "new --gains gains.npy --scores scores.npy --threshold 0.5 --max-experts 2 -o own.json"
LINES = [
    "generate tiny --count 2 -o many",
    "generate --list",
    NEW,
    "import log.npy --tokens 4 --max-experts 1 -o rounds",
    "info tiny-s1",
    "info many/tiny-s0.json",
    "info subset-sum-s1",
    "export tiny-s1 -o x.lp",
    "methods",
    "solve tiny-s1 -o s.json",
    "solve tiny-s1 --problem jesa --count 2",
    "solve bare.npz --stream",
    "check tiny-s1 s.json",
    "compare tiny-s1 --methods des,topk -o compared",
    "explain round.json",
    "explore own.json -o page.html",
    "protocol digits --tokens 8 --layers 1 -o run",
    "savings many --shares 0.5 -o saved",
    "place digits --nodes 4 --tokens 16 --time-limit 0 -o placed",
    "frontier digits --tokens 8 --layers 1 --seeds 1 --z 0.5 --gamma0 1 --schedulers topk -o front",
    "offload generate light --seed 1 -o e.json",
    "offload generate --list",
    "offload import arrivals.csv light -o recorded.json",
    "offload fit hand.json -o fit.json",
    "offload evaluate light --proof proof.json -o played",
    "offload check light --proof proof.json",
    "offload compare light --episodes 1 --policies greedy -o policies",
    "sweep grid.toml -o swept",
    "plot swept",
    "plot front",
]
"""At least one line for every command, in an order in which files are there; --json is added."""
OLD = "old"
NEEDS_TORCH = {"offload train"}


def commands(group: click.Group, before: str = "") -> Iterator[str]:
    """The names of all commands, such as `offload compare`."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}"


def document_of(line: str) -> str:
    """The name of the document that a line prints."""
    for marked in ("--list", "--stream"):
        if marked in line:
            return f"{' '.join(line.split(' ')[: 2 if 'offload' in line else 1])} {marked}"
    return max((name for name in documents.DOCUMENTS if f"{line} ".startswith(f"{name} ")), key=len)


def put_inputs(folder: Path) -> None:
    """What the lines read."""
    rng = np.random.default_rng(1)
    np.save(folder / "gains.npy", rng.exponential(size=(3, 3, 6)))
    np.save(folder / "scores.npy", rng.dirichlet(np.ones(3), size=4))
    np.save(folder / "log.npy", rng.dirichlet(np.ones(4), size=(2, 8)))
    save(generate("subset-sum", 1, num_tokens=8), folder / "bare.npz")
    save(generate("tiny", 1, num_subcarriers=1), folder / "round.json")
    store.save(by_hand().scenario, folder / "hand.json")
    (folder / "grid.toml").write_text(GRID)
    (folder / "arrivals.csv").write_text("0.0\n0.5\n")


def put_outputs(folder: Path) -> None:
    """Something old at every place where a line writes, and a file beside it in every folder."""
    for line in LINES:
        place = folder / (line.partition(" -o ")[2] or "nothing")
        if place.suffix:
            place.write_text(OLD)
        elif place.name != "nothing":
            place.mkdir()
            (place / "beside.txt").write_text(OLD)


def is_old(path: Path) -> bool:
    """Whether a file is as it was put there."""
    return path.read_bytes() == OLD.encode()


def test_every_command_prints_its_document(typed: Typed, tmp_path: Path) -> None:
    """One document on stdout, which meets the schema of its command.

    What is at the place of its output is replaced, and other files in the folder stay.
    """
    put_inputs(tmp_path)
    put_outputs(tmp_path)
    seen = set()
    schemas = documents.schemas()
    for line in LINES:
        ended = typed(*line.split(" "), "--json")
        assert ended.returncode in (0, 3), f"{line}: {ended.stderr}"
        name = document_of(line)
        seen.add(name)
        Draft202012Validator.check_schema(schemas[name])
        errors = Draft202012Validator(schemas[name]).iter_errors(json.loads(ended.stdout))
        assert [f"{line}: {error.message}" for error in errors] == []
    assert [path for path in tmp_path.iterdir() if path.suffix and is_old(path)] == []
    assert all(is_old(path / "beside.txt") for path in tmp_path.iterdir() if path.is_dir())
    assert "allowed: --resume" in typed("sweep", "grid.toml", "-o", "swept").stderr
    assert seen == set(documents.DOCUMENTS) - NEEDS_TORCH
    assert set(commands(cli)) == {name.partition(" --")[0] for name in documents.DOCUMENTS}
