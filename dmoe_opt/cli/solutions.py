"""The commands about solutions: `methods`, `solve`, `check` and `compare`."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

import click

from dmoe_opt.cli import proofs, streams
from dmoe_opt.cli.options import (
    FIGURES,
    JSON,
    NATURAL,
    PROBLEM,
    emit,
    formatted,
    of_methods,
    pictures,
    say,
    setting,
)
from dmoe_opt.method_options import PROGRESS
from dmoe_opt.method_table import METHODS, default_method

if TYPE_CHECKING:
    from dmoe_opt.answer.objective import Selection
    from dmoe_opt.answer.result import Result
    from dmoe_opt.data.instance import Instance
    from dmoe_opt.data.problem import SelectionProblem

EXIT_CODES = {"optimal": 0, "feasible": 0, "infeasible": 3, "no_solution": 4}
LABEL = 11
"""Columns of the names before the values of a result."""
OWN = "Your own: package.module:function."
DEFAULTS = ", ".join(f"{default_method(problem)} ({problem})" for problem in METHODS)


@click.command()
@formatted()
def methods(form: str) -> None:
    """List the methods of every problem."""
    from dmoe_opt.cli import tables

    if form != "json":
        tables.methods(form)
        return
    document = []
    for problem, rows in METHODS.items():
        for name, row in rows.items():
            document.append(
                {
                    "problem": problem,
                    "method": name,
                    "proves": row.proves,
                    "says": row.says,
                    "options": [option.name for option in row.options],
                }
            )
    emit(document)


@click.command()
@click.argument("file")
@PROBLEM
@click.option("--method", metavar="NAME", help=f"Default: {DEFAULTS}. {OWN}")
@click.option(
    "--selection", metavar="SOLUTION", help="Whose experts get subcarriers; default: DES."
)
@click.option(
    "--start",
    metavar="SOLUTION",
    help="An answer to begin with. (jesa: bcd, lagrangian, exact, ...)",
)
@of_methods
@click.option("--log", is_flag=True, help="Rows of the search on stderr. (lagrangian, exact)")
@click.option(
    "--stream",
    is_flag=True,
    help="Block by block, on all cores: for large .npz files.",
)
@click.option(
    "--backend", type=click.Choice(streams.BACKENDS), help="Who solves the blocks of --stream."
)
@click.option("--scheduler", metavar="ADDRESS", help="Of a dask cluster that runs already.")
@click.option("-o", "--output", metavar="SOLUTION", help="Write the solution file; - is stdout.")
@click.option(
    "--proof", metavar="FILE", help="Write a certificate of the bound there. (.json, .npz, .vipr)"
)
@JSON
def solve(
    file: str,
    problem: str,
    method: str | None,
    selection: str | None,
    start: str | None,
    output: str | None,
    log: bool,
    stream: bool,
    backend: str | None,
    scheduler: str | None,
    proof: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Solve an instance (a file, - for stdin, or the name of a committed one); check the answer.

    A selection problem in an .npz file of more than 2^26 scores is solved block by block, as with
    --stream.
    """
    asked = streams.Given(stream, backend, scheduler)
    options["relax"] = options["relax"] or None  # a flag that is not set is not given
    if streams.is_streamed(file, problem, asked):
        if any((selection, log, proof, output == "-")):
            what = "--selection, --log, --proof and -o -"
            raise click.UsageError(f"{what} have no meaning for --stream")
        chosen = method or default_method(problem)
        options.pop("seed")
        sys.exit(EXIT_CODES[streams.solve(file, chosen, output, as_json, asked, options)])
    from dmoe_opt import solve as run
    from dmoe_opt.cli import console
    from dmoe_opt.data import files
    from dmoe_opt.own_methods import find

    data = files.load(file)
    if output is not None:
        files.require_place(output)
    method = method or default_method(problem)
    takes_progress = find(problem, method)[1].takes(PROGRESS.name)
    options |= _given(selection, start, data)
    rows = console.SearchLog() if log else None
    console.prepare(problem, data.scores.size)
    with console.progress(f"{data.name or file}: {method}") as report:
        if takes_progress:
            options["progress"] = report
        result = run(data, problem, method, log=rows, **options)
    console.tell_without_cache()
    if rows is not None:
        rows.last(result.objective_j, result.bound_j)
    if proof is not None:
        result = proofs.write(data, result, proof)
    if output is not None:
        files.save(result, output)
    _show(result, as_json, output is not None and files.is_stdout(output))
    if result.status == "infeasible" and not as_json:
        _hint(file, problem, selection)
    sys.exit(EXIT_CODES[result.status])


def _given(
    selection: str | None, start: str | None, data: Instance | SelectionProblem
) -> dict[str, Any]:
    """The answers that a method gets from files."""
    from dmoe_opt.data import files

    given: dict[str, Any] = {}
    if selection is not None:
        given["selection"] = selection_in(selection, data)
    if start is not None:
        given["start"] = files.load_solution(start)
    return given


def _hint(file: str, problem: str, selection: str | None) -> None:
    """Say how an instance without an answer is explained."""
    given = "" if selection is None else f" --selection {shlex.quote(selection)}"
    command = f"dmoe-opt explain {shlex.quote(file)} --problem {problem}{given}"
    say(f"for the fewest tokens and rules that conflict: {command}", err=True)


