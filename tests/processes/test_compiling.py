"""Compiling on a machine for the first time: the seconds are not part of a method's time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

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


def test_nothing_is_compiled_after_preparing(tmp_path: Path) -> None:
    """`prepare` reaches every kernel, in the types in which methods call it."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    before, after = json.loads(done.stdout)
    assert before
    assert after == before


def test_damaged_caches_are_made_again(tmp_path: Path) -> None:
    """Files of the cache that were cut short are deleted, and the kernels compiled once more."""
    command = [sys.executable, "-m", "dmoe_opt", "solve", "scarce-8x36-s0", "--problem", "jesa"]
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}

    def solved() -> str:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.partition("time")[0]

    answer = solved()
    for end in ("nbi", "nbc"):
        files = list(tmp_path.rglob(f"*.{end}"))
        assert files
        for path in files:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
        assert solved() == answer
    assert solved() == answer
