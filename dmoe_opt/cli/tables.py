"""What the command line prints on stdout: tables and facts."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from dmoe_opt.data.instance import Instance, as_problem
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.errors import printable
from dmoe_opt.generating.presets import PRESETS, options
from dmoe_opt.method_table import METHODS

if TYPE_CHECKING:
    from dmoe_opt.comparing.judged import MethodRow
    from dmoe_opt.comparing.methods import Comparison
    from dmoe_opt.comparing.schedulers import FrontierPoint
    from dmoe_opt.layers.protocol import Run

PIPE_WIDTH = 160


def number(value: float | None, digits: str, factor: float = 1.0) -> str:
    """A number times a factor in a format; nothing for None."""
    return "" if value is None else f"{factor * value:{digits}}"


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
            _experts(o),
            o["num_tokens"],
            o["max_experts"],
            o.get("num_subcarriers", ""),
        )
        table.add_row(name, *map(str, numbers), "none" if "family" in o else _radio(o))
    show(table)


def _experts(options: dict[str, Any]) -> str:
    """Their number, and that of the nodes that they share."""
    experts, per_node = options["num_experts"], options.get("experts_per_node")
    return f"{experts}" if per_node is None else f"{experts} on {math.ceil(experts / per_node)}"


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
    facts: dict[str, Any] = {
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
        facts |= _facts_of_radio(data)
    return facts | {
        "infeasible": problem.infeasibility(),
        "sha256": data.sha256,
        "meta": data.meta,
    }


def _facts_of_radio(data: Instance) -> dict[str, Any]:
    between_nodes = ~np.eye(data.num_nodes, dtype=bool)
    energy = data.link_energy[between_nodes]
    works = np.isfinite(energy)
    facts: dict[str, Any] = {
        "nodes": data.num_nodes,
        "subcarriers": data.num_subcarriers,
        "link_energy_j": _range(energy[works]),
        "dead_links": int((~works).all(axis=-1).sum()),
    }
    if data.radio is not None:
        gains = data.radio.gains[between_nodes]
        mean = float(gains.mean()) if gains.size else 0.0
        snr = mean * data.radio.power_w / data.radio.noise_w
        facts["mean_snr_db"] = 10 * float(np.log10(snr)) if snr > 0 else None
    return facts


def _range(values: np.ndarray[Any, Any]) -> list[float] | None:
    return [float(values.min()), float(values.max())] if values.size else None


def name_cell(text: str) -> str:
    """A name from a file as the cell of a table: neither markup nor control characters act."""
    return escape(printable(text))


def listing(facts: dict[str, Any]) -> None:
    """Print facts, one per line; a pair is a range."""
    width = max(14, *map(len, facts))
    for name, value in facts.items():
        if value is None or value in ({}, ""):
            continue
        text = value
        if name != "meta" and isinstance(value, list):
            text = f"{value[0]:.6g} to {value[1]:.6g}"
        elif isinstance(value, float):
            text = f"{value:.4g}"
        print(printable(f"{name:<{width}} {text}"))


def comparison(of: Comparison) -> None:
    """Print a comparison: one row for each method and instance, failures among them."""
    numbers = ("energy J", "gap %", "relevance", "time ms", "nodes")
    table = new_table("instance", "method", "status", *numbers, right=numbers)
    table.padding = (0, 1, 0, 0)  # 80 columns hold it
    for column in table.columns[1:]:
        column.no_wrap = True
    previous = None
    for row in of.rows:
        if previous not in (None, row.instance):
            table.add_section()
        table.add_row(name_cell(row.instance) if row.instance != previous else "", *_cells(row))
        previous = row.instance
    show(table)
    for line in dict.fromkeys(_failure(row) for row in of.rows if row.message):
        print(line)


def _cells(row: MethodRow) -> tuple[str, ...]:
    return (
        row.method,
        row.status,
        number(row.energy_j, ".6g"),
        number(row.gap, ".3f", 100),
        number(row.relevance, ".4f"),
        number(row.wall_s, ".1f", 1e3),
        "" if row.nodes is None else f"{row.nodes:,}",
    )


def _failure(row: MethodRow) -> str:
    return printable(f"{row.instance or 'unnamed'}, {row.method}: {row.message}")


def bill(run: Run) -> None:
    """What each layer of a protocol run cost, and all of them together."""
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
    sums = ("energy_j", "communication_j", "computation_j", "latency_s")
    for layer in run.layers:
        table.add_row(
            str(layer.layer),
            *(number(getattr(layer, field), ".4g", 1e3) for field in sums),
            f"{layer.experts / max(layer.tokens, 1):.2f}",
            f"{layer.relevance:.3f}",
            str(layer.shortfalls),
            number(layer.gap, ".3f", 100),
        )
    table.add_section()
    table.add_row("all", *(number(run.total(field), ".4g", 1e3) for field in sums))
    show(table)
    accuracy = "no labels, so no accuracy"
    if run.accuracy is not None:
        accuracy = f"accuracy {100 * run.accuracy:.2f} %"
    rounds_s = len(run.layers) / max(run.wall_s, 1e-9)
    tokens = run.layers[0].tokens
    print(f"{run.preset}, {run.scheduler}: {accuracy}; {tokens} tokens, {rounds_s:.0f} rounds/s")


def frontier(points: Sequence[FrontierPoint]) -> None:
    """Every setting of every scheduler; those on its front are marked."""
    numbers = (
        "front",
        "gamma0",
        "z",
        "D",
        "energy per token uJ",
        "accuracy %",
        "relevance",
        "latency ms",
    )
    table = new_table("scheduler", *numbers, right=numbers)
    previous = None
    for point in points:
        if previous not in (None, point.scheduler):
            table.add_section()
        previous = point.scheduler
        accuracy = ""
        if point.accuracy is not None:
            accuracy = with_interval(point.accuracy, point.accuracy_ci95, ".2f", 100)
        table.add_row(
            point.scheduler,
            "*" if point.front else "",
            f"{point.gamma0:g}",
            f"{point.z:g}",
            str(point.max_experts),
            with_interval(point.energy_per_token_j, point.energy_ci95_j, ".4g", 1e6, ".2g"),
            accuracy,
            f"{point.relevance:.3f}",
            f"{1e3 * point.latency_s:.3g}",
        )
    show(table)


def with_interval(
    mean: float, ci95: float | None, digits: str, factor: float = 1.0, less: str = ""
) -> str:
    """A mean with half the width of its interval, if that is known, both times a factor.

    `less` is the format of the half width, by default that of the mean.
    """
    half = "" if ci95 is None else f" ± {factor * ci95:{less or digits}}"
    return f"{factor * mean:{digits}}{half}"
