"""Methods over instances: one row each, with the gap to the best bound that any method proved."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dmoe_opt.answer.result import Result, relative_gap
from dmoe_opt.answer.tolerances import BOUND_NOISE
from dmoe_opt.comparing.rows import as_csv
from dmoe_opt.data import files
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.errors import InputError
from dmoe_opt.method_table import look_up, methods
from dmoe_opt.solving import solve

BEST_KNOWN = "best_known.json"
REFUSED = "refused"
MOST_SETS_BY_DEFAULT = 20_000


Data = Instance | SelectionProblem | str | os.PathLike[str]


@dataclass(frozen=True)
class MethodRow:
    """One method on one instance.

    `gap` is to the best bound proven by any method of the comparison, None without objective or bound; `relevance`
    is the mean over tokens of the chosen scores' sum; `status` "refused" is a method that does not take the instance.
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

    def csv(self) -> str:
        """The rows as comma-separated text with a header."""
        return as_csv(self.rows, MethodRow)

    def save(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Write `comparison.csv` into a folder, which is made if need be; returns the paths of what was written."""
        return files.write_all(folder, {"comparison.csv": self.csv().encode()})


def instances_in(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Every path, committed name, or folder as a list of files.

    A folder stands for its .json and .npz files, or if it has none, for those of its subfolders.
    """
    found: list[Path] = []
    for item in paths:
        path = files.resolve(item)
        if path.is_dir():
            inside = _files(path.glob("*")) or _files(path.glob("*/*"))
            if not inside:
                raise InputError(
                    f"{path}: holds no .json or .npz file; allowed: a folder of instances"
                )
            found += inside
        else:
            found.append(path)
    return found


def _files(paths: Iterable[Path]) -> list[Path]:
    return sorted(p for p in paths if p.suffix in (".json", ".npz") and p.name != BEST_KNOWN)


def default_methods(problem: str, data: Instance | SelectionProblem) -> list[str]:
    """All methods of a problem, without enumeration where it would take long."""
    from dmoe_opt.selection.exhaustive import number_of_sets

    large = number_of_sets(data.num_experts, data.max_experts) > MOST_SETS_BY_DEFAULT
    return [name for name in methods(problem) if not (name == "exhaustive" and large)]


def compare(
    instances: Iterable[Data] | Data,
    problem: str = "selection",
    methods: Sequence[str] | None = None,
    time_limit: float | None = None,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
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
    progress
        Called with (what runs, runs done, runs).

    Returns
    -------
    Comparison
        Its rows hold failures and limits as well as answers.

    Examples
    --------
    >>> import dmoe_opt
    >>> for row in dmoe_opt.compare("tiny-s1", methods=["des", "topk"]).rows:
    ...     print(f"{row.method}: {row.status}, {1e3 * row.energy_j:.3f} mJ, gap {row.gap:.1%}")
    des: optimal, 2.642 mJ, gap 0.0%
    topk: feasible, 4.222 mJ, gap 37.4%
    """
    todo: list[Instance | SelectionProblem | Path] = []
    several = (
        [instances]
        if isinstance(instances, Instance | SelectionProblem | str | os.PathLike)
        else instances
    )
    for item in several:
        if isinstance(item, Instance | SelectionProblem):
            todo.append(item)
        else:
            todo += instances_in([item])
    for name in methods or []:
        look_up(problem, name)
    loaded = [files.load(item) if isinstance(item, Path) else item for item in todo]
    plan = [(data, list(methods or default_methods(problem, data))) for data in loaded]
    runs = sum(len(names) for _, names in plan)
    rows: list[MethodRow] = []
    done = 0
    for data, names in plan:
        results: list[Result | str] = []
        for name in names:
            if progress:
                progress(f"{data.name or 'unnamed'}: {name}", done, runs)
            try:
                results.append(solve(data, problem, name, time_limit=time_limit, seed=seed))
            except InputError as error:
                results.append(str(error))
            done += 1
        rows += rows_of(data, names, results)
    return Comparison(problem, rows)


def rows_of(
    data: Instance | SelectionProblem, names: Sequence[str], results: Sequence[Result | str]
) -> list[MethodRow]:
    """A row for each result, or for the words of one who refused; gaps are to the best bound among the results."""
    answers = [r for r in results if isinstance(r, Result)]
    best = max((r.bound_j for r in answers if r.bound_j is not None), default=None)
    rows = []
    for name, result in zip(names, results, strict=True):
        common = (data.name, data.num_tokens, data.num_experts, data.max_experts, name)
        if isinstance(result, str):
            rows.append(MethodRow(*common, REFUSED, None, None, None, None, 0, None, None, result))
            continue
        objective = result.objective_j
        message = result.message
        if objective is not None and best is not None and best > objective * (1 + BOUND_NOISE):
            message = f"below the bound {best:.9g} J of another method: one of the two is wrong"
        rows.append(
            MethodRow(
                *common,
                status=str(result.status),
                energy_j=objective,
                bound_j=result.bound_j,
                gap=None if objective is None else relative_gap(objective, best),
                relevance=result.mean_relevance,
                shortfall=len(result.shortfall),
                wall_s=result.wall_s,
                nodes=result.stats.get("nodes"),
                message=message,
            )
        )
    return rows
