"""The command that draws a sweep: `plot`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from dmoe_opt.cli.options import FIGURES, emit, figure_format, formatted, renamed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dmoe_opt.comparing.fronts import Front
    from dmoe_opt.sweep.analysis import GapSummary, Saving
    from dmoe_opt.sweep.judging import Judged
    from dmoe_opt.sweep.profiles import ProfileShare
    from dmoe_opt.sweep.rule_fronts import RulePoint
    from dmoe_opt.sweep.scaling import ScalingFit


@dataclass
class Report:
    """Files to write by name, rows to print by table, and notes in one line each."""

    files: dict[str, bytes] = field(default_factory=dict)
    tables: dict[str, Sequence[Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@click.command()
@click.argument("folder")
@click.option(
    "-o",
    "--output",
    metavar="FOLDER",
    help="Where figures and tables go; default: beside the results.",
)
@FIGURES
@formatted("text", "json", "markdown", "latex")
def plot(folder: str, output: str | None, form: str) -> None:
    """Draw the results of a sweep or a frontier.

    FOLDER holds the results.jsonl of `sweep`, the frontier.csv of `frontier`, or both.
    Performance profiles, gaps, time against size, energy saved, energy against an optional rule,
    fronts: a PNG and a CSV each.
    Needs the extra plot.
    """
    from dmoe_opt.cli import console
    from dmoe_opt.data import files
    from dmoe_opt.errors import MissingExtraError

    try:
        names = _results_in(folder)
        if output is not None:
            files.make_folder(output)
        with figure_format() as suffix:
            report = _report(folder, names)
    except ImportError as error:
        raise MissingExtraError(
            f'figures of sweeps need the extra plot: pip install "dmoe-opt[plot]" ({error})'
        ) from None
    written = files.write_all(folder if output is None else output, renamed(report.files, suffix))
    if form == "json":
        emit(_document(report))
    else:
        _print(report, form)
    console.wrote(written)


def _results_in(folder: str) -> list[str]:
    """The files of the folder that can be drawn; raises `InputError` if there are none."""
    from pathlib import Path

    from dmoe_opt.comparing.fronts import FRONTIER
    from dmoe_opt.errors import InputError
    from dmoe_opt.sweep.journal import RESULTS

    path = Path(folder)
    if not path.is_dir():
        problem = "is a file" if path.exists() else "no such folder"
        raise InputError(f"{folder}: {problem}; allowed: the folder of a sweep")
    names = [name for name in (RESULTS, FRONTIER) if (path / name).exists()]
    if not names:
        raise InputError(
            f"{folder}: holds neither {RESULTS} nor {FRONTIER}; "
            "allowed: a folder with at least one of them"
        )
    return names


def _report(folder: str, names: Sequence[str]) -> Report:
    """Everything about these files of the folder."""
    from dmoe_opt.comparing.fronts import FRONTIER
    from dmoe_opt.sweep.journal import RESULTS

    report = Report()
    if RESULTS in names:
        _add_jobs(report, folder)
    if FRONTIER in names:
        _add_frontier(report, folder)
    return report


def _add_jobs(report: Report, folder: str) -> None:
    """Figures, tables and notes of the jobs of a sweep."""
    from dmoe_opt.plot import sweep
    from dmoe_opt.plot.profiles import of_profiles
    from dmoe_opt.plot.rule_fronts import of_rule_fronts
    from dmoe_opt.sweep import analysis, profiles, rule_fronts, scaling
    from dmoe_opt.sweep.judging import contradictions, judge, read_jobs

    judged = judge(read_jobs(folder))
    ratios = profiles.profile_rows(judged)
    gaps = analysis.gap_rows(judged)
    points = scaling.scaling_points(judged)
    fits = scaling.scaling_fits(points)
    savings = analysis.savings(judged)
    rules = rule_fronts.rule_points(judged)

    report.tables["profile"] = profiles.profile_shares(ratios)
    report.tables["gaps"] = analysis.gap_summaries(gaps)
    report.tables["scaling"] = fits
    report.tables["savings"] = savings
    report.tables["rules"] = rules

    report.files |= _csv_by_problem("profile", ratios)
    report.files |= _csv_by_problem("gaps", gaps)
    report.files |= _csv_by_problem("scaling", points)
    report.files |= _csv_by_problem("savings", savings)
    report.files |= _csv_by_problem("rules", rules)
    report.files |= of_profiles(ratios)
    report.files |= sweep.of_gaps(gaps)
    report.files |= sweep.of_scaling(points, fits)
    report.files |= sweep.of_savings(savings)
    report.files |= of_rule_fronts(rules)

    report.notes += _instances_left_out(profiles.left_out(judged, ratios))
    for problem in sorted({j.job.problem for j in judged}):
        of_problem = [j for j in judged if j.job.problem == problem]
        report.notes += _scaling_left_out(problem, fits)
        report.notes += _savings_left_out(problem, of_problem, savings)
    report.notes += _contradiction(contradictions(judged))


def _csv_by_problem(name: str, rows: Sequence[Any]) -> dict[str, bytes]:
    from dmoe_opt.comparing.rows import as_csv, grouped

    tables = {}
    for problem, of_problem in grouped((row.problem, row) for row in rows).items():
        tables[f"{name}-{problem}.csv"] = as_csv(of_problem, type(of_problem[0])).encode()
    return tables


def _instances_left_out(number: int) -> list[str]:
    if not number:
        return []
    return [
        f"profile: {number} instances are left out, "
        "since not every method of their setting has run on them"
    ]


def _scaling_left_out(problem: str, fits: Sequence[ScalingFit]) -> list[str]:
    if any(fit.problem == problem for fit in fits):
        return []
    return [f"scaling: no figure of {problem}, since a fit needs three sizes"]


def _savings_left_out(
    problem: str, judged: Sequence[Judged], savings: Sequence[Saving]
) -> list[str]:
    """The presets of a problem that the figure of savings lacks; `judged` is of this problem."""
    drawn = {saving.preset for saving in savings if saving.problem == problem}
    if not drawn:
        return [
            f"savings: no figure of {problem}, "
            "since no baseline (topp, topk) and another method have answers to the same instance"
        ]
    missing = sorted({j.job.preset for j in judged} - drawn)
    if not missing:
        return []
    return [
        f"savings: {problem} without {', '.join(missing)}: "
        "no answers by a baseline and another method there"
    ]


def _contradiction(contradictions: Sequence[str]) -> list[str]:
    if not contradictions:
        return []
    first, *others = contradictions
    more = f" (and {len(others)} more)" if others else ""
    return [f"contradiction: {first}{more}; one of the two is wrong"]


def _add_frontier(report: Report, folder: str) -> None:
    """Figure and table of the settings of a frontier."""
    from dmoe_opt.comparing import fronts
    from dmoe_opt.comparing.rows import as_csv
    from dmoe_opt.plot.fronts import of_fronts

    points = fronts.with_fronts(fronts.read_frontier(folder))
    measured = fronts.fronts(points)
    report.tables["fronts"] = measured
    report.files["fronts.csv"] = as_csv(points, type(points[0])).encode()
    reference = measured[0].reference_energy_j, measured[0].reference_worth
    report.files |= of_fronts(points, reference)


def _document(report: Report) -> dict[str, Any]:
    """The rows of all tables and the notes, for JSON."""
    from dataclasses import asdict

    document: dict[str, Any] = {
        name: [asdict(row) for row in rows] for name, rows in report.tables.items()
    }
    document["notes"] = report.notes
    return document


def _print(report: Report, form: str) -> None:
    """Print the tables that have rows, then the notes."""
    from dmoe_opt.cli.tables import note

    printers: dict[str, Callable[[Sequence[Any], str], None]] = {
        "profile": _profiles,
        "gaps": _gaps,
        "scaling": _scaling,
        "savings": _savings,
        "rules": _rules,
        "fronts": _fronts,
    }
    for name, printer in printers.items():
        rows = report.tables.get(name)
        if rows:
            printer(rows, form)
    for line in report.notes:
        note(line, form)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.3g}"


def _table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], form: str, right: int = 2
) -> None:
    """Print a table whose columns from `right` on are numbers.

    The first column is empty where it repeats the line above.
    """
    from dmoe_opt.cli.tables import note, show
    from dmoe_opt.comparing.sheets import Sheet

    table = Sheet(columns, columns[right:])
    previous = None
    for row in rows:
        table.add_row("" if row[0] == previous else row[0], *row[1:])
        previous = row[0]
    note(title, form)
    show(table, form)


def _profiles(rows: Sequence[ProfileShare], form: str) -> None:
    from dmoe_opt.comparing.rows import grouped

    names = "problem, method, run, optimal %, fastest to it %, within 1 %, fastest to that %"
    columns = names.split(", ")
    strictest_first = sorted(rows, key=lambda row: row.within)
    by_line = grouped(((row.problem, row.method), row) for row in strictest_first)
    lines = []
    for (problem, method), levels in sorted(by_line.items()):
        line = [problem, method, f"{levels[0].run} of {levels[0].instances}"]
        for level in levels:
            line += [_percent(level.solved), _percent(level.fastest)]
        lines.append(line)
    _table(
        "profile: instances solved, and solved faster than by any other method",
        columns,
        lines,
        form,
    )


def _gaps(rows: Sequence[GapSummary], form: str) -> None:
    names = "problem, method, jobs, answers, failed, median %, 90th %, worst %, proven %"
    columns = names.split(", ")
    lines = []
    for row in rows:
        counts = [str(row.jobs), str(row.answers), str(row.failed)]
        shares = [_percent(share) for share in (row.median, row.p90, row.worst, row.proven)]
        lines.append([row.problem, row.method, *counts, *shares])
    _table("gaps: of the answers to the best bound proven on the instance", columns, lines, form)


def _scaling(rows: Sequence[ScalingFit], form: str) -> None:
    columns = ["problem", "method", "preset", "size is", "sizes", "exponent"]
    lines = [
        [row.problem, row.method, row.preset, row.size_is, str(row.sizes), str(row)] for row in rows
    ]
    _table("scaling: time as a power of size, with 95 % intervals", columns, lines, form, right=4)


def _savings(rows: Sequence[Saving], form: str) -> None:
    from dmoe_opt.comparing.rows import grouped

    columns = ["problem", "method", "against", "presets", "least saved %", "most saved %"]
    by_line = grouped(((row.problem, row.method, row.against), row) for row in rows)
    lines = []
    for (*names, against), savings in sorted(by_line.items()):
        least = min(savings, key=lambda row: row.saved)
        most = max(savings, key=lambda row: row.saved)
        lines.append([*names, against, str(len(savings)), _saved(least), _saved(most)])
    title = "savings: energy saved against a baseline, means by preset with 95 % intervals"
    _table(title, columns, lines, form, right=3)


def _saved(saving: Saving) -> str:
    from dmoe_opt.cli.tables import with_interval

    return f"{with_interval(saving.saved, saving.saved_ci95, 100)} in {saving.preset}"


def _rules(rows: Sequence[RulePoint], form: str) -> None:
    names = "rule, round, value, seeds, without answer, energy mJ, proven mJ, gap %, dropped"
    lines = []
    for row in rows:
        energies = [f"{1e3 * energy_j:.5g}" for energy_j in (row.energy_j, row.bound_j)]
        numbers = [f"{row.value:g}", str(row.seeds), str(row.without), *energies]
        dropped = "" if row.dropped is None else f"{row.dropped:g}"
        lines.append([row.rule, row.setting, *numbers, _percent(row.gap), dropped])
    title = "rules: least energy against an optional rule, means over seeds that have answers"
    _table(title, names.split(", "), lines, form)


def _fronts(rows: Sequence[Front], form: str) -> None:
    columns = ["scheduler", "settings", "on the front", "hypervolume %"]
    lines = [
        [row.scheduler, str(row.settings), str(row.on_front), _percent(row.hypervolume)]
        for row in rows
    ]
    energy_uj, worth = 1e6 * rows[0].reference_energy_j, 100 * rows[0].reference_worth
    title = (
        f"fronts: hypervolume up to {energy_uj:.4g} uJ per token and {worth:.4g} % accuracy "
        "(without a task: relevance)"
    )
    _table(title, columns, lines, form, right=1)
