"""Methods over instances: one row each, with the gap to the best bound that any method proved.

A method is one of the table, or a function of the user. Answers made elsewhere have rows as well.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dmoe_opt.comparing import solutions as solutions_
from dmoe_opt.comparing.certified import certified
from dmoe_opt.comparing.judged import (
    FAILED,
    FALSE_CLAIM,
    REFUSED,
    WRONG_BOUND,
    Entry,
    MethodRow,
    rows_of,
)
from dmoe_opt.comparing.rows import as_csv
from dmoe_opt.comparing.sheets import Sheet, gap_percent, rounded
from dmoe_opt.data import files
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.errors import InputError, MethodError, MissingExtraError
from dmoe_opt.method_table import look_up, methods
from dmoe_opt.own_methods import Given, find, own
from dmoe_opt.solving import prepare, solve

COMPANIONS = ("best_known.json", "devices.json")
MOST_SETS_BY_DEFAULT = 20_000
NUMBERS = ("energy J", "gap %", "relevance", "time ms", "nodes")
COLUMNS = ("instance", "method", "status", *NUMBERS)
BOUNDS = ("bound J", "certified J")
"""Further columns of a comparison with proofs."""

Data = Instance | SelectionProblem | str | os.PathLike[str]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Comparison:
    """The rows of a comparison, in the order of instances and methods."""

    problem: str
    rows: Sequence[MethodRow]

    @property
    def wrong(self) -> list[MethodRow]:
        """The rows of methods and solutions whose claims are false."""
        return [row for row in self.rows if row.status in (WRONG_BOUND, FALSE_CLAIM)]

    def csv(self) -> str:
        """The rows as comma-separated text with a header."""
        return as_csv(self.rows, MethodRow)

    def sheet(self) -> Sheet:
        """The rows as a table of rounded numbers, with the units in its columns."""
        proven = any(row.certified_j is not None for row in self.rows)
        bounds = BOUNDS if proven else ()
        sheet = Sheet((*COLUMNS, *bounds), (*NUMBERS, *bounds))
        previous = None
        for row in self.rows:
            if previous not in (None, row.instance):
                sheet.add_section()
            instance, *others = cells(row)
            if proven:
                others += [_bound(row.bound_j), _bound(row.certified_j)]
            sheet.add_row("" if row.instance == previous else instance, *others)
            previous = row.instance
        return sheet

    def latex(self) -> str:
        r"""The rows as a LaTeX table, for the package booktabs.

        Examples
        --------
        >>> import dmoe_opt
        >>> print(dmoe_opt.compare("tiny-s1", methods=["topk"]).latex().splitlines()[0])
        \begin{tabular}{lllrrrrr}
        """
        return self.sheet().latex()

    def markdown(self) -> str:
        """The rows as a Markdown table."""
        return self.sheet().markdown()

    def save(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write `comparison.csv` into a folder, which is made if need be; returns its path."""
        return files.write_all(folder, {"comparison.csv": self.csv().encode()})


def cells(row: MethodRow) -> list[str]:
    """A row in print, a cell for each of `COLUMNS`."""
    return [
        row.instance or "unnamed",
        row.method,
        row.status,
        rounded(row.energy_j),
        gap_percent(row.gap),
        rounded(row.relevance),
        rounded(None if row.wall_s is None else 1e3 * row.wall_s),
        "" if row.nodes is None else f"{row.nodes:,}",
    ]


def _bound(bound_j: float | None) -> str:
    """A bound with enough digits to tell the claimed from the certified one."""
    return "" if bound_j is None else f"{bound_j:.9g}"


