"""The commands of the protocol over layers: `protocol` and `frontier`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from dmoe_opt.cli.options import (
    FIGURES,
    NATURAL,
    PER_NODE,
    SEND_ONCE,
    WHOLE,
    emit,
    formatted,
    numbers_in,
    pictures,
    setting,
)
from dmoe_opt.layers import schedulers as names

if TYPE_CHECKING:
    from pathlib import Path

    from dmoe_opt.answer.decision import Decision
    from dmoe_opt.layers.protocol import Run

LIST = "comma-separated"
EACH = f"one number, or one per layer, {LIST}"
RULES = ("drop_price", "capacity", "wake_energy", "air_deadline_s")


def _listed(values: Sequence[object]) -> str:
    """Values as they are typed, with commas between them."""
    return ",".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values)


@click.command()
@click.argument("preset")
@setting(
    "--scheduler",
    default=names.DEFAULT,
    metavar="NAME",
    help=f"{', '.join(names.SCHEDULERS)}, or a method.",
)
@setting("--gamma0", type=float, default=names.GAMMA0, help="Layer l wants z gamma0^l.")
@click.option("--importance", metavar="LIST", help=f"Factors in place of gamma0^l, {LIST}.")
@setting("--z", type=float, default=names.Z, help="Relevance wanted before the factor.")
@setting(
    "--max-experts", type=WHOLE, default=names.MAX_EXPERTS, metavar="D", help="Experts per token."
)
@click.option("--layers", type=WHOLE, metavar="L", help="Default: all of the preset.")
@click.option("--tokens", "num_tokens", type=WHOLE, metavar="T", help="Default: as in the preset.")
@setting("--channel-error", type=float, default=0.0, help="Unknown share of the variance.")
@PER_NODE
@SEND_ONCE
@click.option("--drop-price", metavar="J", help=f"Tokens may be dropped for that much; {EACH}.")
@click.option("--capacity", metavar="TOKENS", help=f"Of every expert; {EACH}.")
@click.option("--wake-energy", metavar="J", help=f"Of every expert that serves; {EACH}.")
@click.option("--air-deadline-s", metavar="S", help=f"For sending, kept or missed; {EACH}.")
@setting("--seed", type=NATURAL, default=0)
@click.option("-o", "--output", metavar="FOLDER", help="For protocol.json, CSV files and figures.")
@FIGURES
@formatted()
def protocol(
    preset: str,
    scheduler: str,
    importance: str | None,
    output: str | None,
    form: str,
    **options: Any,
) -> None:
    """Run all layers of PRESET under a scheduler: energy, latency, accuracy.

    PRESET is digits, domains or synthetic-32.
    """
    from dmoe_opt.cli import console, tables
    from dmoe_opt.comparing.rows import as_csv
    from dmoe_opt.data import files
    from dmoe_opt.layers.bills import LayerBill
    from dmoe_opt.layers.protocol import run

    given = click.get_current_context().get_parameter_source("gamma0")
    if importance is not None and given == click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError("give --gamma0 or --importance, one of the two")
    factors = None if importance is None else numbers_in("importance", importance)
    for rule in RULES:
        options[rule] = _of_layers(rule, options[rule])
    if output is not None:
        files.make_folder(output)
    console.prepare("jesa")
    written: list[Path] = []

    def keep(layer: int, decision: Decision) -> None:
        if output is not None:
            written.extend(_write_tokens(output, layer, decision))

    done = run(preset, _todays_name(scheduler), importance=factors, watch=keep, **options)
    if output is not None:
        console.wrote(written + _write_run(output, done))
    if form == "json":
        emit(done.document())
    elif form == "csv":
        click.echo(as_csv(done.layers, LayerBill), nl=False)
    else:
        tables.bill(done, form)


def _write_tokens(folder: str, layer: int, decision: Decision) -> list[Path]:
    """Write the bill of a layer by tokens; returns its path."""
    from dmoe_opt.comparing.rows import as_csv
    from dmoe_opt.data import files
    from dmoe_opt.layers.bills import TokenBill, token_bills

    rows = as_csv(token_bills(layer, decision), TokenBill)
    return files.write_all(folder, {f"tokens-l{layer:02d}.csv": rows.encode()})


def _write_run(folder: str, done: Run) -> list[Path]:
    """Write a run, its bills by layers, and its figures; returns the paths."""
    import msgspec

    from dmoe_opt.comparing.rows import as_csv
    from dmoe_opt.data import files
    from dmoe_opt.layers.bills import LayerBill

    contents = {
        "protocol.json": msgspec.json.encode(done.document()) + b"\n",
        "layers.csv": as_csv(done.layers, LayerBill).encode(),
    }
    figures = pictures("plot.protocol", "of_run", done)
    return files.write_all(folder, contents | figures)


@click.command()
@click.argument("preset")
@setting("--schedulers", default=_listed(names.ALL), metavar="A,B,C")
@setting(
    "--gamma0",
    default=_listed(names.GAMMA0_GRID),
    metavar="LIST",
    help=f"Importance bases, {LIST}.",
)
@setting("--z", default=_listed(names.Z_GRID), metavar="LIST", help=f"Relevances wanted, {LIST}.")
@setting(
    "--max-experts",
    default=_listed(names.MAX_EXPERTS_GRID),
    metavar="LIST",
    help=f"Experts per token, {LIST}.",
)
@setting("--seeds", type=WHOLE, default=names.SEEDS, help="Runs of every setting.")
@click.option("--tokens", "num_tokens", type=WHOLE, metavar="T", help="Default: as in the preset.")
@click.option("--layers", type=WHOLE, metavar="L", help="Default: all of the preset.")
@click.option("-o", "--output", metavar="FOLDER", help="For frontier.csv and figures; - prints it.")
@FIGURES
@formatted()
def frontier(
    preset: str,
    schedulers: str,
    gamma0: str,
    z: str,
    max_experts: str,
    output: str | None,
    form: str,
    **options: Any,
) -> None:
    """Accuracy against energy on PRESET, with the Pareto front of every scheduler.

    Every scheduler is run over a grid of gamma0, z and D.
    """
    from dataclasses import asdict

    from dmoe_opt.cli import console, tables
    from dmoe_opt.comparing.rows import as_csv
    from dmoe_opt.comparing.schedulers import FrontierPoint
    from dmoe_opt.comparing.schedulers import frontier as sweep
    from dmoe_opt.data import files

    grid: dict[str, Any] = {
        "schedulers": [_todays_name(name.strip()) for name in schedulers.split(",")],
        "gamma0": numbers_in("gamma0", gamma0),
        "z": numbers_in("z", z),
        "max_experts": [_whole(value) for value in numbers_in("max_experts", max_experts)],
    }
    if output is not None and files.is_stdout(output):
        output, form = None, "csv"
    if output is not None:
        files.make_folder(output)
    console.prepare("jesa")
    with console.progress(f"frontier of {preset}") as report:
        points = sweep(preset, **grid, progress=report, **options)
    rows = as_csv(points, FrontierPoint)
    if output is not None:
        figures = pictures("plot.protocol", "of_frontier", points, preset)
        console.wrote(files.write_all(output, {"frontier.csv": rows.encode()} | figures))
    if form == "json":
        emit({"preset": preset, "rows": [asdict(point) for point in points]})
    elif form == "csv":
        click.echo(rows, nl=False)
    else:
        tables.frontier(points, form)


def _of_layers(rule: str, text: str | None) -> list[float] | float | None:
    """A rule as it was typed: one number for all layers, or one for each."""
    if text is None:
        return None
    values = numbers_in(rule, text)
    if rule == "capacity":
        values = [_whole(value) for value in values]
    return values if len(values) > 1 else values[0]


def _todays_name(scheduler: str) -> str:
    """The name of a scheduler today; for an old one a line on stderr."""
    hint = names.renaming(scheduler)
    if hint is not None:
        click.echo(f"dmoe-opt: {hint}", err=True)
    return names.OLD_NAMES.get(scheduler, scheduler)


def _whole(value: float) -> float:
    """A whole number as `int`; any other as it is, for the check that refuses it."""
    return int(value) if value.is_integer() else value
