"""Rounds with optional rules: `exact` and `bcd` beside the whole program on HiGHS.

`python -m tests.benchmarks.limited [PRESET...] [--seeds N] [--bounds]`; seconds of the processor,
which other work on the machine disturbs least. With `--bounds`, the gaps of `bcd` and of
`lagrangian` in 5 s to their own bounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from dmoe_opt import Instance, generate, solve
from dmoe_opt.joint.open_part import everything
from dmoe_opt.joint.program import solve_open
from dmoe_opt.solving import prepare

PRESETS = ("deadline-8x64", "capacity-8x64", "wake-12x132", "rich-8x64")
LIMIT_S = 60.0
QUICK_S = 5.0


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """What a call returns, and the seconds of the processor that it takes."""
    started = time.process_time()
    return call(), time.process_time() - started


def row(preset: str, seeds: int) -> str:
    """A row of the table: means over the seeds, and the worst gap of `bcd`."""
    ratios, gaps, quick = [], [], []
    for seed in range(seeds):
        data = generate(preset, seed)
        assert isinstance(data, Instance)
        exact, exact_s = timed(lambda data=data: solve(data, "jesa", "exact", LIMIT_S))
        bcd, bcd_s = timed(lambda data=data: solve(data, "jesa", "bcd"))
        factor = data.num_tokens / (exact.bound_j or 1.0)
        whole, whole_s = timed(
            lambda data=data, factor=factor: solve_open(
                data, everything(data), factor, time_limit=LIMIT_S
            )
        )
        if whole.decision is not None and exact.objective_j is not None:
            assert exact.objective_j <= whole.decision.energy_j * (1 + 1e-6)
        ratios.append(whole_s / exact_s)
        gaps.append(np.nan if bcd.gap is None else bcd.gap)
        quick.append(bcd_s)
    ratio = float(np.exp(np.mean(np.log(ratios))))
    worst, bcd_ms = 100 * float(np.nanmax(gaps)), 1e3 * float(np.median(quick))
    return f"| {preset} | {ratio:.2f} | {worst:.2f} % | {bcd_ms:.0f} |"


def bounds(preset: str, method: str, seeds: int) -> str:
    """A row of the other table: gaps of a method to its own bound, and its time."""
    gaps, seconds = [], []
    for seed in range(seeds):
        data = generate(preset, seed)
        result, result_s = timed(lambda data=data: solve(data, "jesa", method, QUICK_S))
        seconds.append(result_s)
        if result.gap is not None:
            gaps.append(100 * result.gap)
    answers = f"{len(gaps)} of {seeds}"
    numbers = f"{np.median(gaps):.2f} % | {max(gaps):.2f} % | {np.median(seconds):.2f}"
    return f"| {preset} | {method} | {answers} | {numbers} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("presets", nargs="*", default=PRESETS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--bounds", action="store_true")
    given = parser.parse_args()
    prepare("jesa")
    solve(generate("rich-8x64", 99, num_tokens=16), "jesa", "exact")
    if given.bounds:
        print("| preset | method | answers | median gap | worst gap | median time, s |")
        print("|---|---|---|---|---|---|")
        for preset in given.presets:
            for method in ("bcd", "lagrangian"):
                print(bounds(preset, method, given.seeds), flush=True)
        return
    print("| preset | time of the whole program / of exact | worst gap of bcd | bcd, ms |")
    print("|---|---|---|---|")
    for preset in given.presets:
        print(row(preset, given.seeds), flush=True)


if __name__ == "__main__":
    main()
