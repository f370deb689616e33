"""The table of a release, printed in Markdown and written as CSV.

python tests/benchmarks/release.py [-o FOLDER]

It has all methods for selection and for both problems at once, and outside solvers on the same
integer programs: token by token, all tokens in one program, and the whole joint program. Gaps are
to the best bound that anything here proves on the instance. All runs use one thread. The time to
build and read programs counts for the methods `pyomo` and `cvxpy`, but not for outside solvers.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import outside

import dmoe_opt
from dmoe_opt import InputError, Instance, Result, SelectionProblem, Status
from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.result import build, infeasible
from dmoe_opt.comparing.judged import REFUSED, Entry, MethodRow, rows_of
from dmoe_opt.comparing.rows import as_csv
from dmoe_opt.data.files import write_all
from dmoe_opt.data.instance import as_problem
from dmoe_opt.method_table import look_up
from dmoe_opt.models.export import export

SELECTION = (
    "tiny-s1",
    "digits-l4",
    "edge-8x64-s1",
    "mixtral-8-s1",
    "uncorrelated-s1",
    "weakly-correlated-s1",
    "strongly-correlated-s1",
    "inverse-strongly-correlated-s1",
    "subset-sum-s1",
)
JOINT = (
    "tiny-s1",
    "digits-l4",
    "edge-8x64-s1",
    "interference-8x64-s1",
    "nr-51-s1",
    "scarce-8x36-s0",
    "scarce-8x36-s1",
    "scarce-8x48-s0",
)
RUNS, AGAIN_S = 3, 2.0
"""Each method runs three times, in turn forwards and backwards, but once beyond two seconds."""

Data = Instance | SelectionProblem
Run = Callable[[], Result]


def ours(data: Data, problem: str, method: str, limit_s: float) -> Result:
    """A method of the package."""
    options = {"threads": 1} if look_up(problem, method).takes("threads") else {}
    return dmoe_opt.solve(data, problem, method, time_limit=limit_s, **options)


class Crashed(Exception):
    """A solver's process ended without an answer; says its last words."""


def run_outside(
    name: str, problem: str, parts: list[Data], limit_s: float
) -> tuple[list[dict[str, Any]], list[float]]:
    """Answers of a solver to the program of each part, and the factors of their objectives.

    Raises `Crashed`.
    """
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / f"{k}.mps") for k in range(len(parts))]
        factors = [export(part, problem, file) for part, file in zip(parts, files, strict=True)]
        command = [sys.executable, outside.__file__, name, str(limit_s / len(parts)), *files]
        done = subprocess.run(command, capture_output=True, text=True)
        answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if len(answers) < len(parts):
        raise Crashed((done.stderr.strip() or "crashed").splitlines()[-1])
    return answers, factors


def by_solver(data: Data, problem: str, name: str, limit_s: float, batched: bool) -> Result:
    """An outside solver on all tokens at once, or token by token; its answer is checked as any."""
    p1 = as_problem(data)
    parts = (
        [data]
        if batched or problem == "jesa"
        else [p1.rows(np.array([t])) for t in range(p1.num_tokens)]
    )
    answers, factors = run_outside(name, problem, parts, limit_s)
    if refused := [answer["refused"] for answer in answers if "refused" in answer]:
        raise InputError(refused[0])
    seconds = sum(answer["seconds"] for answer in answers)
    about = data if problem == "jesa" else p1
    if any(answer["infeasible"] for answer in answers):
        return replace(infeasible(about, name, f"proven by {name}"), wall_s=seconds)
    selection = np.zeros(p1.scores.shape, dtype=bool)
    allocation = (
        np.zeros(data.link_energy.shape, dtype=bool)
        if isinstance(data, Instance) and problem == "jesa"
        else None
    )
    for t, answer in enumerate(answers):
        for variable in answer["ones"] or []:
            kind, _, index = variable.rstrip(")").partition("(")
            place = tuple(int(k) for k in index.split("_"))
            if kind in ("x", "alpha"):
                selection[place if len(answers) == 1 else (t, place[1])] = True
            elif kind == "y" and allocation is not None:
                allocation[place] = True
    found = all(answer["ones"] is not None for answer in answers)
    bound = None
    if all(answer["bound"] is not None for answer in answers):
        bound = sum(
            max(answer["bound"], 0.0) / factor
            for answer, factor in zip(answers, factors, strict=True)
        )
    result = build(
        about, name, Decision(about, selection, allocation) if found else None, bound_j=bound
    )
    return replace(result, wall_s=seconds)


