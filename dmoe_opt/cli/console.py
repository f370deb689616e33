"""The terminal: progress, a search as it goes, and the files written. All of it goes to stderr.

A console gets the stream once: Pyomo swaps `sys.stderr` while it solves, and closes what it put
there.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dmoe_opt import compiling, solving
from dmoe_opt.answer.result import relative_gap
from dmoe_opt.errors import printable

LOG_EVERY_S = 0.2
SHOW_AFTER_S = 1.0


def wrote(paths: Sequence[str | Path]) -> None:
    """Say what was written, and that figures are missing if matplotlib is."""
    console = Console(file=sys.stderr, highlight=False)
    for path in paths:
        console.print(f"wrote {escape(str(path))}", soft_wrap=True)
    if paths and not any(str(path).endswith(".png") for path in paths):
        console.print(
            'no figures: matplotlib is missing (pip install "dmoe-opt\\[plot]")', soft_wrap=True
        )


def prepare(problem: str) -> None:
    """Compile or load the kernels of a problem; a terminal is told if that takes over a second."""
    console = Console(file=sys.stderr)
    status = console.status(
        "loading DES; it is compiled once per installation, which takes half a minute ..."
    )
    timer = threading.Timer(SHOW_AFTER_S, status.start) if console.is_terminal else None
    if timer:
        timer.start()
    try:
        solving.prepare(problem)
    finally:
        if timer:
            timer.cancel()
            status.stop()
    if compiling.without_cache:
        console.print(
            "no folder for compiled kernels can be written, so they are compiled each time; "
            "NUMBA_CACHE_DIR names another",
            soft_wrap=True,
        )


class SearchLog:
    """Rows of time, energy, bound and gap as a search goes on.

    A better energy is printed at once, a better bound now and then.
    """

    def __init__(self) -> None:
        self.console = Console(file=sys.stderr, highlight=False)
        self.started = time.monotonic()
        self.printed_at = -np.inf
        self.printed: tuple[float | None, float | None] | None = None

    def __call__(self, energy_j: float | None, bound_j: float | None) -> None:
        """Print a row if it is time to."""
        same_energy = self.printed is not None and energy_j == self.printed[0]
        recent = time.monotonic() - self.printed_at < LOG_EVERY_S
        if not (same_energy and recent):
            self.last(energy_j, bound_j)

    def last(self, energy_j: float | None, bound_j: float | None) -> None:
        """Print a row if it says anything new."""
        if (energy_j, bound_j) == self.printed:
            return
        if self.printed is None:
            self._print("time s", "energy J", "bound J", "gap %")
        self.printed_at, self.printed = time.monotonic(), (energy_j, bound_j)
        gap = None if energy_j is None else relative_gap(energy_j, bound_j)
        self._print(
            f"{self.printed_at - self.started:.3f}",
            "-" if energy_j is None else f"{energy_j:.9g}",
            "-" if bound_j is None else f"{bound_j:.9g}",
            "-" if gap is None else f"{100 * gap:.7f}",
        )

    def _print(self, time_s: str, energy_j: str, bound_j: str, percent: str) -> None:
        self.console.print(
            f"{time_s:>9} {energy_j:>14} {bound_j:>14} {percent:>11}", soft_wrap=True
        )


@contextmanager
def progress(label: str) -> Iterator[Callable[..., None]]:
    """A bar for work that takes longer than a second; silent unless stderr is a terminal.

    Yields a function of (done, total) or (done, total, what runs).
    """
    console = Console(file=sys.stderr)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )
    started = time.monotonic()
    task = None

    def report(done: int, total: int, what: str = "") -> None:
        nonlocal task
        if not console.is_terminal or time.monotonic() - started < SHOW_AFTER_S:
            return
        if task is None:
            bar.start()
            task = bar.add_task(escape(printable(label)))
        bar.update(task, completed=done, total=total, description=escape(printable(what or label)))

    try:
        yield report
    finally:
        if task is not None:
            bar.stop()
