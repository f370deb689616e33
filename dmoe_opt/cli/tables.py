"""What the command line prints: tables, facts, and a progress bar that only a terminal sees."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from dmoe_opt import solving
from dmoe_opt.answer.result import relative_gap
from dmoe_opt.data.instance import Instance, as_problem
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.generating.presets import PRESETS, options
from dmoe_opt.method_table import METHODS

if TYPE_CHECKING:
    from dmoe_opt.comparing.methods import Comparison
    from dmoe_opt.comparing.schedulers import FrontierPoint
    from dmoe_opt.layers.protocol import Run

PIPE_WIDTH = 160
LOG_EVERY_S = 0.2
SHOW_AFTER_S = 1.0


def show(table: Table) -> None:
    """Print a table: as wide as the terminal, or wide enough for any in a pipe."""
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)
    console.print(table)


def new_table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    """An empty table in the house style."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def presets() -> None:
    """Print the presets and what distinguishes them."""
    counts = ("experts", "tokens", "at most", "subcarriers")
    table = new_table("preset", *counts, "radio", right=counts)
    table.padding = (0, 1, 0, 0)  # 80 columns hold it
    table.columns[0].no_wrap = table.columns[4].no_wrap = True
    for name in PRESETS:
        o = options(name)
        numbers = (
            o["num_experts"],
            o["num_tokens"],
            o["max_experts"],
            o.get("num_subcarriers", ""),
        )
        table.add_row(name, *map(str, numbers), "none" if "family" in o else _radio(o))
    show(table)


def _radio(options: dict[str, Any]) -> str:
    parts = [f"{options['taps']} taps" if options["fading"] == "tapped" else "Rayleigh"]
    extras = {"path_loss_exponent": "path loss", "shadowing_db": "shadowing"}
    parts += [says for name, says in extras.items() if options[name]]
    return ", ".join(parts + ["interfered"] * (options["interference_db"] is not None))


def methods() -> None:
    """Print the table of methods."""
    table = new_table("problem", "method", "proves", "what it does")
    for problem, rows in METHODS.items():
        for name, method in rows.items():
            table.add_row(problem, name, method.proves, method.says)
    show(table)


def facts(data: Instance | SelectionProblem) -> dict[str, Any]:
    """What `dmoe-opt info` says of an instance."""
    problem = as_problem(data)
    found: dict[str, Any] = {
        "name": data.name,
        "kind": "round" if isinstance(data, Instance) else "selection",
        "tokens": data.num_tokens,
        "experts": data.num_experts,
        "max_experts": data.max_experts,
        "on_shortfall": data.on_shortfall,
        "tokens_short": int(problem.shortfall.sum()),
        "threshold": _range(data.threshold),
        "scores": _range(data.scores),
        "price_j": _range(problem.cost[problem.usable]),
    }
    if isinstance(data, Instance):
        links = data.link_energy[~np.eye(data.num_experts, dtype=bool)]
        found["subcarriers"] = data.num_subcarriers
        found["link_energy_j"] = _range(links[np.isfinite(links)])
        found["dead_links"] = int((~np.isfinite(links)).all(axis=-1).sum())
        if data.radio is not None:
            off = ~np.eye(data.num_experts, dtype=bool)
            mean = float(data.radio.gains[off].mean()) if off.any() else 0.0
            snr = mean * data.radio.power_w / data.radio.noise_w
            found["mean_snr_db"] = 10 * float(np.log10(snr)) if snr > 0 else None
    return found | {"infeasible": problem.infeasibility(), "sha256": data.sha256, "meta": data.meta}


def _range(values: np.ndarray[Any, Any]) -> list[float] | None:
    return [float(values.min()), float(values.max())] if values.size else None


def listing(found: dict[str, Any]) -> None:
    """Print facts, one a line; a pair is a range."""
    width = max(14, *map(len, found))
    for name, value in found.items():
        if value is None or value == {} or value == "":
            continue
        if name != "meta" and isinstance(value, list):
            value = f"{value[0]:.6g} to {value[1]:.6g}"
        elif isinstance(value, float):
            value = f"{value:.4g}"
        print(f"{name:<{width}} {value}")


def comparison(of: Comparison) -> None:
    """Print a comparison: one row a method and instance, failures among them."""
    numbers = ("energy J", "gap %", "relevance", "time ms", "nodes")
    table = new_table("instance", "method", "status", *numbers, right=numbers)
    table.padding = (0, 1, 0, 0)  # 80 columns hold it
    for column in table.columns[1:]:
        column.no_wrap = True
    previous = None
    for row in of.rows:
        if previous not in (None, row.instance):
            table.add_section()
        table.add_row(
            escape(row.instance) if row.instance != previous else "",
            row.method,
            row.status,
            "" if row.energy_j is None else f"{row.energy_j:.6g}",
            "" if row.gap is None else f"{100 * row.gap:.3f}",
            "" if row.relevance is None else f"{row.relevance:.4f}",
            "" if row.wall_s is None else f"{1e3 * row.wall_s:.1f}",
            "" if row.nodes is None else f"{row.nodes:,}",
        )
        previous = row.instance
    show(table)
    for line in dict.fromkeys(
        f"{row.instance or 'unnamed'}, {row.method}: {row.message}"
        for row in of.rows
        if row.message
    ):
        print(line)


