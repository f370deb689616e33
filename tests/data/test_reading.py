"""What is read of a file: regular, not too large, UTF-8, with or without its mark."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dmoe_opt import InputError, load
from dmoe_opt.data.reading import read
from dmoe_opt.data.streams import read_header
from dmoe_opt.sweep import plan
from dmoe_opt.sweep.journal import Journal

CASES = Path(__file__).parents[1] / "cases"


def test_the_mark_of_utf_8_is_no_fault() -> None:
    """Editors of Windows put it first."""
    assert load(CASES / "bom-round.json").num_experts == 3


def test_other_files_are_one_line(tmp_path: Path) -> None:
    """UTF-16, folders, pipes, devices without an end, files that are too large."""
    (tmp_path / "wide.json").write_text("{}", encoding="utf-16")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"x" * 11)
    for name, says in (
        ("wide.json", "is text in UTF-16; allowed: UTF-8"),
        (".", "cannot be read: it is a folder"),
        ("pipe", "it is a pipe or a device; allowed: a file"),
        ("large", "has 11 bytes; allowed: at most 10 bytes"),
        ("none", "cannot be read: No such file or directory"),
    ):
        with pytest.raises(InputError, match=says):
            read(tmp_path / name, 10)
    with pytest.raises(InputError, match="it is a pipe or a device"):
        read("/dev/zero")
    with pytest.raises(InputError, match="pipe: cannot be read: it is a pipe or a device"):
        read_header(tmp_path / "pipe")
    os.mkfifo(tmp_path / "results.jsonl")
    with pytest.raises(InputError, match="cannot be read: it is a pipe"):
        Journal(tmp_path, resume=True)


@pytest.mark.parametrize(
    ("name", "says"),
    [("t_nest2.toml", "is nested too deeply"), ("t_big.toml", "allowed: at most 4300 digits")],
)
def test_monstrous_plans_are_one_line(name: str, says: str) -> None:
    """Nested without end, numbers of thousands of digits."""
    with pytest.raises(InputError, match=says) as error:
        plan.read(CASES / name)
    assert "\n" not in str(error.value)


def test_long_lists_are_no_keys(tmp_path: Path) -> None:
    """Numbers with dots in a list, and dots in a comment, are not counted."""
    path = tmp_path / "plan.toml"
    values = ", ".join(["0.5"] * 30)
    path.write_text(f'# {"." * 40}\n[grid]\npreset = "tiny"\nshare = [\n {values},\n]\n')
    assert len(plan.read(path).grid["share"]) == 30


def test_long_dotted_keys(tmp_path: Path) -> None:
    """The reader of TOML would take a minute and gigabytes for them."""
    path = tmp_path / "plan.toml"
    path.write_text("[grid]\n" + ".".join("a" * 30_000) + " = 1\n")
    with pytest.raises(InputError, match="line 2 is nested too deeply"):
        plan.read(path)
