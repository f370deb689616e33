"""What the command line prints on stdout: tables and facts."""

from __future__ import annotations

import csv
import math
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from dmoe_opt.cli.options import say
from dmoe_opt.comparing.sheets import Sheet, gap_percent, rounded
from dmoe_opt.data.instance import Instance, as_problem
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.data.words import counted
from dmoe_opt.generating.presets import PRESETS, options
from dmoe_opt.method_table import METHODS

if TYPE_CHECKING:
    from dmoe_opt.comparing.schedulers import FrontierPoint
    from dmoe_opt.layers.bills import LayerBill
    from dmoe_opt.layers.protocol import Run

PIPE_WIDTH = 160


def number(value: float | None, digits: str, factor: float = 1.0) -> str:
    """A number times a factor in a format; nothing for None."""
    return "" if value is None else f"{factor * value:{digits}}"


def width() -> int:
    """Columns of the terminal, or enough for any table in a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else PIPE_WIDTH


def show(sheet: Sheet, form: str = "text") -> None:
    """Print a table as text, Markdown or LaTeX."""
    if form == "markdown":
        click.echo(sheet.markdown(), nl=False)
    elif form == "latex":
        click.echo(sheet.latex(), nl=False)
    else:
        click.echo(sheet.text(width()), nl=False)


def note(text: str, form: str = "text") -> None:
    """Print a line below a table; beside a table for a paper it goes to stderr."""
    say(text, err=form != "text")


def presets() -> None:
    """Print the presets and what distinguishes them."""
    counts = ("experts", "tokens", "at most", "subcarriers")
    table = Sheet(("preset", *counts, "radio"), counts)
    for preset in preset_facts():
        experts = preset["experts"]
        if preset["nodes"] != experts:
            experts = f"{experts} on {preset['nodes']}"
        subcarriers = preset["subcarriers"] or ""
        numbers = (experts, preset["tokens"], preset["max_experts"], subcarriers)
        table.add_row(preset["preset"], *map(str, numbers), preset["radio"] or "none")
    show(table)


def preset_facts() -> list[dict[str, Any]]:
    """The presets, each with what distinguishes it."""
    rows = []
    for name in PRESETS:
        o = options(name)
        rows.append(
            {
                "preset": name,
                "experts": o["num_experts"],
                "nodes": math.ceil(o["num_experts"] / (o.get("experts_per_node") or 1)),
                "tokens": o["num_tokens"],
                "max_experts": o["max_experts"],
                "subcarriers": o.get("num_subcarriers"),
                "radio": None if "family" in o else _radio(o),
            }
        )
    return rows


def _radio(options: dict[str, Any]) -> str:
    parts = [f"{options['taps']} taps" if options["fading"] == "tapped" else "Rayleigh"]
    extras = {"path_loss_exponent": "path loss", "shadowing_db": "shadowing"}
    parts += [says for name, says in extras.items() if options[name]]
    return ", ".join(parts + ["interfered"] * (options["interference_db"] is not None))


def methods(form: str) -> None:
    """Print the table of methods; it has no numbers, so CSV is the same cells."""
    table = Sheet(("problem", "method", "proves", "what it does"))
    for problem, rows in METHODS.items():
        for name, method in rows.items():
            table.add_row(problem, name, method.proves, method.says)
    if form == "csv":
        csv.writer(sys.stdout, lineterminator="\n").writerows([table.columns, *table.rows])
    else:
        show(table, form)


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
        facts |= _facts_of_radio(data) | _facts_of_rules(data)
    return facts | {
        "infeasible": data.infeasibility(),
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
        snr = (data.radio.mean_gain or 0.0) * data.radio.power_w / data.radio.noise_w
        facts["mean_snr_db"] = 10 * float(np.log10(snr)) if snr > 0 else None
    return facts


def _facts_of_rules(data: Instance) -> dict[str, Any]:
    """The optional rules that a round has."""
    given = {name: getattr(data, name) for name in data.optional_rules}
    facts = {
        name: _range(value) if isinstance(value, np.ndarray) else value
        for name, value in given.items()
    }
    if data.air_tokens is not None:
        between_nodes = ~np.eye(data.num_nodes, dtype=bool)
        facts["tokens_in_time"] = _range(data.air_tokens[between_nodes])
    return facts


def _range(values: np.ndarray[Any, Any]) -> list[float] | None:
    return [float(values.min()), float(values.max())] if values.size else None


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
        say(f"{name:<{width}} {text}", width + 1)


def bill(run: Run, form: str) -> None:
    """What each layer of a protocol run cost, and all of them together."""
    sums = {
        "energy mJ": "energy_j",
        "sending mJ": "communication_j",
        "computing mJ": "computation_j",
    }
    if run.wake_energy is not None:
        sums["waking mJ"] = "waking_j"
    if run.drop_price is not None:
        sums["dropping mJ"] = "dropping_j"
    sums["latency ms"] = "latency_s"
    outcomes = ["experts", "relevance", "short", "gap %"]
    if run.drop_price is not None:
        outcomes.append("dropped")
    if run.air_deadline_s is not None:
        outcomes += ["air ms", "deadline ms", "deadline"]
    columns = ("layer", *sums, *outcomes)
    table = Sheet(columns, columns)
    for layer in run.layers:
        energies = [rounded(1e3 * getattr(layer, field)) for field in sums.values()]
        told = _outcomes(layer)
        table.add_row(str(layer.layer), *energies, *(told[name] for name in outcomes))
    table.add_section()
    totals = [rounded(1e3 * run.total(field)) for field in sums.values()]
    table.add_row("all", *totals, *[""] * len(outcomes))
    show(table, form)
    note(f"{run.preset}, {run.scheduler}: {_facts(run)}", form)


def _outcomes(layer: LayerBill) -> dict[str, str]:
    """The cells of a layer beside its energies, by column."""
    return {
        "experts": f"{layer.experts / max(layer.tokens, 1):.2f}",
        "relevance": f"{layer.relevance:.3f}",
        "short": str(layer.shortfalls),
        "gap %": gap_percent(layer.gap),
        "dropped": str(layer.dropped),
        "air ms": rounded(1e3 * layer.air_s),
        "deadline ms": number(layer.air_deadline_s, "g", 1e3),
        "deadline": "kept" if layer.on_time else "missed",
    }


def _facts(run: Run) -> str:
    """Accuracy, what rules did to the run, and its size, in words."""
    facts = ["no labels, so no accuracy"]
    if run.accuracy is not None:
        facts = [f"accuracy {100 * run.accuracy:.2f} %"]
    layers, tokens = len(run.layers), run.layers[0].tokens
    if run.air_deadline_s is not None:
        facts.append(f"deadline kept in {layers - run.late} of {layers} layers")
    if run.drop_price is not None:
        dropped = int(run.total("dropped"))
        facts.append(f"{dropped} of {layers * tokens} tokens dropped over {layers} layers")
    rounds_s = layers / max(run.wall_s, 1e-9)
    facts.append(f"{counted(tokens, 'token')}, {rounds_s:.0f} rounds/s")
    return "; ".join(facts)


def frontier(points: Sequence[FrontierPoint], form: str) -> None:
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
    table = Sheet(("scheduler", *numbers), numbers)
    previous = None
    for point in points:
        if previous not in (None, point.scheduler):
            table.add_section()
        previous = point.scheduler
        accuracy = ""
        if point.accuracy is not None:
            accuracy = with_interval(point.accuracy, point.accuracy_ci95, 100)
        table.add_row(
            point.scheduler,
            "*" if point.front else "",
            f"{point.gamma0:g}",
            f"{point.z:g}",
            str(point.max_experts),
            with_interval(point.energy_per_token_j, point.energy_ci95_j, 1e6),
            accuracy,
            f"{point.relevance:.3f}",
            rounded(1e3 * point.latency_s, 3),
        )
    show(table, form)


def with_interval(mean: float, ci95: float | None, factor: float = 1.0) -> str:
    """A mean with half the width of its interval, if that is known, both times a factor."""
    half = "" if ci95 is None else f" ± {rounded(factor * ci95, 2)}"
    return f"{rounded(factor * mean)}{half}"
