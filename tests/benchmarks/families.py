"""Who wins on which family of knapsacks: DES and outside solvers, cell by cell.

python tests/benchmarks/families.py [--tokens 5] [--limit 3] [--least 0.5] [--sizes 8-4,64-8,256-32]
    [--times 3] [--shares 5,50,95] [--together] [--solvers des,gurobi] [--record FILE.jsonl]
    [--families 'NAME;...' | --families unlisted]

A cell is a family, a size K-D and a threshold in percent of the best D scores. Each solver gets one
integer program per token, or with --together one program per cell. Programs are read beforehand,
which does not count. All times are of the processor, on one thread, so that other work on the
machine does not count. DES is timed with all its checks, as the best of five runs below 1 s, and
has `limit` seconds per token.

An outside solver is stopped after `least` seconds per token, or `times` as long as DES needs for
this program, where that is more. What it has not proven to 10^-6 until then is charged these
seconds, so that every ratio is a lower bound, and a solver that is faster than DES is seen as such.

With --record every column of every solver is written to a file as soon as it is done, and the same
command goes on where it was stopped.

Each cell of the table says by what factor DES is ahead of the fastest outside solver, and its name.
A name in front is that of a solver that beats DES. `>` says that no outside solver proved all
tokens, so that the true factor is larger; `none` that nobody did.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import outside
import unlisted

from dmoe_opt import SelectionProblem, generate, solve
from dmoe_opt.generating.knapsacks import FAMILIES
from dmoe_opt.models.export import export
from dmoe_opt.selection import des

PROVEN = 1e-6
QUICK_S = 1.0  # a time below is the best of five, because others use the machine too
PATIENCE = 100.0  # how many times longer than its time on the processor a program may wait
DRAWN: dict[str, dict[str, Any]] = {
    **{family: {} for family in FAMILIES},
    **{f"softmax-correlated, spread {s}": {"spread": s, "noise": 0.1} for s in (1.0, 2.0, 3.0)},
    **{f"softmax-priced, spread {s}": {"spread": s} for s in (2.0, 3.0)},
}


class Cell(NamedTuple):
    """A family, a size and a threshold."""

    family: str
    size: str
    share: int


class Time(NamedTuple):
    """Seconds of each program of a cell, and how many were proven within the limit."""

    each: list[float]
    proven: int

    @property
    def seconds(self) -> float:
        """All of them."""
        return sum(self.each)


def problem_of(cell: Cell, tokens: int) -> SelectionProblem:
    """The tokens of a cell."""
    experts, cap = map(int, cell.size.split("-"))
    if cell.family in unlisted.DRAWS:
        return unlisted.draw(cell.family, experts, cap, tokens, cell.share / 100)
    problem = generate(
        cell.family.partition(",")[0],
        5,
        num_experts=experts,
        max_experts=cap,
        num_tokens=tokens,
        share=cell.share / 100,
        **DRAWN[cell.family],
    )
    assert isinstance(problem, SelectionProblem)
    return problem


def parts_of(problem: SelectionProblem, together: bool) -> list[SelectionProblem]:
    """One problem per program."""
    if together:
        return [problem]
    return [problem.rows(np.array([t])) for t in range(problem.num_tokens)]


def by_des(parts: list[SelectionProblem], limit_s: float) -> Time:
    """The time of DES."""
    times, proven = [], 0
    for part in parts:
        least = math.inf
        for _ in range(5):
            started = time.process_time()
            result = solve(part, time_limit=limit_s, threads=1)
            least = min(least, time.process_time() - started)
            if least > QUICK_S:
                break
        times.append(least)
        proven += result.status == "optimal"
    return Time(times, proven)


def is_proven(part: SelectionProblem, answer: dict[str, Any], factor: float) -> bool:
    """Whether the answer reaches the need, and its bound its energy."""
    if answer.get("ones") is None or answer["bound"] is None:
        return False
    chosen = np.zeros(part.scores.shape, dtype=bool)
    for variable in answer["ones"]:
        kind, _, index = variable.rstrip(")").partition("(")
        if kind in ("x", "alpha"):
            chosen[tuple(int(k) for k in index.split("_"))] = True
    reached = np.where(chosen, part.usable_units, 0.0).sum(axis=1)
    if (reached < part.need_units).any() or (chosen.sum(axis=1) > part.max_experts).any():
        return False
    energy = float(part.cost[chosen].sum())
    return bool(energy - answer["bound"] / factor <= PROVEN * energy)


class Program(NamedTuple):
    """A problem of a cell as a file for solvers, the factor of its objective there, its seconds."""

    cell: Cell
    part: SelectionProblem
    file: str
    factor: float
    limit_s: float


def by_solver(name: str, programs: list[Program]) -> dict[Cell, Time]:
    """The times of an outside solver on all programs, in one process."""
    patience = str(PATIENCE * max(program.limit_s for program in programs))
    files = [f"{program.limit_s}={program.file}" for program in programs]
    command = [sys.executable, outside.__file__, name, patience, *files]
    done = subprocess.run(command, capture_output=True, text=True)
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if len(answers) < len(programs):
        raise SystemExit(f"{name}: {done.stderr.strip()[-300:]}")
    times: dict[Cell, Time] = {}
    for program, answer in zip(programs, answers, strict=True):
        proven = answer.get("seconds", math.inf) <= program.limit_s
        proven = proven and is_proven(program.part, answer, program.factor)
        before = times.get(program.cell, Time([], 0))
        seconds = answer["seconds"] if proven else program.limit_s
        times[program.cell] = Time([*before.each, seconds], before.proven + proven)
    return times


def measure(
    name: str,
    cells: dict[Cell, list[SelectionProblem]],
    ours: dict[Cell, Time],
    least_s: float,
    times_ours: float,
) -> dict[Cell, Time]:
    """The times of an outside solver on some cells."""
    with tempfile.TemporaryDirectory() as folder:
        programs = []
        for cell, parts in cells.items():
            for part, seconds in zip(parts, ours[cell].each, strict=True):
                file = str(Path(folder) / f"{len(programs)}.mps")
                factor = export(part, "selection", file)
                limit_s = max(least_s, times_ours * seconds)
                programs.append(Program(cell, part, file, factor, limit_s))
        return by_solver(name, programs)


class Record:
    """The times so far, in memory and in a file with one line per solver and column."""

    def __init__(self, path: Path | None, setting: dict[str, Any]) -> None:
        self.path, self.setting = path, setting
        self.times: dict[tuple[str, Cell], Time] = {}
        for line in path.read_text().splitlines() if path and path.exists() else []:
            row = json.loads(line)
            if row["setting"] != setting:
                raise SystemExit(f"{path}: other settings: {row['setting']}; now: {setting}")
            for cell, found in row["times"]:
                self.times[row["solver"], Cell(*cell)] = Time(*found)

    def add(self, name: str, times: dict[Cell, Time]) -> None:
        """Note the times of a solver on a column."""
        self.times |= {(name, cell): time for cell, time in times.items()}
        if self.path:
            row = {"solver": name, "setting": self.setting, "times": list(times.items())}
            with self.path.open("a") as file:
                file.write(json.dumps(row) + "\n")


def verdict(ours: Time, others: dict[str, Time], programs: int) -> str:
    """One entry of the table."""
    if not others:
        return f"{ours.proven} of {programs} in {ours.seconds:.2g} s"
    name = min(others, key=lambda other: (-others[other].proven, others[other].seconds))
    best = others[name]
    if best.proven < programs and ours.proven < programs:
        return "none"
    ratio = best.seconds / ours.seconds
    if ours.proven < programs or ratio < 1:
        return f"**{name}** {1 / ratio:.1f}"
    return f"{'>' if best.proven < programs else ''}{ratio:,.0f} {name}"


def geometric(values: list[float]) -> float:
    """Geometric mean."""
    return math.exp(float(np.mean(np.log(values))))


def report(times: dict[str, dict[Cell, Time]], cells: dict[Cell, list[SelectionProblem]]) -> None:
    """The table and the ratios."""
    columns = list(dict.fromkeys((cell.size, cell.share) for cell in cells))
    print("\n| family | " + " | ".join(f"{size}, {share} %" for size, share in columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    ours = times["des"]
    for family in dict.fromkeys(cell.family for cell in cells):
        row = []
        for size, share in columns:
            cell = Cell(family, size, share)
            others = {name: found[cell] for name, found in times.items() if name != "des"}
            row.append(verdict(ours[cell], others, len(cells[cell])))
        print(f"| {family} | " + " | ".join(row) + " |")
    print("\n| solver | programs proven | time / DES, geometric mean | least | softmax families |")
    print("|---|---|---|---|---|")
    programs = sum(map(len, cells.values()))
    for name, found in times.items():
        ratio = {cell: found[cell].seconds / ours[cell].seconds for cell in cells}
        softmax = [value for cell, value in ratio.items() if cell.family.startswith("softmax")]
        print(
            f"| {name} | {sum(time.proven for time in found.values())} of {programs} "
            f"| {geometric(list(ratio.values())):,.0f} | {min(ratio.values()):,.2g} "
            f"| {geometric(softmax):,.0f} |"
        )


def main() -> None:
    """All of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tokens", type=int, default=5)
    parser.add_argument("--limit", type=float, default=3.0)
    parser.add_argument("--least", type=float, default=0.5)
    parser.add_argument("--times", type=float, default=3.0)
    parser.add_argument("--sizes", default="8-4,32-8,64-8,128-16,256-32")
    parser.add_argument("--shares", default="5,25,50,75,95")
    parser.add_argument("--together", action="store_true")
    parser.add_argument("--solvers", default=",".join(["des", *outside.installed()]))
    parser.add_argument("--families", default=";".join(DRAWN), help="apart by ; or unlisted")
    parser.add_argument("--record", type=Path)
    given = parser.parse_args()
    solvers = given.solvers.split(",")
    families = given.families.split(";")
    if families == ["unlisted"]:
        families = list(unlisted.DRAWS)
    names = "tokens", "limit", "least", "times", "together"
    record = Record(given.record, {name: getattr(given, name) for name in names})
    per_program = given.tokens if given.together else 1
    des.prepare()
    done: dict[Cell, list[SelectionProblem]] = {}
    for size in given.sizes.split(","):
        for share in map(int, given.shares.split(",")):
            column = {
                cell: parts_of(problem_of(cell, given.tokens), given.together)
                for cell in (Cell(family, size, share) for family in families)
            }
            for name in solvers:
                if all((name, cell) in record.times for cell in column):
                    continue
                if name == "des":
                    limit_s = given.limit * per_program
                    times = {cell: by_des(parts, limit_s) for cell, parts in column.items()}
                else:
                    ours = {cell: record.times["des", cell] for cell in column}
                    times = measure(name, column, ours, given.least * per_program, given.times)
                record.add(name, times)
                print(f"{name} has done {size}, {share} %", file=sys.stderr, flush=True)
            done |= column
    report({name: {cell: record.times[name, cell] for cell in done} for name in solvers}, done)


if __name__ == "__main__":
    main()
