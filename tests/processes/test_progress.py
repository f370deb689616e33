"""The progress bar on a terminal that is a real one, as far as the process can tell."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path


def seen_on_a_terminal(command: list[str], cwd: Path) -> tuple[int, str]:
    """Exit code and everything that a terminal on stderr gets."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    pieces = []
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        pieces.append(piece)
    os.close(ours)
    return process.wait(), b"".join(pieces).decode(errors="replace")


def test_the_bar_goes_on_while_pyomo_solves(tmp_path: Path) -> None:
    """Pyomo swaps and closes `sys.stderr`; the bar names every later run all the same."""
    methods = ["pyomo", "cvxpy", "des", "pyomo"]
    names = ["edge-8x64-s1", "mixtral-8-s1"]
    command = [sys.executable, "-m", "dmoe_opt", "compare", *names, "--methods", ",".join(methods)]
    code, text = seen_on_a_terminal(command, tmp_path)
    assert code == 0
    assert "Traceback" not in text
    assert "mixtral-8-s1: pyomo" in text
    assert "7/8" in text
