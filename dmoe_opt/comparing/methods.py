"""Methods over instances: one row each, with the gap to the best bound that any method proved."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dmoe_opt.answer.result import Result, Status, relative_gap
from dmoe_opt.answer.tolerances import BOUND_NOISE
from dmoe_opt.comparing.rows import as_csv
from dmoe_opt.data import files
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.errors import InputError, MissingExtraError
from dmoe_opt.method_table import look_up, methods
from dmoe_opt.solving import solve

BEST_KNOWN = "best_known.json"
REFUSED = "refused"
WRONG_BOUND = "wrong bound"
MOST_SETS_BY_DEFAULT = 20_000

Data = Instance | SelectionProblem | str | os.PathLike[str]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class MethodRow:
    """One method on one instance.

    `gap` is to the best bound proven by any method of the comparison, None without objective or
    bound. `relevance` is the mean over the tokens of the sum of their chosen scores. The `status`
    of a method that does not take the instance is "refused". It is "wrong bound" if the answer of
    another method costs less than this one claims to be possible, or refutes its infeasibility;
    such a bound counts for no gap. `message` says why.
    """

    instance: str
    tokens: int
    experts: int
    max_experts: int
    method: str
    status: str
    energy_j: float | None
    bound_j: float | None
    gap: float | None
    relevance: float | None
    shortfall: int
    wall_s: float | None
    nodes: int | None
    message: str


@dataclass(frozen=True)
class Comparison:
    """The rows of a comparison, in the order of instances and methods."""

    problem: str
    rows: Sequence[MethodRow]

    @property
    def wrong(self) -> list[MethodRow]:
        """The rows of methods whose claims are false."""
        return [row for row in self.rows if row.status == WRONG_BOUND]

    def csv(self) -> str:
        """The rows as comma-separated text with a header."""
        return as_csv(self.rows, MethodRow)

    def save(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write `comparison.csv` into a folder, which is made if need be; returns its path."""
        return files.write_all(folder, {"comparison.csv": self.csv().encode()})