def wrote(paths: Sequence[str | Path]) -> None:
    """Say on stderr what was written, and if figures are missing because matplotlib is."""
    console = Console(stderr=True, highlight=False)
    for path in paths:
        console.print(f"wrote {escape(str(path))}", soft_wrap=True)
    if paths and not any(str(path).endswith(".png") for path in paths):
        console.print(
            'no figures: matplotlib is missing (pip install "dmoe-opt\\[plot]")', soft_wrap=True
        )


def bill(run: Run) -> None:
    """What each layer of a protocol run cost, and all of them."""
    columns = (
        "layer",
        "energy mJ",
        "sending mJ",
        "computing mJ",
        "latency ms",
        "experts",
        "relevance",
        "short",
        "gap %",
    )
    table = new_table(*columns, right=columns)
    for layer in run.layers:
        table.add_row(
            str(layer.layer), f"{1e3 * layer.energy_j:.4g}", f"{1e3 * layer.communication_j:.4g}",
            f"{1e3 * layer.computation_j:.4g}", f"{1e3 * layer.latency_s:.4g}", f"{layer.experts / max(layer.tokens, 1):.2f}",
            f"{layer.relevance:.3f}", str(layer.shortfalls), "" if layer.gap is None else f"{100 * layer.gap:.3f}",
        )  # fmt: skip
    table.add_section()
    table.add_row(
        "all", f"{1e3 * run.total('energy_j'):.4g}", f"{1e3 * run.total('communication_j'):.4g}",
        f"{1e3 * run.total('computation_j'):.4g}", f"{1e3 * run.total('latency_s'):.4g}",
    )  # fmt: skip
    show(table)
    accuracy = (
        "no labels, so no accuracy"
        if run.accuracy is None
        else f"accuracy {100 * run.accuracy:.2f} %"
    )
    rounds_s = len(run.layers) / max(run.wall_s, 1e-9)
    print(
        f"{run.preset}, {run.scheduler}: {accuracy}; {run.layers[0].tokens} tokens, {rounds_s:.0f} rounds/s"
    )


def frontier(points: Sequence[FrontierPoint]) -> None:
    """Every setting of every scheduler; those on its front are marked."""
    numbers = (
        "front",
        "gamma0",
        "z",
        "D",
        "energy a token uJ",
        "accuracy %",
        "relevance",
        "latency ms",
    )
    table = new_table("scheduler", *numbers, right=numbers)
    previous = None
    for p in points:
        if previous not in (None, p.scheduler):
            table.add_section()
        previous = p.scheduler
        accuracy = (
            "" if p.accuracy is None else with_interval(p.accuracy, p.accuracy_ci95, ".2f", 100)
        )
        table.add_row(
            p.scheduler, "*" if p.front else "", f"{p.gamma0:g}", f"{p.z:g}", str(p.max_experts),
            with_interval(p.energy_per_token_j, p.energy_ci95_j, ".4g", 1e6, ".2g"), accuracy, f"{p.relevance:.3f}",
            f"{1e3 * p.latency_s:.3g}",
        )  # fmt: skip
    show(table)


def with_interval(
    mean: float, ci95: float | None, digits: str, factor: float = 1.0, less: str = ""
) -> str:
    """A mean with half the width of its interval, if that is known, times a factor; `less` is the format of the latter."""
    return f"{factor * mean:{digits}}" + (
        "" if ci95 is None else f" ± {factor * ci95:{less or digits}}"
    )


def prepare(problem: str) -> None:
    """Make the kernels of a problem ready; on a terminal, say so if it takes longer than a second."""
    console = Console(stderr=True)
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


def log() -> Callable[..., None]:
    """A function of energy and bound in J that prints rows of fixed width to stderr: new energies, and now and then.

    With `last=True` it prints what is not printed yet.
    """
    console = Console(stderr=True, highlight=False)
    started = time.monotonic()
    when = -np.inf
    printed: tuple[float | None, float | None] | None = None

    def row(energy_j: float | None, bound_j: float | None, last: bool = False) -> None:
        nonlocal when, printed
        now = time.monotonic()
        if (energy_j, bound_j) == printed:
            return
        if not last and printed is not None and energy_j == printed[0] and now - when < LOG_EVERY_S:
            return
        if printed is None:
            console.print(
                f"{'time s':>9} {'energy J':>14} {'bound J':>14} {'gap %':>11}", soft_wrap=True
            )
        when, printed = now, (energy_j, bound_j)
        gap = None if energy_j is None else relative_gap(energy_j, bound_j)
        cells = ["-" if v is None else f"{v:.9g}" for v in (energy_j, bound_j)]
        percent = "-" if gap is None else f"{100 * gap:.7f}"
        console.print(
            f"{now - started:>9.3f} {cells[0]:>14} {cells[1]:>14} {percent:>11}", soft_wrap=True
        )

    return row


@contextmanager
def progress(label: str) -> Iterator[Callable[..., None]]:
    """A bar on stderr for work that takes longer than a second; silent unless stderr is a terminal.

    Yields a function of (done, total) or (done, total, what runs).
    """
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=console, transient=True,
    )  # fmt: skip
    started = time.monotonic()
    task = None

    def report(done: int, total: int, what: str = "") -> None:
        nonlocal task
        if not console.is_terminal or time.monotonic() - started < SHOW_AFTER_S:
            return
        if task is None:
            bar.start()
            task = bar.add_task(escape(label))
        bar.update(task, completed=done, total=total, description=escape(what or label))

    try:
        yield report
    finally:
        if task is not None:
            bar.stop()