def measured(runs: dict[str, Run]) -> Iterator[tuple[str, Result | Exception]]:
    """The result of each with the median of its times, or why there is none."""
    found: dict[str, list[Result]] = {}
    words: dict[str, Exception] = {}
    for k in range(RUNS):
        for name in list(runs)[:: -1 if k % 2 else 1]:
            if name in words or (k and found[name][0].wall_s > AGAIN_S):
                continue
            if sys.stderr.isatty():
                print(f"{name}, {k + 1} of {RUNS}".ljust(40), end="\r", file=sys.stderr, flush=True)
            try:
                found.setdefault(name, []).append(runs[name]())
            except (InputError, Crashed) as error:
                words[name] = error
    for name in runs:
        if name in words:
            yield name, words[name]
        else:
            yield (
                name,
                replace(found[name][0], wall_s=float(np.median([r.wall_s for r in found[name]]))),
            )


def table(
    problem: str, names: tuple[str, ...], columns: Callable[[Data], dict[str, Run]]
) -> list[MethodRow]:
    """Measure, print the rows in Markdown, and return them."""
    rows: list[MethodRow] = []
    for k, name in enumerate(names):
        data = dmoe_opt.load(name)
        results = dict(measured(columns(data)))
        if not k:
            print(f"\n| instance | {' | '.join(results)} |\n|{'---|' * (len(results) + 1)}")
        entries = []
        for method, told in results.items():
            name = f"{problem}/{method}"
            if isinstance(told, Result):
                entries.append(Entry(name, told))
            else:
                entries.append(Entry(name, None, REFUSED, str(told)))
        made = rows_of(data, entries)
        crashed = [isinstance(r, Crashed) for r in results.values()]
        made = [
            replace(row, status="crashed") if bad else row
            for row, bad in zip(made, crashed, strict=True)
        ]
        rows += made
        cells = [cell(row) for row in made]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    return rows


def cell(row: MethodRow) -> str:
    """Gap and milliseconds, or that there are none."""
    if row.wall_s is None:
        return row.status
    ms = 1e3 * row.wall_s
    time = f"{ms:,.0f}" if ms >= 100 else f"{ms:.3g}"
    if row.status == Status.INFEASIBLE:
        return f"refuted / {time}"
    if row.energy_j is None:
        if "refused" in row.message:
            return f"wrong / {time}"
        return f"{'bound only' if row.bound_j else 'nothing'} / {time}"
    if row.gap is None:
        return f"no bound / {time}"
    gap = "0 %" if row.gap < 1e-9 else f"{100 * row.gap:.2g} %"
    return f"{gap} / {time}"


def machine() -> str:
    """Where and with what the numbers were made."""
    packages = (
        "dmoe-opt",
        "numpy",
        "scipy",
        "numba",
        "pyomo",
        "cvxpy",
        "highspy",
        "gurobipy",
        "pyscipopt",
        "ortools",
    )
    versions = []
    for package in packages:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{package} not installed")
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    return f"{machine}, Python {platform.python_version()}; {', '.join(versions)}"


def main() -> None:
    """All tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", metavar="FOLDER", help="for release.csv")
    parser.add_argument(
        "--selection-s", type=float, default=5.0, help="time limit of a method on an instance"
    )
    parser.add_argument("--joint-s", type=float, default=30.0)
    parser.add_argument("--only", nargs="*", help="names of instances")
    given = parser.parse_args()
    solvers = outside.installed()
    wanted = [
        [name for name in names if given.only is None or name in given.only]
        for names in (SELECTION, JOINT)
    ]
    print(machine())

    def selection(batched: bool) -> Callable[[Data], dict[str, Run]]:
        def columns(data: Data) -> dict[str, Run]:
            limit = given.selection_s
            own = ["des"] if batched else dmoe_opt.methods("selection")
            return {m: lambda m=m: ours(data, "selection", m, limit) for m in own} | {
                s: lambda s=s: by_solver(data, "selection", s, limit, batched) for s in solvers
            }

        return columns

    def joint(data: Data) -> dict[str, Run]:
        limit = given.joint_s
        return {m: lambda m=m: ours(data, "jesa", m, limit) for m in dmoe_opt.methods("jesa")} | {
            s: lambda s=s: by_solver(data, "jesa", s, limit, True) for s in solvers
        }

    print(
        f"\nSelection, solvers from outside token by token, {given.selection_s:g} s a method; "
        "gap to the best bound / ms"
    )
    rows = table("selection", tuple(wanted[0]), selection(batched=False))
    print(
        f"\nSelection, all tokens in one integer program, {given.selection_s:g} s a method; gap "
        "to the best bound / ms"
    )
    rows += table("batched", tuple(wanted[0]), selection(batched=True))
    print(
        f"\nExperts and subcarriers, the whole integer program, {given.joint_s:g} s a method; "
        "gap to the best bound / ms"
    )
    rows += table("jesa", tuple(wanted[1]), joint)
    if given.output:
        write_all(given.output, {"release.csv": as_csv(rows, MethodRow).encode()})


if __name__ == "__main__":
    main()
