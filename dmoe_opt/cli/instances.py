"""The commands about instances: `generate`, `import`, `info` and `export`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dmoe_opt.cli.options import JSON, PROBLEM, emit

if TYPE_CHECKING:
    from pathlib import Path

    from dmoe_opt.data.instance import Instance
    from dmoe_opt.data.problem import SelectionProblem

LARGE = 200_000  # numbers, from which an archive is better than text


@click.command()
@click.argument("preset", required=False)
@click.option("--list", "listing", is_flag=True, help="List the presets.")
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Seed of the first instance.",
)
@click.option(
    "--count",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Instances, of successive seeds.",
)
@click.option(
    "-o", "--output", metavar="PATH", help="File (.json or .npz), or folder if --count is above 1."
)
def generate(preset: str | None, listing: bool, seed: int, count: int, output: str | None) -> None:
    """Write instances of a preset; default: PRESET-sSEED.json in this folder."""
    from pathlib import Path

    from dmoe_opt import generate as make
    from dmoe_opt.cli import tables
    from dmoe_opt.data import files
    from dmoe_opt.generating.presets import PRESETS

    if listing:
        tables.presets()
        return
    if preset is None:
        raise click.UsageError(f"PRESET is missing; allowed: {', '.join(PRESETS)}, or --list")
    for number in range(seed, seed + count):
        data = make(preset, number)
        path = Path("." if output is None else output)
        if path.is_dir() or count > 1:
            path = _in_folder(path, data)
        files.save(data, path)
        click.echo(path)


def _in_folder(folder: Path, data: Instance | SelectionProblem) -> Path:
    """A file of the instance's name in a folder, which is made if need be; .npz if it is large."""
    from dmoe_opt.data.files import make_folder

    links = getattr(data, "link_energy", None)
    size = data.scores.size + (0 if links is None else links.size)
    return make_folder(folder) / f"{data.name}{'.npz' if size > LARGE else '.json'}"


@click.command("import")
@click.argument("trace")
@click.option(
    "-o",
    "--output",
    default=".",
    metavar="FOLDER",
    help="Where the files go; default: this folder.",
)
@click.option(
    "--gate", metavar="NAME", help="softmax (default) or sigmoid, if the trace holds logits."
)
@click.option(
    "--experts",
    "num_experts",
    type=click.IntRange(1),
    metavar="K",
    help="Experts in all; default: as many as the trace shows.",
)
@click.option("--layers", metavar="A,B,C", help="Numbers of the layers wanted; default: all.")
@click.option(
    "--tokens",
    "num_tokens",
    type=click.IntRange(1),
    metavar="N",
    help="Tokens drawn at random; default: all.",
)
@click.option(
    "--max-experts",
    type=click.IntRange(1),
    metavar="D",
    help="Default: as many as a token visits in the trace.",
)
@click.option(
    "--subcarriers",
    "num_subcarriers",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    metavar="M",
)
@click.option(
    "--sources",
    "num_sources",
    type=click.IntRange(1),
    metavar="N",
    help="Nodes that own tokens; default: all.",
)
@click.option(
    "--share",
    type=float,
    default=0.7,
    show_default=True,
    metavar="S",
    help="Threshold: share of the best D scores.",
)
@click.option(
    "--hidden-size",
    type=click.IntRange(1),
    default=4096,
    show_default=True,
    help="Numbers of 16 bits sent per token.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Of radio, energies and --tokens.",
)
def import_(
    trace: str,
    output: str,
    gate: str | None,
    num_experts: int | None,
    layers: str | None,
    **options: Any,
) -> None:
    """Turn the router trace of a real model into instances, one per layer."""
    from pathlib import Path

    from dmoe_opt.data import files
    from dmoe_opt.generating.trace_files import load_trace
    from dmoe_opt.generating.traces import to_rounds

    wanted = None if layers is None else _whole_numbers("--layers", layers)
    scores = load_trace(trace, gate=gate, num_experts=num_experts)
    for data in to_rounds(scores, name=Path(trace).stem, layers=wanted, **options):
        path = _in_folder(Path(output), data)
        files.save(data, path)
        click.echo(path)


def _whole_numbers(option: str, text: str) -> list[int]:
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        allowed = "whole numbers with commas between them"
        raise click.UsageError(f'{option} = "{text}"; allowed: {allowed}') from None


@click.command()
@click.argument("file")
@JSON
def info(file: str, as_json: bool) -> None:
    """Say what an instance holds."""
    from dmoe_opt import load
    from dmoe_opt.cli import tables

    facts = tables.facts(load(file))
    if as_json:
        emit(facts)
    else:
        tables.listing(facts)


@click.command()
@click.argument("file")
@PROBLEM
@click.option("-o", "--output", required=True, metavar="PATH", help="x.mps, x.lp or x.nl")
def export(file: str, problem: str, output: str) -> None:
    """Write the integer program for another solver."""
    from dmoe_opt.data import files
    from dmoe_opt.models.export import export as write

    factor = write(files.load(file), problem, output)
    what = "the energy of the links" if problem == "allocation" else "the energy"
    click.echo(f"{output}: the objective is {what} in units of {1 / factor:.6g} J")
