"""What a certificate costs: to make it, and to check it in exact arithmetic, beside the solve.

`python -m tests.benchmarks.proving [--seeds N] [NAMES]` prints a table for presets, or for those
named. A time is that on the processor, in ms, the least of up to 15 runs one after the other, and
the median of the seeds. To make a certificate is to search prices and trees; writing it as JSON is
apart. To check it is what `prove` does before it calls anything certified.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from dmoe_opt import generate, solve
from dmoe_opt.data.files import as_json
from dmoe_opt.data.instance import as_problem
from dmoe_opt.proof import check_proof
from dmoe_opt.proof.certificates import draft
from dmoe_opt.solving import prepare

ROUNDS = (
    "edge-8x64",
    "mixtral-8",
    "scarce-8x48",
    "wake-12x132",
    "capacity-8x64",
    "deadline-8x64",
    "rich-8x64",
)
EXPERTS = (
    "edge-8x64",
    "mixtral-8",
    "olmoe-64-on-8",
    "softmax-priced",
    "softmax-correlated",
    "uncorrelated",
    "weakly-correlated",
    "strongly-correlated",
    "subset-sum",
)
RUNS, ENOUGH_S = 15, 2.0


def least_ms(work: Callable[[], Any]) -> tuple[float, Any]:
    """Least milliseconds on the processor of some runs, and what came of the last."""
    runs: list[float] = []
    while len(runs) < RUNS and 1e-3 * sum(runs) < ENOUGH_S:
        started = time.process_time()
        made = work()
        runs.append(1e3 * (time.process_time() - started))
    return min(runs), made


def costs(name: str, problem: str, seed: int) -> tuple[list[float], float]:
    """Milliseconds of solving, making, checking and writing, and the gap that is left."""
    data = generate(name, seed)
    if problem == "selection":
        data = as_problem(data)
    solve_ms, result = least_ms(lambda: solve(data, problem))
    make_ms, (fields, _) = least_ms(lambda: draft(data, result))
    read = json.loads(as_json(data))
    check_ms, bound = least_ms(lambda: check_proof.proven_bound(read, fields))
    write_ms, _ = least_ms(lambda: json.dumps(fields))
    gap = 0.0 if result.objective_j is None else 1 - float(bound) / result.objective_j
    return [solve_ms, make_ms, check_ms, write_ms], gap


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    prepare("jesa")
    solved = generate("mixtral-8", 0)
    draft(solved, solve(solved))  # compiles its kernel
    print("| preset | problem | solve | make | check | write | make / solve | below the optimum |")
    print("|---|---|---|---|---|---|---|---|")
    rows = [("jesa", name) for name in ROUNDS] + [("selection", name) for name in EXPERTS]
    for problem, name in rows:
        if given.names and name not in given.names:
            continue
        many = [costs(name, problem, seed) for seed in range(given.seeds)]
        times = np.median([each for each, _ in many], axis=0)
        ratio = np.median([each[1] / each[0] for each, _ in many])
        shown = " | ".join(f"{ms:.3g}" for ms in times)
        worst = max(gap for _, gap in many)
        print(f"| {name} | {problem} | {shown} | {ratio:.1f} | {worst:.0e} |", flush=True)


if __name__ == "__main__":
    main()
