"""The command that draws a sweep: `plot`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from dmoe_opt.cli.options import JSON, emit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dmoe_opt.comparing.fronts import Front
    from dmoe_opt.sweep.analysis import GapSummary, Saving
    from dmoe_opt.sweep.judging import Judged
    from dmoe_opt.sweep.profiles import ProfileShare
    from dmoe_opt.sweep.scaling import ScalingFit


@click.command()
@click.argument("folder")
@click.option(
    "-o",
    "--output",
    metavar="FOLDER",
    help="Where figures and tables go; default: beside the results.",
)
@JSON
def plot(folder: str, output: str | None, as_json: bool) -> None:
    """Draw the results.jsonl of a sweep, and the frontier.csv of `frontier`: whichever FOLDER holds.

    Performance profiles, gaps, time against size, energy saved, fronts: a PNG and a CSV each. Needs the extra plot.
    """
    from dataclasses import asdict
    from pathlib import Path

    from dmoe_opt.cli import console
    from dmoe_opt.comparing.fronts import FRONTIER
    from dmoe_opt.data import files
    from dmoe_opt.errors import InputError
    from dmoe_opt.sweep.journal import RESULTS

    if not Path(folder).is_dir():
        raise InputError(
            f"{folder}: {'is a file' if Path(folder).exists() else 'no such folder'}; allowed: the folder of a sweep"
        )
    there = [name for name in (RESULTS, FRONTIER) if (Path(folder) / name).exists()]
    if not there:
        raise InputError(
            f"{folder}: holds neither {RESULTS} nor {FRONTIER}; allowed: a folder with at least one of them"
        )
    if output is not None:
        files.make_folder(output)
    contents: dict[str, bytes] = {}
    found: dict[str, list[Any]] = {}
    notes: list[str] = []
    try:
        if RESULTS in there:
            _of_jobs(folder, contents, found, notes)
        if FRONTIER in there:
            _of_frontier(folder, contents, found)
    except ImportError as error:
        raise InputError(
            f'figures of sweeps need the extra plot: pip install "dmoe-opt[plot]" ({error})'
        ) from None
    written = files.write_all(folder if output is None else output, contents)
    if as_json:
        emit(
            {name: [asdict(row) for row in rows] for name, rows in found.items()} | {"notes": notes}
        )
    else:
        for name, show in (
            ("profile", _profiles), ("gaps", _gaps), ("scaling", _scaling), ("savings", _savings), ("fronts", _fronts),
        ):  # fmt: skip
            if found.get(name):
                show(found[name])
        for note in notes:
            click.echo(note)
    console.wrote(written)


def _of_jobs(
    folder: str, contents: dict[str, bytes], found: dict[str, list[Any]], notes: list[str]
) -> None:
    from dmoe_opt.plot import sweep
    from dmoe_opt.sweep import analysis, profiles, scaling
    from dmoe_opt.sweep.judging import contradictions, judge, read_jobs

    judged = judge(read_jobs(folder))
    ratios, gaps = profiles.profile_rows(judged), analysis.gap_rows(judged)
    points, saved = scaling.scaling_points(judged), analysis.savings(judged)
    fits = scaling.scaling_fits(points)
    found |= {
        "profile": profiles.profile_shares(ratios),
        "gaps": analysis.gap_summaries(gaps),
        "scaling": fits,
        "savings": saved,
    }
    for name, rows in (
        ("profile", ratios),
        ("gaps", gaps),
        ("scaling", points),
        ("savings", saved),
    ):
        contents |= _csv_by_problem(name, rows)
    contents |= sweep.of_profiles(ratios) | sweep.of_gaps(gaps)
    contents |= sweep.of_scaling(points, fits) | sweep.of_savings(saved)
    notes += _left_out(judged, found, profiles.left_out(judged, ratios))
    if false := contradictions(judged):
        more = f" (and {len(false) - 1} more)" if len(false) > 1 else ""
        notes.append(f"contradiction: {false[0]}{more}; one of the two is wrong")


def _csv_by_problem(name: str, rows: Sequence[Any]) -> dict[str, bytes]:
    from dmoe_opt.comparing.rows import as_csv, grouped

    return {
        f"{name}-{problem}.csv": as_csv(mine, type(mine[0])).encode()
        for problem, mine in grouped((r.problem, r) for r in rows).items()
    }


def _left_out(judged: Sequence[Judged], found: dict[str, list[Any]], instances: int) -> list[str]:
    """What has no figure, and why."""
    notes = []
    if instances:
        notes.append(
            f"profile: {instances} instances are left out, since not every method of their setting has run on them"
        )
    for problem in sorted({j.job.problem for j in judged}):
        have = {name for name, rows in found.items() if any(row.problem == problem for row in rows)}
        if "scaling" not in have:
            notes.append(f"scaling: no figure of {problem}, since a fit needs three sizes")
        presets = {row.preset for row in found["savings"] if row.problem == problem}
        if not presets:
            notes.append(
                f"savings: no figure of {problem}, since no other method and topk have answers to the same instance"
            )
        elif missing := sorted(
            {j.job.preset for j in judged if j.job.problem == problem} - presets
        ):
            notes.append(
                f"savings: {problem} without {', '.join(missing)}: no answers by topk and another method there"
            )
    return notes


def _of_frontier(folder: str, contents: dict[str, bytes], found: dict[str, list[Any]]) -> None:
    from dmoe_opt.comparing import fronts
    from dmoe_opt.comparing.rows import as_csv
    from dmoe_opt.plot import sweep

    points = fronts.with_fronts(fronts.read_frontier(folder))
    found["fronts"] = fronts.fronts(points)
    first = found["fronts"][0]
    contents["fronts.csv"] = as_csv(points, type(points[0])).encode()
    contents |= sweep.of_fronts(points, (first.reference_energy_j, first.reference_worth))


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.3g}"


def _table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], right: int = 2
) -> None:
    """Print a table whose columns from `right` on are numbers; what the first column repeats is left empty."""
    from rich.markup import escape

    from dmoe_opt.cli.tables import new_table, show

    table = new_table(*columns, right=tuple(columns[right:]))
    previous = None
    for row in rows:
        table.add_row("" if row[0] == previous else row[0], *map(escape, row[1:]))
        previous = row[0]
    click.echo(title)
    show(table)


def _profiles(rows: Sequence[ProfileShare]) -> None:
    from dmoe_opt.comparing.rows import grouped

    columns = [
        "problem",
        "method",
        "run",
        "optimal %",
        "fastest to it %",
        "within 1 %",
        "fastest to that %",
    ]
    by_line = grouped(
        ((row.problem, row.method), row) for row in sorted(rows, key=lambda row: row.within)
    )
    lines = []
    for (problem, method), levels in sorted(by_line.items()):
        cells = [_percent(share) for row in levels for share in (row.solved, row.fastest)]
        lines.append([problem, method, f"{levels[0].run} of {levels[0].instances}", *cells])
    _table("profile: instances solved, and solved faster than by any other method", columns, lines)


def _gaps(rows: Sequence[GapSummary]) -> None:
    columns = [
        "problem",
        "method",
        "jobs",
        "answers",
        "failed",
        "median %",
        "90th %",
        "worst %",
        "proven %",
    ]
    lines = [
        [row.problem, row.method, str(row.jobs), str(row.answers), str(row.failed),
         *map(_percent, (row.median, row.p90, row.worst, row.proven))]
        for row in rows
    ]  # fmt: skip
    _table("gaps: of the answers to the best bound proven on the instance", columns, lines)


def _scaling(rows: Sequence[ScalingFit]) -> None:
    columns = ["problem", "method", "preset", "size is", "sizes", "exponent"]
    lines = [
        [row.problem, row.method, row.preset, row.size_is, str(row.sizes),
         str(row)]
        for row in rows
    ]  # fmt: skip
    _table("scaling: time as a power of size, with 95 % intervals", columns, lines, right=4)


def _savings(rows: Sequence[Saving]) -> None:
    from dmoe_opt.cli.tables import with_interval
    from dmoe_opt.comparing.rows import grouped

    columns = ["problem", "method", "presets", "least saved %", "most saved %"]
    by_line = grouped(((row.problem, row.method), row) for row in rows)
    lines = []
    for (problem, method), mine in sorted(by_line.items()):
        ends = min(mine, key=lambda row: row.saved), max(mine, key=lambda row: row.saved)
        cells = [
            f"{with_interval(row.saved, row.saved_ci95, '.1f', 100)} in {row.preset}"
            for row in ends
        ]
        lines.append([problem, method, str(len(mine)), *cells])
    _table(
        "savings: energy saved against topk, means by preset with 95 % intervals", columns, lines
    )


def _fronts(rows: Sequence[Front]) -> None:
    columns = ["scheduler", "settings", "on the front", "hypervolume %"]
    lines = [
        [row.scheduler, str(row.settings), str(row.on_front), _percent(row.hypervolume)]
        for row in rows
    ]
    energy, worth = 1e6 * rows[0].reference_energy_j, 100 * rows[0].reference_worth
    title = f"fronts: hypervolume up to {energy:.4g} uJ a token and {worth:.4g} % accuracy (without a task: relevance)"
    _table(title, columns, lines, right=1)
