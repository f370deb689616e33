"""Ctrl-C before the command line is ready for it."""

from __future__ import annotations

import signal
import subprocess
import sys

EARLY = """
import os, signal, sys

class Interrupted:
    def find_spec(name, path=None, target=None):
        if name == "dmoe_opt.cli.interrupts":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupted)
from dmoe_opt.cli.entry import main
main()
"""


def test_interrupt_while_the_first_modules_load() -> None:
    """The process ends by the signal, which shells call 130, and prints no traceback."""
    command = [sys.executable, "-c", EARLY, "methods"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
