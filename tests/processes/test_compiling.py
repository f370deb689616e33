"""Compiling on a machine for the first time: the seconds are not part of a method's time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import json, pathlib, sys
import dmoe_opt
from dmoe_opt import solving

def compiled():
    return sorted(path.name for path in pathlib.Path(sys.argv[1]).rglob("*.nbc"))

for problem in ("selection", "jesa"):
    solving.prepare(problem)
before = compiled()
for name in ("tiny-s1", "scarce-8x36-s0", "scarce-8x36-s1", "edge-8x64-s1"):
    for method in ("bcd", "lagrangian", "exact", "activation", "topk", "homogeneous"):
        dmoe_opt.solve(dmoe_opt.load(name), "jesa", method, time_limit=20)
dmoe_opt.solve(dmoe_opt.load("weakly-correlated-s1"))
print(json.dumps([before, compiled()]))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[str]]]:
    """A folder with all kernels, and the files there after preparing and after all methods ran."""
    folder = tmp_path_factory.mktemp("kernels")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder)],
        env=os.environ | {"NUMBA_CACHE_DIR": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return folder, json.loads(done.stdout)


def test_nothing_is_compiled_after_preparing(made: tuple[Path, list[list[str]]]) -> None:
    """`prepare` reaches every kernel, in the types in which methods call it."""
    _, (before, after) = made
    assert before
    assert after == before


def test_damaged_caches_are_made_again(made: tuple[Path, list[list[str]]], tmp_path: Path) -> None:
    """Files of the cache that were cut short are deleted, and the kernels compiled once more.

    Indexes (.nbi) are damaged in one folder, compiled code (.nbc) in the other.
    """
    shutil.copytree(made[0], tmp_path, dirs_exist_ok=True)
    command = [sys.executable, "-m", "dmoe_opt", "solve", "scarce-8x36-s0", "--problem", "jesa"]
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}

    def solved() -> str:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.partition("time")[0]

    answer = solved()
    sizes = {}
    for room, end in (("selection", "nbi"), ("joint", "nbc")):
        files = list(tmp_path.glob(f"{room}_*/*.{end}"))
        assert files
        for path in files:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
            sizes[path] = path.stat().st_size
    assert solved() == answer
    made_again = {path.suffix for path, size in sizes.items() if path.stat().st_size > size}
    assert made_again == {".nbi", ".nbc"}
    assert solved() == answer
