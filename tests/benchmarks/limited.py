"""Rounds with optional rules: `exact` and `bcd` beside the whole program on HiGHS.

`python -m tests.benchmarks.limited [PRESET...] [--seeds N] [--bounds]`; seconds of the processor,
which other work on the machine disturbs least. HiGHS has 60 s on the clock for the whole program;
where it ends there, its time counts as if it had finished. With `--bounds`, the gaps of `bcd` and
of `lagrangian` in 5 s to their own bounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np

from dmoe_opt import Instance, generate, solve
from dmoe_opt.joint import program
from dmoe_opt.joint.open_part import everything
from dmoe_opt.solving import prepare

PRESETS = ("deadline-8x64", "capacity-8x64", "wake-12x132", "rich-8x64")
LIMIT_S = 60.0
QUICK_S = 5.0


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """What a call returns, and the seconds of the processor that it takes."""
    started = time.process_time()
    return call(), time.process_time() - started


def row(preset: str, seeds: int) -> str:
    """A row of the table: ratios over the seeds, rounds left open, and how `bcd` does."""
    ratios, gaps, quick = [], [], []
    unfinished = open_rounds = 0
    for seed in range(seeds):
        data = generate(preset, seed)
        assert isinstance(data, Instance)
        exact, exact_s = timed(lambda data=data: solve(data, "jesa", "exact", LIMIT_S))
        bcd, bcd_s = timed(lambda data=data: solve(data, "jesa", "bcd"))
        factor = data.num_tokens / (exact.bound_j or 1.0)
        with patch.object(program, "_add_needed"):  # rows of `exact`, which others do not write
            whole, whole_s = timed(
                lambda data=data, factor=factor: program.solve_open(
                    data, everything(data), factor, time_limit=LIMIT_S
                )
            )
        if whole.decision is not None and exact.objective_j is not None:
            assert exact.objective_j <= whole.decision.energy_j * (1 + 1e-6)
        found_j = np.inf if whole.decision is None else whole.decision.energy_j
        unfinished += not whole.infeasible and whole.bound_j < found_j * (1 - 1e-6)
        open_rounds += exact.stats.get("kept", 0.0) > 0
        ratios.append(whole_s / exact_s)
        gaps.append(np.nan if bcd.gap is None else bcd.gap)
        quick.append(1e3 * bcd_s)
    ratio = f"{np.exp(np.mean(np.log(ratios))):.1f} | {min(ratios):.1f}"
    left = f"{seeds} | {unfinished} | {open_rounds}"
    ms = f"{np.median(quick):.0f} | {max(quick):.0f}"
    return f"| {preset} | {left} | {ratio} | {100 * np.nanmax(gaps):.2f} % | {ms} |"


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
    print(
        "| preset | rounds | HiGHS at its limit | gap left by prices "
        "| time of the whole program / of exact | least | worst gap of bcd | bcd, ms | worst |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for preset in given.presets:
        print(row(preset, given.seeds), flush=True)


if __name__ == "__main__":
    main()
