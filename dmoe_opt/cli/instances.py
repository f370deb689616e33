"""The commands about instances: `generate`, `import`, `info` and `export`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dmoe_opt.cli.options import (
    JSON,
    NATURAL,
    PER_NODE,
    PROBLEM,
    SEND_ONCE,
    WHOLE,
    emit,
    say,
    setting,
)
from dmoe_opt.data import printed
from dmoe_opt.errors import printable

if TYPE_CHECKING:
    from pathlib import Path

    from dmoe_opt.data.instance import Instance
    from dmoe_opt.data.problem import SelectionProblem
    from dmoe_opt.generating.traces import Trace

LARGE = 200_000  # numbers, from which an archive is better than text
FINE = (
    "sums of these scores can be closer to a threshold than HiGHS 1.15.1 tells apart, which then "
    "calls a wrong set optimal: check its answer, or compare it with des or exact"
)


@click.command()
@click.argument("preset", required=False)
@click.option("--list", "listing", is_flag=True, help="List the presets.")
@setting("--seed", type=NATURAL, default=0, help="Seed of the first instance.")
@setting("--count", type=WHOLE, default=1, help="Instances, of successive seeds.")
@PER_NODE
@SEND_ONCE
@click.option("-o", "--output", metavar="PATH", help="File, or folder for several; - is stdout.")
@JSON
def generate(
    preset: str | None,
    listing: bool,
    seed: int,
    count: int,
    output: str | None,
    as_json: bool,
    **placed: Any,
) -> None:
    """Write instances of a preset; default: PRESET-sSEED.json in this folder."""
    from pathlib import Path

    from dmoe_opt import generate as make
    from dmoe_opt.cli import tables
    from dmoe_opt.data import files
    from dmoe_opt.generating.presets import PRESETS

    if listing:
        emit(tables.preset_facts()) if as_json else tables.presets()
        return
    if preset is None:
        raise click.UsageError(f"PRESET is missing; allowed: {', '.join(PRESETS)}, or --list")
    changes = {name: value for name, value in placed.items() if value}
    written = []
    for number in range(seed, seed + count):
        data = make(preset, number, **changes)
        path = Path("." if output is None else output)
        if path.is_dir() or count > 1:
            path = _in_folder(path, data)
        written.append(_save(data, path, quiet=as_json))
    if as_json and not files.is_stdout(written[0].file):
        emit(printed.Generated(written))


def _save(
    data: Instance | SelectionProblem, path: Path, *, quiet: bool = False
) -> printed.WrittenFile:
    """Write an instance; unless quiet, print where, except on stdout, which has the instance."""
    from dmoe_opt.data import files

    files.save(data, path)
    if not (quiet or files.is_stdout(path)):
        click.echo(printable(str(path)))
    return printed.WrittenFile(str(path), data.name, data.sha256)


def _in_folder(folder: Path, data: Instance | SelectionProblem) -> Path:
    """A file of the instance's name in a folder, which is made if need be; .npz if it is large."""
    from dmoe_opt.data.files import make_folder, stem_of

    links = getattr(data, "link_energy", None)
    size = data.scores.size + (0 if links is None else links.size)
    return make_folder(folder) / f"{stem_of(data.name)}{'.npz' if size > LARGE else '.json'}"


