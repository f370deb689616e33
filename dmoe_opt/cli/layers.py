"""The commands of the protocol over layers: `protocol` and `frontier`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dmoe_opt.cli.options import JSON, emit, pictures

if TYPE_CHECKING:
    from pathlib import Path

LIST = "comma-separated"


@click.command()
@click.argument("preset")
@click.option(
    "--scheduler",
    default="jesa",
    show_default=True,
    metavar="NAME",
    help="jesa, homogeneous, des, topk, relaxed, dense, or a method.",
)
@click.option(
    "--gamma0",
    type=float,
    default=0.9,
    show_default=True,
    help="Importance base: layer l wants z gamma0^l.",
)
@click.option(
    "--importance", metavar="LIST", help=f"One factor a layer in place of gamma0^l, {LIST}."
)
@click.option(
    "--z",
    type=float,
    default=0.6,
    show_default=True,
    help="Relevance wanted before the importance factor.",
)
@click.option(
    "--max-experts",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    metavar="D",
    help="Experts per token.",
)
@click.option("--layers", type=click.IntRange(1), metavar="L", help="Default: all of the preset.")
@click.option(
    "--tokens",
    "num_tokens",
    type=click.IntRange(1),
    metavar="T",
    help="Default: as many as the preset has.",
)
@click.option(
    "--channel-error",
    type=float,
    default=0.0,
    show_default=True,
    help="Share of the channel's variance that is unknown.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "-o",
    "--output",
    metavar="FOLDER",
    help="Write protocol.json, CSV by layers and tokens, and figures there.",
)
@JSON
def protocol(
    preset: str, scheduler: str, importance: str | None, output: str | None, as_json: bool, **options: Any
) -> None:  # fmt: skip
    """Run all layers of PRESET (digits, domains, synthetic-32) under a scheduler: energy, latency, accuracy."""
    import msgspec

    from dmoe_opt.cli import tables
    from dmoe_opt.comparing.rows import as_csv
    from dmoe_opt.data import files
    from dmoe_opt.layers.bills import LayerBill, TokenBill, token_bills
    from dmoe_opt.layers.protocol import run

    given = click.get_current_context().get_parameter_source("gamma0")
    if importance is not None and given == click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError("give --gamma0 or --importance, one of the two")
    factors = None if importance is None else _numbers("importance", importance)
    written: list[Path] = []

    def keep(layer: int, *decision: Any) -> None:
        rows = token_bills(layer, *decision)
        written.extend(
            files.write_all(
                str(output), {f"tokens-l{layer:02d}.csv": as_csv(rows, TokenBill).encode()}
            )
        )

    if output is not None:
        files.make_folder(output)
    tables.prepare("jesa")
    done = run(
        preset, scheduler, importance=factors, watch=None if output is None else keep, **options
    )
    if output is not None:
        contents = {
            "protocol.json": msgspec.json.encode(done.document()) + b"\n",
            "layers.csv": as_csv(done.layers, LayerBill).encode(),
        }
        tables.wrote(
            written
            + files.write_all(output, contents | pictures("plot.protocol_figures", "of_run", done))
        )
    if as_json:
        emit(done.document())
    else:
        tables.bill(done)


@click.command()
@click.argument("preset")
@click.option(
    "--schedulers",
    default="jesa,homogeneous,des,topk,relaxed,dense",
    show_default=True,
    metavar="A,B,C",
)
@click.option(
    "--gamma0",
    default="0.7,0.8,0.9,1",
    show_default=True,
    metavar="LIST",
    help=f"Importance bases, {LIST}.",
)
@click.option(
    "--z",
    default="0.4,0.6,0.8,1",
    show_default=True,
    metavar="LIST",
    help=f"Relevances wanted, {LIST}.",
)
@click.option(
    "--max-experts",
    default="2",
    show_default=True,
    metavar="LIST",
    help=f"Experts per token, {LIST}.",
)
@click.option(
    "--seeds", type=click.IntRange(1), default=5, show_default=True, help="Runs of every setting."
)
@click.option(
    "--tokens",
    "num_tokens",
    type=click.IntRange(1),
    metavar="T",
    help="Default: as many as the preset has.",
)
@click.option("--layers", type=click.IntRange(1), metavar="L", help="Default: all of the preset.")
@click.option("-o", "--output", metavar="FOLDER", help="Write frontier.csv and figures there.")
@JSON
def frontier(
    preset: str, schedulers: str, gamma0: str, z: str, max_experts: str, output: str | None, as_json: bool, **options: int
) -> None:  # fmt: skip
    """Accuracy against energy on PRESET: sweep gamma0, z and D, and mark the Pareto front of every scheduler."""
    from dataclasses import asdict

    from dmoe_opt.cli import tables
    from dmoe_opt.comparing.rows import as_csv
    from dmoe_opt.comparing.schedulers import FrontierPoint
    from dmoe_opt.comparing.schedulers import frontier as sweep
    from dmoe_opt.data import files

    names = [name.strip() for name in schedulers.split(",")]
    heights, bases = _numbers("z", z), _numbers("gamma0", gamma0)
    most = [
        int(value) if value == int(value) else value
        for value in _numbers("max_experts", max_experts)
    ]
    if output is not None:
        files.make_folder(output)
    tables.prepare("jesa")
    with tables.progress(f"frontier of {preset}") as report:
        points = sweep(
            preset, schedulers=names, gamma0=bases, z=heights, max_experts=most, progress=report, **options  # type: ignore[arg-type]
        )  # fmt: skip
    if output is not None:
        contents = {"frontier.csv": as_csv(points, FrontierPoint).encode()}
        tables.wrote(
            files.write_all(
                output, contents | pictures("plot.protocol_figures", "of_frontier", points, preset)
            )
        )
    if as_json:
        emit({"preset": preset, "rows": [asdict(point) for point in points]})
    else:
        tables.frontier(points)


def _numbers(name: str, text: str) -> list[float]:
    from dmoe_opt.data.validate import fail

    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise fail(name, text, "numbers with commas between them") from None
