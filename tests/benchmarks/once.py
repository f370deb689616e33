"""Tokens that are sent once to a node: 64 experts on 8 nodes.

`python -m tests.benchmarks.once [--seeds N]` prints two tables: DES over 1,024 tokens beside DES
without a placement and HiGHS, and rounds of 256 tokens and 64 subcarriers. Times of rounds are
seconds of all threads on the processor, which other work on the machine disturbs least.
"""

from __future__ import annotations

import argparse
import math
import time
from functools import partial
from typing import Any

from dmoe_opt import Result, generate, solve
from dmoe_opt.data.instance import as_problem
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


def choosing(seed: int) -> str:
    """A row of the first table: microseconds per token, the best of some runs, in turn."""
    once = generate(PRESET, seed, num_tokens=TOKENS, send_once=True)
    problem, plain = as_problem(once), as_problem(generate("olmoe-64", seed, num_tokens=TOKENS))
    once_us, plain_us = math.inf, math.inf
    for _ in range(5):
        search = Search(problem)
        once_us = min(once_us, best_us(partial(search.run, slice(None), UNLIMITED), TOKENS, 3))
        plain_us = min(
            plain_us, best_us(partial(Search(plain).run, slice(None), UNLIMITED), TOKENS, 3)
        )
    highs_us = best_us(highs_direct(problem, SOME), SOME, 2)
    proven = solve(problem).status
    return (
        f"| {seed} | {proven} | {plain_us:.1f} | {once_us:.1f} | {highs_us:,.0f} "
        f"| {once_us / plain_us:.1f} | {highs_us / once_us:,.0f} |"
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(parser.parse_args().seeds)
    prepare("jesa")
    print(
        "| seed | DES | without placement, µs | DES, µs | HiGHS, µs | DES / without | HiGHS / DES |"
    )
    print("|---|---|---|---|---|---|---|")
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
