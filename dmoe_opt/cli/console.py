"""The terminal: progress, a search as it goes, and the files written. All of it goes to stderr.

Streams are taken once: Pyomo swaps `sys.stderr` while it solves, and closes what it put there. The
package rich is imported on a terminal only, since it takes a quarter of the time of a small solve.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np

from dmoe_opt import compiling, solving
from dmoe_opt.answer.result import relative_gap
from dmoe_opt.errors import one_line, printable

LOG_EVERY_S = 0.2
SHOW_AFTER_S = 1.0


def wrote(paths: Sequence[str | Path]) -> None:
    """Say what was written, and that figures are missing if matplotlib is."""
    for path in paths:
        click.echo(printable(f"wrote {path}"), err=True)
    if paths and not any(str(path).endswith((".png", ".pdf", ".svg")) for path in paths):
        click.echo('no figures: matplotlib is missing (pip install "dmoe-opt[plot]")', err=True)


def passed_over(paths: Sequence[Path]) -> None:
    """Say which files of folders are no instances."""
    if not paths:
        return
    count = f"{len(paths)} files that are" if paths[1:] else "1 file that is"
    names = ", ".join(str(path) for path in paths)
    click.echo(f"dmoe-opt: {one_line(f'passed over {count} no instance: {names}')}", err=True)


def prepare(problem: str, scores: int | None = None) -> None:
    """Compile or load the kernels of a problem; a terminal is told if that takes over a second.

    `scores` is as in `solving.prepare`.
    """
    with _told_if_slow(
        "loading DES; it is compiled once per installation, which takes half a minute ..."
    ):
        solving.prepare(problem, scores)
    tell_without_cache()


def tell_without_cache() -> None:
    """Say once that kernels are compiled each time; few scores can still need them, later."""
    if compiling.without_cache:
        compiling.without_cache.clear()
        click.echo(
            "no folder for compiled kernels can be written, so they are compiled each time; "
            "NUMBA_CACHE_DIR names another",
            err=True,
        )


@contextmanager
def _told_if_slow(text: str) -> Iterator[None]:
    """Show a text on a terminal if the work takes over a second."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    status = Console(file=sys.stderr).status(text)
    timer = threading.Timer(SHOW_AFTER_S, status.start)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        status.stop()


class SearchLog:
    """Rows of time, energy, bound and gap as a search goes on.

    A better energy is printed at once, a better bound now and then.
    """

    def __init__(self) -> None:
        self.stream = sys.stderr
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
        click.echo(f"{time_s:>9} {energy_j:>14} {bound_j:>14} {percent:>11}", file=self.stream)


@contextmanager
def progress(label: str) -> Iterator[Bar]:
    """A bar for work that takes longer than a second; silent unless stderr is a terminal."""
    bar = Bar(label)
    try:
        yield bar
    finally:
        bar.close()


class Bar:
    """A bar that appears after a second; call it with (done, total) or (done, total, what runs)."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.started = time.monotonic()
        self.bar = _bar() if sys.stderr.isatty() else None
        self.task: Any = None

    def __call__(self, done: int, total: int, what: str = "") -> None:
        """Draw the bar if it is time to."""
        if self.bar is None or time.monotonic() - self.started < SHOW_AFTER_S:
            return
        from rich.markup import escape

        if self.task is None:
            self.bar.start()
            self.task = self.bar.add_task(escape(printable(self.label)))
        description = escape(printable(what or self.label))
        self.bar.update(self.task, completed=done, total=total, description=description)

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Take the bar away while rows are printed to stdout, which may be the same terminal."""
        self.close()
        yield
        if self.bar is not None and self.task is not None:
            self.bar.start()

    def close(self) -> None:
        """Take the bar away."""
        if self.bar is not None and self.task is not None:
            self.bar.stop()


def _bar() -> Any:
    from rich import progress as rich
    from rich.console import Console

    columns = [rich.TextColumn("{task.description}"), rich.BarColumn()]
    columns += [rich.MofNCompleteColumn(), rich.TimeElapsedColumn()]
    console = Console(file=sys.stderr)
    return rich.Progress(*columns, console=console, transient=True, redirect_stdout=False)
