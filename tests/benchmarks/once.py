"""Tokens that are sent once to a node: 64 experts on 8 nodes.

`python -m tests.benchmarks.once [--seeds N]` prints two tables: DES over 1,024 tokens, beside
DES where a token is sent for each expert, on 8 nodes and on 64, and HiGHS; and rounds of 256 tokens
and 64 subcarriers. Times are those on the processor, which other work on the machine disturbs
least, but for HiGHS.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from dmoe_opt import Result, generate, solve
from dmoe_opt.data.instance import as_problem
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.selection.search import UNLIMITED, Search
from dmoe_opt.solving import prepare
from tests.benchmarks.selection import best_us, highs_direct

PRESET = "olmoe-64-on-8"
CHANGES: dict[str, Any] = {"send_once": True, "num_subcarriers": 64}
LIMIT_S = 300.0
TOKENS = 1024
SOME = 16  # tokens for HiGHS


def timed(seed: int, method: str, num_tokens: int = 256) -> tuple[Result, float]:
    """An answer, and its seconds on the processor."""
    data = generate(PRESET, seed, num_tokens=num_tokens, **CHANGES)
    started = time.process_time()
    answer = solve(data, "jesa", method, LIMIT_S)
    return answer, time.process_time() - started


def searched_us(problem: SelectionProblem) -> float:
    """DES, microseconds per token of this thread on the processor."""
    search = Search(problem)
    started = time.thread_time()
    search.run(slice(None), UNLIMITED)
    return 1e6 * (time.thread_time() - started) / problem.num_tokens


def choosing(seed: int) -> str:
    """A row of the first table: the best of some runs, in turn."""
    each = as_problem(generate(PRESET, seed, num_tokens=TOKENS))
    once = as_problem(generate(PRESET, seed, num_tokens=TOKENS, send_once=True))
    plain = as_problem(generate("olmoe-64", seed, num_tokens=TOKENS))
    problems = once, each, plain
    runs = [[searched_us(problem) for problem in problems] for _ in range(15)]
    once_us, each_us, plain_us = np.min(runs, axis=0)
    highs_us = best_us(highs_direct(once, SOME), SOME, 2)
    return (
        f"| {seed} | {solve(once).status} | {once_us:.1f} | {each_us:.1f} | {plain_us:.1f} "
        f"| {highs_us:,.0f} | {once_us / each_us:.1f} | {once_us / plain_us:.1f} "
        f"| {highs_us / once_us:,.0f} |"
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(parser.parse_args().seeds)
    prepare("jesa")
    print(
        "| seed | DES | DES, µs | sent for each, µs | a node per expert, µs | HiGHS, µs "
        "| DES / each | DES / a node per expert | HiGHS / DES |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for seed in seeds:
        print(choosing(seed), flush=True)
    timed(99, "exact", num_tokens=16)
    print("| seed | exact | exact, s | gap of bcd | bcd, ms |")
    print("|---|---|---|---|---|")
    for seed in seeds:
        exact, exact_s = timed(seed, "exact")
        bcd, bcd_s = timed(seed, "bcd")
        gap = "none" if bcd.gap is None else f"{100 * bcd.gap:.2f} %"
        print(
            f"| {seed} | {exact.status} | {exact_s:.1f} | {gap} | {1e3 * bcd_s:.0f} |", flush=True
        )


if __name__ == "__main__":
    main()
