"""The command line. Exit codes: 0 checked answer, 1 solution fails its check, 2 bad input, 3 infeasible, 4 no answer."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from dmoe_opt.cli.layers import frontier, protocol
from dmoe_opt.cli.offload import offload
from dmoe_opt.cli.options import JSON, emit, pictures
from dmoe_opt.cli.plot import plot
from dmoe_opt.cli.sweep import sweep
from dmoe_opt.errors import DmoeError

if TYPE_CHECKING:
    from pathlib import Path

    from dmoe_opt.answer.objective import Selection
    from dmoe_opt.data.instance import Instance
    from dmoe_opt.data.problem import SelectionProblem

PROBLEM = click.option(
    "--problem",
    default="selection",
    show_default=True,
    metavar="NAME",
    help="What to solve; see `dmoe-opt methods`.",
)
EXIT_CODES = {"optimal": 0, "feasible": 0, "infeasible": 3, "no_solution": 4}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dmoe-opt")
def cli() -> None:
    """Which experts should a token see, and which subcarrier should carry it there."""


@cli.command()
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
    return make_folder(folder) / f"{data.name}{'.npz' if size > 200_000 else '.json'}"


@cli.command("import")
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
    type=click.IntRange(1),
    metavar="K",
    help="Experts in all; default: as many as the trace shows.",
)
@click.option("--layers", metavar="A,B,C", help="Numbers of the layers wanted; default: all.")
@click.option(
    "--tokens", type=click.IntRange(1), metavar="N", help="Tokens drawn at random; default: all."
)
@click.option(
    "--max-experts",
    type=click.IntRange(1),
    metavar="D",
    help="Default: as many as a token visits in the trace.",
)
@click.option("--subcarriers", type=click.IntRange(1), default=64, show_default=True, metavar="M")
@click.option(
    "--sources", type=click.IntRange(1), metavar="N", help="Nodes that own tokens; default: all."
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
    trace: str, output: str, gate: str | None, experts: int | None, layers: str | None, tokens: int | None,
    max_experts: int | None, subcarriers: int, sources: int | None, share: float, hidden_size: int, seed: int,
) -> None:  # fmt: skip
    """Turn the router trace of a real model into instances, one a layer."""
    from pathlib import Path

    from dmoe_opt.data import files
    from dmoe_opt.generating.trace_files import load_trace
    from dmoe_opt.generating.traces import to_rounds

    try:
        numbers = None if layers is None else [int(number) for number in layers.split(",")]
    except ValueError:
        raise click.UsageError(
            f'--layers = "{layers}"; allowed: whole numbers with commas between them'
        ) from None
    rounds = to_rounds(
        load_trace(trace, gate=gate, num_experts=experts), seed=seed, name=Path(trace).stem, layers=numbers,
        num_tokens=tokens, num_subcarriers=subcarriers, num_sources=sources, max_experts=max_experts,
        hidden_size=hidden_size, share=share,
    )  # fmt: skip
    for data in rounds:
        path = _in_folder(Path(output), data)
        files.save(data, path)
        click.echo(path)


@cli.command()
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


@cli.command()
@click.argument("file")
@PROBLEM
@click.option(
    "--method",
    metavar="NAME",
    help="Default: des (selection), assignment (allocation), bcd (jesa).",
)
@click.option(
    "--selection",
    metavar="SOLUTION",
    help="Solution whose experts get subcarriers (allocation); default: DES.",
)
@click.option(
    "--time-limit",
    type=float,
    metavar="S",
    help="Stop after S seconds with the best answer and its bound.",
)
@click.option("--node-limit", type=click.IntRange(0), metavar="N", help="Nodes per token (des).")
@click.option("--threads", type=click.IntRange(1), metavar="N", help="Threads (des).")
@click.option(
    "--restarts",
    type=click.IntRange(0),
    metavar="N",
    help="Further descents from random starts (bcd).",
)
@click.option("--solver", metavar="NAME", help="Another solver, by its name in Pyomo or CVXPY.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--log", is_flag=True, help="Rows of time, energy, bound and gap on stderr (lagrangian, exact)."
)
@click.option("-o", "--output", metavar="SOLUTION", help="Write the solution file.")
@JSON
def solve(
    file: str, problem: str, method: str | None, selection: str | None, output: str | None, log: bool, as_json: bool,
    **options: Any,
) -> None:  # fmt: skip
    """Solve an instance (a file, or the name of a committed one) and check the answer."""
    from dmoe_opt import solve as run
    from dmoe_opt.cli import tables
    from dmoe_opt.data import files
    from dmoe_opt.method_table import default_method, look_up

    data = files.load(file)
    if output is not None:
        files.require_place(output)
    method = method or default_method(problem)
    row = look_up(problem, method)
    if selection is not None:
        options["selection"] = _selection_in(selection, data)
    tables.prepare(problem)
    if log:
        options["log"] = tables.log()
    with tables.progress(f"{data.name or file}: {method}") as report:
        if row.takes("progress"):
            options["progress"] = report
        result = run(data, problem, method, **options)
    if log:
        options["log"](result.objective_j, result.bound_j, last=True)
    if output is not None:
        files.save(result, output)
    if as_json:
        emit(result.solution())
    else:
        click.echo(str(result))
    sys.exit(EXIT_CODES[result.status])


def _selection_in(path: str, data: Instance | SelectionProblem) -> Selection:
    from dmoe_opt.answer.check import selection_of
    from dmoe_opt.data.files import load_solution
    from dmoe_opt.errors import InputError

    solution = load_solution(path)
    try:
        return selection_of(data, solution)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


@cli.command()
@click.argument("file")
@click.argument("solution")
@JSON
def check(file: str, solution: str, as_json: bool) -> None:
    """Recompute a solution from its instance; exit code 1 if a rule is broken or a claim is false."""
    from dmoe_opt import check as judge
    from dmoe_opt.data import files

    claim = files.load_solution(solution)
    found = judge(files.load(file), claim)
    if as_json:
        emit({"ok": not found, "violations": found})
    elif found:
        click.echo("\n".join(found))
    else:
        energy = "no answer" if claim.objective_j is None else f"{claim.objective_j:.9g} J"
        click.echo(
            f"ok: {claim.status}, {energy}; the rules hold, energy, gap and status are as claimed"
        )
    sys.exit(1 if found else 0)


@cli.command()
@click.argument("paths", nargs=-1, required=True, metavar="FILE_OR_FOLDER...")
@PROBLEM
@click.option(
    "--methods", metavar="A,B,C", help="Default: all, without enumeration where it would take long."
)
@click.option("--time-limit", type=float, metavar="S", help="Seconds per method and instance.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("-o", "--output", metavar="FOLDER", help="Write comparison.csv and figures there.")
@JSON
def compare(
    paths: tuple[str, ...], problem: str, methods: str | None, time_limit: float | None, seed: int,
    output: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Methods side by side: energy, gap to the best proven bound, relevance, time, nodes."""
    from dataclasses import asdict

    from dmoe_opt import compare as run
    from dmoe_opt.cli import tables
    from dmoe_opt.data import files

    names = [name.strip() for name in methods.split(",")] if methods else None
    if output is not None:
        files.make_folder(output)
    tables.prepare(problem)
    with tables.progress("compare") as report:
        comparison = run(
            paths,
            problem,
            names,
            time_limit,
            seed,
            progress=lambda what, done, total: report(done, total, what),
        )
    written = []
    if output is not None:
        figures = pictures("plot.comparison", "comparison", comparison.rows)
        written = [*comparison.save(output), *files.write_all(output, figures)]
    if as_json:
        emit({"problem": problem, "rows": [asdict(row) for row in comparison.rows]})
        return
    tables.comparison(comparison)
    tables.wrote(written)


@cli.command()
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


@cli.command()
@JSON
def methods(as_json: bool) -> None:
    """List the methods of every problem."""
    from dmoe_opt.cli import tables
    from dmoe_opt.method_table import METHODS

    if as_json:
        emit(
            [
                {"problem": problem, "method": name, "proves": row.proves, "says": row.says}
                for problem, rows in METHODS.items()
                for name, row in rows.items()
            ]
        )
    else:
        tables.methods()


cli.add_command(protocol)
cli.add_command(frontier)
cli.add_command(offload)
cli.add_command(plot)
cli.add_command(sweep)


def main() -> None:
    """Run the command line: every error is one line on stderr."""
    try:
        sys.exit(cli.main(standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(2)
    except click.ClickException as error:
        _complain(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        click.echo("dmoe-opt: interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:  # the reader of a pipe has left
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:  # stdout itself: files report their own errors
        _complain(f"output: {error.strerror or error}")
    except DmoeError as error:
        _complain(str(error), error.exit_code)


def _complain(text: str, exit_code: int = 2) -> None:
    click.echo("dmoe-opt: " + " ".join(text.split()), err=True)
    sys.exit(exit_code)
