"""Ctrl-C ends a command within a second, with one line and exit code 130, whatever runs.

Python raises `KeyboardInterrupt` between two of its instructions. Compiled code lets it wait, and
imports and callbacks may swallow it or turn it into other errors. So the signal also wakes a
thread: if the process has not ended by itself soon after, the thread ends it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

PATIENCE_S = 0.6
EXIT_CODE = 130
LINE = b"dmoe-opt: interrupted\n"

_heard = threading.Event()
_told = threading.Lock()


def install() -> None:
    """Listen for Ctrl-C in this process, from its main thread."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGINT, _interrupt)
    sys.unraisablehook = _quiet(sys.unraisablehook)
    threading.excepthook = _quiet(threading.excepthook)
    threading.Thread(target=_watch, args=(reader,), daemon=True).start()


def ignore() -> None:
    """Let Ctrl-C pass while Python shuts down."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def heard() -> bool:
    """Whether Ctrl-C was pressed."""
    return _heard.is_set()


def tell() -> None:
    """Say so on stderr, once."""
    if _told.acquire(blocking=False):
        os.write(2, LINE)


def end() -> NoReturn:
    """Say so and end the process at once."""
    tell()
    os._exit(EXIT_CODE)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    _heard.set()
    raise KeyboardInterrupt


def _quiet(hook: Callable[[Any], object]) -> Callable[[Any], object]:
    """A hook for errors that nobody catches, silent once Ctrl-C was heard."""

    def quiet(error: Any) -> None:
        if not _heard.is_set():
            hook(error)

    return quiet


def _watch(reader: int) -> None:
    while os.read(reader, 1) != bytes([signal.SIGINT]):
        pass
    _heard.set()
    time.sleep(PATIENCE_S)
    end()
