"""The command `compare`: tables in every form, and figures."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.drawn import Ended

from dmoe_opt import generate, load, save

Typed = Callable[..., Ended]


def test_compare_writes_a_table_and_figures(typed: Typed, tmp_path: Path) -> None:
    """The table names every method; CSV and PNG files are where they were asked for."""
    save(generate("tiny", 2).replace(name="small"), tmp_path / "small.json")
    result = typed("compare", "tiny-s1", "small.json", "-o", "out")
    assert result.returncode == 0
    for word in ("small", "exhaustive", "cvxpy", "gap %", "optimal"):
        assert word in result.stdout
    rows = list(csv.DictReader((tmp_path / "out" / "comparison.csv").read_text().splitlines()))
    assert {row["method"] for row in rows} == {
        "des",
        "exhaustive",
        "pyomo",
        "cvxpy",
        "topk",
        "topp",
        "greedy",
    }
    assert all(
        float(row["gap"]) <= 1e-9
        for row in rows
        if row["method"] in ("des", "exhaustive", "pyomo", "cvxpy")
    )
    for name in ("energy_gap.png", "time.png"):
        assert (tmp_path / "out" / name).read_bytes()[:4] == b"\x89PNG"
    document = typed("compare", "tiny-s1", "--methods", "des,topk", "--json")
    assert [row["method"] for row in json.loads(document.stdout)["rows"]] == ["des", "topk"]


@pytest.mark.parametrize("form", ["csv", "markdown", "latex", "json"])
@pytest.mark.parametrize(
    "command",
    [
        ("compare", "tiny-s1", "--methods", "des,topk"),
        ("protocol", "digits", "--tokens", "8", "--layers", "1"),
        ("offload", "compare", "light", "--episodes", "1", "--policies", "greedy"),
    ],
    ids=lambda command: command[0],
)
def test_tables_in_every_form(typed: Typed, command: tuple[str, ...], form: str) -> None:
    """Standard output holds the table and nothing else."""
    ended = typed(*command, "--format", form)
    assert ended.returncode == 0
    if form == "json":
        assert (
            json.loads(ended.stdout).keys() == json.loads(typed(*command, "--json").stdout).keys()
        )
    elif form == "csv":
        header, *rows = csv.reader(ended.stdout.splitlines())
        assert rows
        assert {len(row) for row in rows} == {len(header)}
    else:
        first, last = {"markdown": ("| ", "|"), "latex": (r"\begin{tab", r"\end{tabular}")}[form]
        lines = ended.stdout.splitlines()
        assert (lines[0].startswith(first), lines[-1].endswith(last)) == (True, True)


def test_rows_stand_below_their_instance(typed: Typed, tmp_path: Path) -> None:
    """No line is longer than 80 columns, and a long name has a line of its own."""
    long = "an-instance-with-a-name-that-would-fill-half-of-the-line-if-it-stood-before-its-rows"
    save(load("tiny-s1").replace(name=long), tmp_path / "x.json")
    lines = typed("compare", "x.json", "--methods", "des,topk,greedy").stdout.splitlines()
    assert lines[2] == long
    assert [line.split()[0] for line in lines[3:]] == ["des", "topk", "greedy"]
    assert max(len(line) for line in lines if line != long) <= 80


@pytest.mark.parametrize(
    ("form", "magic", "names", "figures"),
    [
        ("png", b"\x89PNG", ["tiny-s1"], {"energy.png"}),
        ("svg", b"<?xml", ["tiny-s1"], {"energy.svg"}),
        ("pdf", b"%PDF", ["tiny-s1", "digits-l4"], {"energy_gap.pdf", "time.pdf"}),
    ],
)
def test_figures_in_every_format(
    typed: Typed, tmp_path: Path, form: str, magic: bytes, names: list[str], figures: set[str]
) -> None:
    """One instance is drawn as bars, several as dots, each in the format that is wanted."""
    command = ("--methods", "des,topk", "-o", "out", "--format-figure", form)
    assert typed("compare", *names, *command).returncode == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == figures | {"comparison.csv"}
    for name in figures:
        assert (tmp_path / "out" / name).read_bytes().startswith(magic)


def test_compare_allocation(typed: Typed) -> None:
    """All four methods share one selection, so their energies agree."""
    rows = json.loads(typed("compare", "tiny-s1", "--problem", "allocation", "--json").stdout)[
        "rows"
    ]
    assert [row["method"] for row in rows] == ["assignment", "pyomo", "cvxpy", "networkx"]
    assert [row["energy_j"] for row in rows] == pytest.approx([rows[0]["energy_j"]] * 4, rel=1e-9)
    assert {row["status"] for row in rows} == {"optimal"}