def instances_in(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Every path, committed name, or folder as a list of files.

    A folder stands for its .json and .npz files that say that they are instances or, if it has
    none, for those of its subfolders.

    Raises
    ------
    InputError
        If a folder holds no such file.
    """
    return sorted_out(paths)[0]


def sorted_out(paths: Iterable[str | os.PathLike[str]]) -> tuple[list[Path], list[Path]]:
    """The files of `instances_in`, and those of the folders that it passes over."""
    listed: list[Path] = []
    others: list[Path] = []
    for item in paths:
        path = files.resolve(item)
        inside, beside = _files_of(path) if path.is_dir() else ([path], [])
        listed += inside
        others += beside
    return listed, others


def _files_of(folder: Path) -> tuple[list[Path], list[Path]]:
    """The instances in a folder, or else in its subfolders; and the files that are none."""
    others: list[Path] = []
    for pattern in ("*", "*/*"):
        inside: list[Path] = []
        for path in sorted(folder.glob(pattern)):
            if path.suffix in (".json", ".npz") and path.name not in COMPANIONS:
                (inside if files.is_instance(path) else others).append(path)
        if inside:
            return inside, others
    raise InputError(f"{folder}: holds no instance; allowed: a folder of .json or .npz instances")


def default_methods(problem: str, data: Instance | SelectionProblem) -> list[str]:
    """All methods of a problem, without enumeration where it would take long."""
    from dmoe_opt.selection.exhaustive import number_of_sets

    names = list(methods(problem))
    if isinstance(data, Instance):
        rules = set(data.optional_rules)
        able = [name for name in names if rules <= set(look_up(problem, name).rules)]
        names = able or names[:1]  # one row says that none takes the round
    if number_of_sets(data.num_experts, data.max_experts) <= MOST_SETS_BY_DEFAULT:
        return names
    return [name for name in names if name != "exhaustive"]


def compare(
    instances: Iterable[Data] | Data,
    problem: str = "selection",
    methods: Sequence[Given] | None = None,
    time_limit: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    solutions: Iterable[solutions_.Given] | solutions_.Given = (),
    watch: Callable[[list[MethodRow]], None] | None = None,
    prove: bool = False,
) -> Comparison:
    """Run methods over instances.

    Parameters
    ----------
    instances
        Data, files, folders or names of committed instances, one or several.
    methods
        Names; default: all, without `exhaustive` where it would take long. A function from the
        instance to an answer is a method too, under its own name or as `(name, function)`; see
        `dmoe_opt.own_methods`.
    time_limit
        Seconds per method and instance.
    seed
        For methods that draw random numbers.
    progress
        Called before each run with a text that names it, the number of runs done, and of all runs.
    solutions
        Answers made elsewhere: results, solution files, or folders of them, one or several. Each
        is checked, and has a row beside the methods on its instance, named by its method.
    watch
        Called with the rows of each instance as soon as it is done.
    prove
        Write a certificate for each instance and let the exact checker judge it; `certified_j` of
        the rows is the bound that it accepts. No time limit holds for that.

    Returns
    -------
    Comparison
        Its rows hold failures and limits as well as answers.

    Raises
    ------
    InputError
        If a file holds no instance, there is no such problem or method, or a solution belongs to
        no instance that is compared.

    Examples
    --------
    >>> import dmoe_opt
    >>> for row in dmoe_opt.compare("tiny-s1", methods=["des", "topk"]).rows:
    ...     print(f"{row.method}: {row.status}, {1e3 * row.energy_j:.3f} mJ, gap {row.gap:.1%}")
    des: optimal, 2.642 mJ, gap 0.0%
    topk: feasible, 4.222 mJ, gap 37.4%

    >>> import numpy as np
    >>> def strongest(problem):
    ...     return np.argsort(-problem.scores)[:, : problem.max_experts]
    >>> for row in dmoe_opt.compare("tiny-s1", methods=["topk", strongest]).rows:
    ...     print(f"{row.method}: {1e3 * row.energy_j:.3f} mJ")
    topk: 4.222 mJ
    strongest: 4.222 mJ
    """
    chosen = _named(problem, methods or [])
    everything = _loaded(instances)
    claims = solutions_.claims_of(solutions)
    solutions_.require_owners(claims, problem, everything)
    plan = [chosen or _named(problem, default_methods(problem, data)) for data in everything]
    runs = sum(map(len, plan))
    prepare(problem)  # all methods are compared compiled
    rows: list[MethodRow] = []
    done = 0
    for data, of_data in zip(everything, plan, strict=True):
        entries = []
        for name, method in of_data.items():
            if progress:
                progress(f"{data.name or 'unnamed'}: {name}", done, runs)
            entries.append(_entry(data, problem, name, method, time_limit, seed))
            done += 1
        entries += solutions_.entries_of(data, claims, of_data)
        made = rows_of(data, entries)
        if prove:
            made = certified(data, entries, made)
        rows += made
        if watch:
            watch(made)
    return Comparison(problem, rows)


def _named(problem: str, methods: Iterable[Given]) -> dict[str, Given]:
    """Methods by name; raises `InputError` for one that is unknown, or named twice."""
    named: dict[str, Given] = {}
    for method in methods:
        mine = own(method)
        name, _ = find(problem, method if mine is None else mine)
        if name in named:
            allowed = 'every name once, such as ("another", function)'
            raise InputError(f'method "{name}" is given twice; allowed: {allowed}')
        named[name] = method if mine is None else mine
    return named


def _loaded(instances: Iterable[Data] | Data) -> list[Instance | SelectionProblem]:
    """One or several instances, files, folders or names, each as data."""
    if isinstance(instances, Instance | SelectionProblem | str | os.PathLike):
        instances = [instances]
    items: list[Instance | SelectionProblem | Path] = []
    for item in instances:
        if isinstance(item, Instance | SelectionProblem):
            items.append(item)
        else:
            items += instances_in([item])
    # Every path is resolved before the first file is read: a wrong name is told at once.
    return [files.load(item) if isinstance(item, Path) else item for item in items]


def _entry(
    data: Instance | SelectionProblem,
    problem: str,
    name: str,
    method: Given,
    time_limit: float | None,
    seed: int,
) -> Entry:
    """The result of a method, or in words why it does not take the instance or has failed."""
    try:
        return Entry(name, solve(data, problem, method, time_limit=time_limit, seed=seed))
    except MethodError as error:
        return Entry(name, None, FAILED, str(error))
    except (InputError, MissingExtraError) as error:
        return Entry(name, None, REFUSED, str(error))