def instances_in(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Every path, committed name, or folder as a list of files.

    A folder stands for its .json and .npz files or, if it has none, for the files of its
    subfolders.

    Raises
    ------
    InputError
        If a folder holds no such file.
    """
    listed: list[Path] = []
    for item in paths:
        path = files.resolve(item)
        listed += _files_of(path) if path.is_dir() else [path]
    return listed


def _files_of(folder: Path) -> list[Path]:
    """The instances in a folder, or else in its subfolders."""
    inside = _instances(folder.glob("*")) or _instances(folder.glob("*/*"))
    if not inside:
        raise InputError(f"{folder}: holds no .json or .npz file; allowed: a folder of instances")
    return inside


def _instances(paths: Iterable[Path]) -> list[Path]:
    return sorted(p for p in paths if p.suffix in (".json", ".npz") and p.name != BEST_KNOWN)


def default_methods(problem: str, data: Instance | SelectionProblem) -> list[str]:
    """All methods of a problem, without enumeration where it would take long."""
    from dmoe_opt.selection.exhaustive import number_of_sets

    names = list(methods(problem))
    if number_of_sets(data.num_experts, data.max_experts) <= MOST_SETS_BY_DEFAULT:
        return names
    return [name for name in names if name != "exhaustive"]


def compare(
    instances: Iterable[Data] | Data,
    problem: str = "selection",
    methods: Sequence[str] | None = None,
    time_limit: float | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Comparison:
    """Run methods over instances.

    Parameters
    ----------
    instances
        Data, files, folders or names of committed instances, one or several.
    methods
        Names; default: all, without `exhaustive` where it would take long.
    time_limit
        Seconds per method and instance.
    seed
        For methods that draw random numbers.
    progress
        Called before each run with a text that names it, the number of runs done, and of all runs.

    Returns
    -------
    Comparison
        Its rows hold failures and limits as well as answers.

    Raises
    ------
    InputError
        If a file holds no instance, or there is no such problem or method.

    Examples
    --------
    >>> import dmoe_opt
    >>> for row in dmoe_opt.compare("tiny-s1", methods=["des", "topk"]).rows:
    ...     print(f"{row.method}: {row.status}, {1e3 * row.energy_j:.3f} mJ, gap {row.gap:.1%}")
    des: optimal, 2.642 mJ, gap 0.0%
    topk: feasible, 4.222 mJ, gap 37.4%
    """
    for name in methods or []:
        look_up(problem, name)
    everything = _loaded(instances)
    plan = [(data, list(methods or default_methods(problem, data))) for data in everything]
    runs = sum(len(names) for _, names in plan)
    rows: list[MethodRow] = []
    done = 0
    for data, names in plan:
        results = []
        for name in names:
            if progress:
                progress(f"{data.name or 'unnamed'}: {name}", done, runs)
            results.append(_answer(data, problem, name, time_limit, seed))
            done += 1
        rows += rows_of(data, names, results)
    return Comparison(problem, rows)


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


def _answer(
    data: Instance | SelectionProblem,
    problem: str,
    method: str,
    time_limit: float | None,
    seed: int,
) -> Result | str:
    """The result of a method, or why it does not take the instance, in words."""
    try:
        return solve(data, problem, method, time_limit=time_limit, seed=seed)
    except (InputError, MissingExtraError) as error:
        return str(error)


def rows_of(
    data: Instance | SelectionProblem, names: Sequence[str], results: Sequence[Result | str]
) -> list[MethodRow]:
    """A row for each result, or for the words of a method that refused the instance.

    Gaps are to the best bound among the results that no answer refutes.
    """
    pairs = list(zip(names, results, strict=True))
    best = _best_answer(pairs)
    bounds_j = [
        result.bound_j
        for _, result in pairs
        if isinstance(result, Result) and result.bound_j is not None and not _refuted(result, best)
    ]
    best_bound_j = max(bounds_j, default=None)
    rows = []
    for name, result in pairs:
        if isinstance(result, str):
            rows.append(_refusal(data, name, result))
        else:
            rows.append(_row(data, name, result, best_bound_j, _refuted(result, best)))
    return rows


def _best_answer(pairs: Iterable[tuple[str, Result | str]]) -> tuple[str, float] | None:
    """The method with the least energy, and that energy, J; None without any answer."""
    answers = [
        (name, result.objective_j)
        for name, result in pairs
        if isinstance(result, Result) and result.objective_j is not None
    ]
    return min(answers, key=lambda answer: answer[1], default=None)


def _refuted(result: Result, best: tuple[str, float] | None) -> str:
    """Why the claim of a method is false, by the best answer; empty if it is not."""
    if best is None:
        return ""
    name, energy_j = best
    if result.status == Status.INFEASIBLE:
        return f"says infeasible, and {name} has an answer of {energy_j:.9g} J"
    if result.bound_j is None or result.bound_j <= energy_j * (1 + BOUND_NOISE):
        return ""
    return f"the bound {result.bound_j:.9g} J is above the {energy_j:.9g} J of {name}"


def _refusal(data: Instance | SelectionProblem, method: str, reason: str) -> MethodRow:
    numbers = ("energy_j", "bound_j", "gap", "relevance", "wall_s", "nodes")
    unknown: dict[str, Any] = dict.fromkeys(numbers)
    return MethodRow(
        **_size(data), method=method, status=REFUSED, shortfall=0, message=reason, **unknown
    )


def _size(data: Instance | SelectionProblem) -> dict[str, Any]:
    """Name and size of an instance, as a row has them."""
    return {
        "instance": data.name,
        "tokens": data.num_tokens,
        "experts": data.num_experts,
        "max_experts": data.max_experts,
    }


def _row(
    data: Instance | SelectionProblem,
    method: str,
    result: Result,
    best_bound_j: float | None,
    refuted: str,
) -> MethodRow:
    gap = None
    if result.objective_j is not None:
        gap = relative_gap(result.objective_j, best_bound_j)
    return MethodRow(
        **_size(data),
        method=method,
        status=WRONG_BOUND if refuted else str(result.status),
        energy_j=result.objective_j,
        bound_j=result.bound_j,
        gap=gap,
        relevance=result.mean_relevance,
        shortfall=len(result.shortfall),
        wall_s=result.wall_s,
        nodes=result.stats.get("nodes"),
        message=refuted or result.message,
    )