@click.command("import")
@click.argument("trace")
@click.option(
    "-o", "--output", default=".", metavar="FOLDER", help="For the files; default: this folder."
)
@click.option("--gate", metavar="NAME", help="softmax (default) or sigmoid, for logits.")
@click.option("--experts", "num_experts", type=WHOLE, metavar="K", help="Default: as in the trace.")
@click.option(
    "--order", metavar="LTK|TLK", help="Axes layer, token, expert of an array; default: LTK."
)
@click.option("--layers", metavar="A,B,C", help="Numbers of the layers wanted; default: all.")
@click.option(
    "--tokens",
    "num_tokens",
    type=WHOLE,
    metavar="N",
    help="Drawn at random; default: all, or 128 of a log that only counts.",
)
@click.option("--max-experts", type=WHOLE, metavar="D", help="Default: as in the trace.")
@setting("--subcarriers", "num_subcarriers", type=WHOLE, default=64, metavar="M")
@click.option(
    "--sources", "num_sources", type=WHOLE, metavar="N", help="Nodes with tokens; default: all."
)
@PER_NODE
@SEND_ONCE
@setting(
    "--share", type=float, default=0.7, metavar="S", help="Threshold: share of the best D scores."
)
@setting("--hidden-size", type=WHOLE, default=4096, help="Numbers of 16 bits sent per token.")
@setting("--seed", type=NATURAL, default=0, help="Of radio, energies and --tokens.")
@JSON
def import_(
    trace: str,
    output: str,
    as_json: bool,
    gate: str | None,
    num_experts: int | None,
    order: str | None,
    layers: str | None,
    **options: Any,
) -> None:
    """Turn the router log of a real model into instances, one per layer.

    Read are lines of this project, of vLLM and of Megatron-Core, recorders of SGLang, counts of
    llama.cpp, popularity tables, and arrays in .npy, .npz, .safetensors, .mat, .pt or CSV, also as
    .gz or .zst. What was in the log and what was drawn is printed.
    """
    from pathlib import Path

    from dmoe_opt.data.arrays import split_name
    from dmoe_opt.data.reading import STANDARD_INPUT
    from dmoe_opt.generating.trace_files import load_trace
    from dmoe_opt.generating.traces import to_rounds

    wanted = None if layers is None else _whole_numbers("--layers", layers)
    drawn = {"num_tokens": options["num_tokens"], "seed": options["seed"]}
    scores = load_trace(trace, gate=gate, num_experts=num_experts, order=order, **drawn)
    file = split_name(trace, None)[0].removesuffix(".gz").removesuffix(".zst")
    name = "trace" if file in STANDARD_INPUT else Path(file).stem
    document: printed.Imported | None = None
    for data in to_rounds(scores, name=name, layers=wanted, **options):
        path = _in_folder(Path(output), data)
        if document is None:
            document = _facts_of_import(scores, data, options)
            if not as_json:
                _tell(trace, document)
        document.files.append(_save(data, path, quiet=as_json))
    if as_json:
        emit(document)


def _facts_of_import(trace: Trace, data: Instance, options: dict[str, Any]) -> printed.Imported:
    """What was in the log, and what was drawn or filled in; `data` is one of the rounds."""
    source = trace.source.partition(": ")[2] or trace.source
    drawn = [
        f"Rayleigh fading on {data.num_subcarriers} subcarriers, mean SNR 10 dB "
        f"(--subcarriers, --seed {options['seed']})",
        "energies of the experts, 5e-05 to 0.0005 J per token",
    ]
    filled_in = [
        f"tokens are dealt evenly over {int(data.source.max()) + 1} nodes, in order (--sources)",
        f"at most {data.max_experts} experts per token (--max-experts), which keep "
        f"{options['share']:g} of the best {data.max_experts} scores (--share)",
        f"{options['hidden_size']} numbers of 16 bits per hidden state (--hidden-size)",
    ]
    layers, tokens, experts = trace.scores.shape
    log = printed.Log(layers, tokens, experts, source, list(trace.remarks))
    return printed.Imported(log, drawn, filled_in, files=[])


def _tell(file: str, facts: printed.Imported) -> None:
    """Say on stderr what was in the log, and what was drawn or filled in."""
    log = facts.log
    lines = [
        f"{file}: layers {log.layers}, tokens {log.tokens}, experts {log.experts}",
        f"in the log: {log.source}",
        *log.remarks,
        *(f"drawn: {line}" for line in facts.drawn),
        *(f"filled in: {line}" for line in facts.filled_in),
    ]
    say("\n".join(lines), err=True)


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
@JSON
def export(file: str, problem: str, output: str, as_json: bool) -> None:
    """Write the integer program for another solver."""
    from dmoe_opt.data import files
    from dmoe_opt.models.export import export as write
    from dmoe_opt.models.export import is_too_fine

    data = files.load(file)
    factor = write(data, problem, output)
    if problem != "allocation" and is_too_fine(data):
        say(FINE, err=True)
    what = "the energy of the links" if problem == "allocation" else "the energy"
    if as_json:
        emit(printed.Exported(output, problem, what, 1 / factor))
        return
    click.echo(printable(f"{output}: the objective is {what} in units of {1 / factor:.6g} J"))
