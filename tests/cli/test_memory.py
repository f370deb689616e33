"""A limit on memory that no command gets by with is told before anything is imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

resource = pytest.importorskip("resource", reason="Windows has no limits of memory")


@pytest.mark.parametrize(("limit", "named"), [("AS", "ulimit -v"), ("DATA", "ulimit -d")])
def test_too_little_memory_is_one_line(limit: str, named: str) -> None:
    """At 400 MiB libraries would wait for memory for ever, and not hear Ctrl-C."""
    number = getattr(resource, f"RLIMIT_{limit}")
    done = subprocess.run(
        [sys.executable, "-m", "dmoe_opt", "solve", "tiny-s1"],
        preexec_fn=lambda: resource.setrlimit(number, (400 * 2**20, 400 * 2**20)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (4, "")
    line = f"dmoe-opt: memory is limited to 400 MiB ({named}); allowed: at least 1280 MiB\n"
    assert done.stderr == line
