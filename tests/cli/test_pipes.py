"""`-` is standard input and output, for everything that is one file."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.drawn import Ended

import dmoe_opt


def feed(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put text on standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


@pytest.mark.parametrize("place", ["-", "/dev/stdout"])
def test_a_round_through_pipes(
    place: str, typed: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Drawn, solved, checked: each command reads what the one before has printed."""
    drawn = typed("generate", "tiny", "--seed", "1", "-o", place)
    feed(drawn.stdout, monkeypatch)
    solved = typed("solve", "-", "-o", place)
    assert "energy" in solved.stderr
    assert json.loads(solved.stdout)["status"] == "optimal"
    feed(solved.stdout, monkeypatch)
    assert typed("check", "tiny-s1", "-").stdout.startswith("ok: optimal")
    feed(drawn.stdout, monkeypatch)
    table = typed("compare", "-", "--methods", "des", "-o", place)
    assert [line.split(",")[0] for line in table.stdout.splitlines()] == ["instance", "tiny-s1"]
    assert list(tmp_path.iterdir()) == []


def test_what_a_pipe_cannot_hold(
    typed: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing, two files, and a folder: one line each."""
    feed("", monkeypatch)
    assert "standard input is empty" in typed("info", "-").stderr
    many = typed("generate", "tiny", "--count", "2", "-o", "-")
    assert (many.returncode, many.stdout) == (2, "")
    assert many.stderr == "dmoe-opt: -: is standard output; allowed: a folder\n"


def test_a_folder_with_other_files(typed: Callable[..., Ended], tmp_path: Path) -> None:
    """Files that are no instances are counted and named, and do not act on a terminal."""
    dmoe_opt.save(dmoe_opt.generate("tiny", 1), tmp_path / "round.json")
    dmoe_opt.save(dmoe_opt.solve(dmoe_opt.load("tiny-s1")), tmp_path / "answer.json")
    (tmp_path / "\x1b[2Jodd.json").write_text("[]")
    ended = typed("compare", ".", "--methods", "des")
    (line,) = ended.stderr.splitlines()
    assert ended.returncode == 0
    assert line.startswith("dmoe-opt: passed over 2 files that are no instance: ")
    assert "answer.json" in line
    assert "\\x1b[2Jodd.json" in line
