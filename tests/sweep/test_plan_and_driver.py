"""Sweeps in one process: the jobs of a plan, rows, resuming; tests/processes kills real ones."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.drawn import Ended

from dmoe_opt import InputError, generate, solve
from dmoe_opt.sweep import journal, plan
from dmoe_opt.sweep.driver import sweep

GRID = {
    "preset": "tiny",
    "seeds": 3,
    "problem": ["selection", "jesa"],
    "method": ["des", "topk", "bcd"],
}


def rows_in(folder: Path) -> list[dict[str, Any]]:
    """All rows, every line whole and no key twice."""
    rows = [json.loads(line) for line in (folder / journal.RESULTS).read_text().splitlines()]
    assert len({row["key"] for row in rows}) == len(rows)
    return rows


def test_a_plan_and_its_rows(tmp_path: Path) -> None:
    """Options go where they are known; each job has a row, and resuming runs the missing ones."""
    grid = plan.plan({"grid": GRID | {"num_tokens": [8, 16], "restarts": [0, 2], "time_limit": 30}})
    keys = [job.key for job in grid.jobs()]
    assert (
        len(keys) == len(set(keys)) == 3 * 2 * (2 + 3)
    )  # des and topk of selection; bcd twice and topk of jesa
    done = sweep(grid, tmp_path)
    assert (done.rows, done.before, done.failed) == (len(keys), 0, 0)
    rows = {row["key"]: row for row in rows_in(tmp_path)}
    assert sorted(rows) == sorted(keys)
    row = rows["tiny-s2,num_tokens=16/jesa/bcd,restarts=2,time_limit=30"]
    assert row["options"] == {"num_tokens": 16, "restarts": 2, "time_limit": 30}
    data = generate("tiny", 2, num_tokens=16)
    assert row["instance_sha256"] == data.sha256
    assert row["objective_j"] == solve(data, "jesa", "bcd", seed=2, restarts=2).objective_j
    assert row["objective_j"] >= row["bound_j"] * (1 - 1e-9)

    lines = (tmp_path / journal.RESULTS).read_bytes().splitlines(keepends=True)
    (tmp_path / journal.RESULTS).write_bytes(
        b"".join(lines[:10]) + lines[10][:40]
    )  # the eleventh was cut short
    done = sweep(grid, tmp_path, resume=True)
    assert (done.rows, done.before) == (len(keys), 10)
    assert {row["key"] for row in rows_in(tmp_path)} == set(keys)
    with pytest.raises(
        InputError, match="holds results of a sweep; allowed: --resume, or another folder"
    ):
        sweep(grid, tmp_path)
    book = contextlib.closing(journal.Journal(tmp_path, resume=True))
    with book, pytest.raises(InputError, match="another sweep is writing there"):
        sweep(grid, tmp_path, resume=True)


WRONG = {
    "is not valid TOML": "[grid\n",
    "grid.preset is missing": "[grid]\n",
    'preset = "huge"; allowed': '[grid]\npreset = "huge"\n',
    "grid.method = 'best'; allowed: a method of selection": (
        '[grid]\npreset = "tiny"\nmethod = "best"\n'
    ),
    "grid.colour is unknown; allowed: preset, seed": '[grid]\npreset = "tiny"\ncolour = 1\n',
    "grid.seeds = [1, 2]; allowed: one number": '[grid]\npreset = "tiny"\nseeds = [1, 2]\n',
    "grid.seed = -1; allowed: a whole number": '[grid]\npreset = "tiny"\nseed = -1\n',
    "grid.method is empty": '[grid]\npreset = "tiny"\nmethod = []\n',
    "grid.method[0] = [1]; allowed: text": '[grid]\npreset = "tiny"\nmethod = [[1]]\n',
    'problem = "all"; allowed: selection': '[grid]\npreset = "tiny"\nproblem = "all"\n',
    "grids is unknown; allowed: the tables [grid] and [limits]": "[grids]\n",
    "limits.patience is unknown": '[grid]\npreset = "tiny"\n[limits]\npatience = 1\n',
    "limits.tries = 0; allowed: a whole number from 1": (
        '[grid]\npreset = "tiny"\n[limits]\ntries = 0\n'
    ),
    "grid holds no job": '[grid]\npreset = "uncorrelated"\nproblem = "jesa"\nmethod = "bcd"\n',
}


@pytest.mark.parametrize("complaint", WRONG)
def test_bad_plans_are_one_line(complaint: str, tmp_path: Path) -> None:
    """File, field, value and what is allowed."""
    path = tmp_path / "plan.toml"
    path.write_text(WRONG[complaint])
    with pytest.raises(InputError) as error:
        plan.read(path)
    assert str(error.value).startswith(f"{path}: {complaint}")
    assert "\n" not in str(error.value)


def test_bad_folders_and_options(tmp_path: Path, typed: Callable[..., Ended]) -> None:
    """Results that are none, a file in the way, an address where nobody answers."""
    (tmp_path / "plan.toml").write_text(
        '[grid]\npreset = "tiny"\nmethod = "topk"\nnum_tokens = -1\n'
    )
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / journal.RESULTS).write_text('{"key": "a"}\n{"no": 1}\n')
    assert (
        "line 2 is damaged and passed over"
        in typed("sweep", "plan.toml", "-o", "out", "--resume").stderr
    )
    assert "cannot be made" in typed("sweep", "plan.toml", "-o", "plan.toml").stderr
    assert (
        "--scheduler is for --backend dask"
        in typed("sweep", "plan.toml", "-o", "o", "--scheduler", "x").stderr
    )
    ended = typed("sweep", "plan.toml", "-o", "failing")
    assert ended.returncode == 0
    assert (
        "failed: tiny-s0,num_tokens=-1/selection/topk: InputError: num_tokens = -1" in ended.stderr
    )
    with contextlib.suppress(FileNotFoundError):
        assert not (tmp_path / "failing" / journal.RUNNING).exists()
