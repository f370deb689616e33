"""Ctrl-C before the command line is ready for it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EARLY = """
import os, runpy, signal, sys

class Interrupted:
    def find_spec(name, path=None, target=None):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupted)
runpy.run_module("dmoe_opt", run_name="__main__")
"""


@pytest.mark.parametrize("module", ["dmoe_opt.cli", "dmoe_opt.cli.interrupts"])
def test_interrupt_while_the_first_modules_load(module: str) -> None:
    """The process ends by the signal, which shells call 130, and prints no traceback."""
    command = [sys.executable, "-c", EARLY, module]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


FIRST = """
import sys

before = set(sys.modules)
import dmoe_opt.cli.entry
print(*sorted(set(sys.modules) - before))
"""


def test_nothing_is_loaded_before_the_command_line_is_ready() -> None:
    """Three files of the package stand between Python's own start and the first answer to Ctrl-C.

    Python is started without its site, which has loaded more itself.
    """
    command = [sys.executable, "-S", "-c", FIRST]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["__future__", "dmoe_opt", "dmoe_opt.cli", "dmoe_opt.cli.entry"]
