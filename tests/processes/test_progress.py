"""The progress bar on a terminal that is a real one, as far as the process can tell."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from dmoe_opt.method_table import METHODS

SLOWLY = """
import time
from functools import partial
from rich import progress
from dmoe_opt.cli import console
from dmoe_opt.cli.main import main

class Slow(console.Bar):
    def __call__(self, *arguments):
        super().__call__(*arguments)
        time.sleep(0.3)  # dozens of frames of the thread that draws

console.SHOW_AFTER_S = 0.0
progress.Progress = partial(progress.Progress, refresh_per_second=200)
console.Bar = Slow
main()
"""


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


@pytest.mark.parametrize("problem", list(METHODS))
def test_the_bar_goes_on_while_pyomo_solves(problem: str, tmp_path: Path) -> None:
    """Pyomo swaps and closes `sys.stderr`; the bar is still drawn during every later method.

    The bar draws in a thread of its own, which dies at the first write to a closed stream. Its last
    frame is drawn by the main thread, and therefore does not count.
    """
    methods = list(METHODS[problem])
    command = [sys.executable, "-c", SLOWLY, "compare", "tiny-s1", "--problem", problem]
    code, text = seen_on_a_terminal([*command, "--methods", ",".join(methods)], tmp_path)
    assert code == 0
    assert "Traceback" not in text
    missing = [name for name in methods[:-1] if f"tiny-s1: {name} " not in text]
    assert missing == []