def _show(result: Result, as_json: bool, written: bool) -> None:
    """Print a result; where the solution has been written to stdout, only a summary on stderr."""
    if written:
        say(str(result), LABEL, err=True)
        return
    if as_json:
        emit(result.solution())
        return
    say(str(result), LABEL)
    if result.token_ranking or result.round_ranking:
        from dmoe_opt.cli import rankings

        rankings.ranking(result)


def selection_in(path: str, data: Instance | SelectionProblem) -> Selection:
    """The selection of a solution file, which must belong to the instance."""
    from dmoe_opt.answer.check import selection_of
    from dmoe_opt.data.files import load_solution
    from dmoe_opt.errors import InputError

    solution = load_solution(path)
    try:
        return selection_of(data, solution)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


@click.command()
@click.argument("file")
@click.argument("solution")
@click.option("--proof", metavar="FILE", help="A certificate, checked in exact arithmetic.")
@JSON
def check(file: str, solution: str, proof: str | None, as_json: bool) -> None:
    """Recompute a solution from its instance, and try to refute its bound.

    The exit code is 1 if a rule is broken or a claim is false.
    """
    from dmoe_opt import check as judge
    from dmoe_opt.checking import can_be_tried, told
    from dmoe_opt.data import files

    claim = files.load_solution(solution)
    data = files.load(file)
    violations = judge(data, claim)
    refused = None if proof is None else proofs.verdict(data, claim, proof)
    if refused:
        violations = [*violations, f"bound claimed, not certified: {refused}"]
    if as_json:
        certified = {} if proof is None else {"certified": not refused}
        claimed = told(claim)
        emit({"ok": not violations, "violations": violations, "claimed": claimed} | certified)
    elif violations:
        say("\n".join(violations))
    else:
        energy = "no answer" if claim.objective_j is None else f"{claim.objective_j:.9g} J"
        say(f"ok: {claim.status}, {energy}")
        say("recomputed: rules, energy, gap, status and shortfall")
        if claim.token_ranking or claim.round_ranking:
            say(
                "recomputed: rules, energies and order of all answers; "
                "that none is missing between them is claimed"
            )
        if proof is not None:
            least = "no answer" if claim.bound_j is None else f"at least {claim.bound_j} J"
            say(f"bound certified: {least}, in exact arithmetic")
        elif told(claim):
            known = claim.method in METHODS[claim.problem]
            method = claim.method if known else f"{claim.method!r}, which is no method of ours"
            claimed_by = f"claimed by {method}, and not refuted within a second"
            if not can_be_tried(claim):
                claimed_by = f"told by {method}, not verified"
            say(f"{claimed_by}: {told(claim)}")
    sys.exit(1 if violations else 0)


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="FILE_OR_FOLDER...")
@PROBLEM
@click.option(
    "--methods", "names", metavar="A,B,C", help=f"Default: all, enumeration if it is short. {OWN}"
)
@click.option(
    "--solution",
    "solutions",
    multiple=True,
    metavar="PATH",
    help="A solution made elsewhere, or a folder of them; may be repeated.",
)
@click.option("--time-limit", type=float, metavar="S", help="Seconds per method and instance.")
@setting("--seed", type=NATURAL, default=0)
@click.option("--prove", is_flag=True, help="Certify the bound of each instance as well.")
@click.option(
    "-o", "--output", metavar="FOLDER", help="For comparison.csv and figures; - prints it."
)
@FIGURES
@formatted()
def compare(
    paths: tuple[str, ...],
    problem: str,
    names: str | None,
    solutions: tuple[str, ...],
    time_limit: float | None,
    seed: int,
    prove: bool,
    output: str | None,
    form: str,
) -> None:
    """Methods side by side: energy, gap to the best proven bound, relevance, time, nodes.

    The exit code is 1 if the bound of a method is refuted by the answer of another, or a solution
    does not stand its check.
    """
    from dataclasses import asdict

    from dmoe_opt import compare as run
    from dmoe_opt.cli import blocks, console, tables
    from dmoe_opt.comparing.methods import sorted_out
    from dmoe_opt.data import files

    wanted = [name.strip() for name in names.split(",")] if names else None
    if output is not None and files.is_stdout(output):
        output, form = None, "csv"
    if output is not None:
        files.make_folder(output)
    listed, others = sorted_out(paths)
    console.passed_over(others)
    console.prepare(problem)
    with console.progress("compare") as report:
        comparison = run(
            listed,
            problem,
            wanted,
            time_limit,
            seed,
            progress=lambda what, done, total: report(done, total, what),
            solutions=solutions,
            watch=blocks.Printer(report) if form == "text" else None,
            prove=prove,
        )
    written = []
    if output is not None:
        figures = pictures("plot.comparison", "comparison", comparison.rows)
        written = [*comparison.save(output), *files.write_all(output, figures)]
    if form == "json":
        emit({"problem": problem, "rows": [asdict(row) for row in comparison.rows]})
    elif form == "csv":
        click.echo(comparison.csv(), nl=False)
    elif form != "text":
        tables.show(comparison.sheet(), form)
    console.wrote(written)
    if comparison.wrong:
        sys.exit(1)
