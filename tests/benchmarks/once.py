"""Rounds that send a token once to a node: 64 experts on 8 nodes, 64 subcarriers, 256 tokens.

`python -m tests.benchmarks.once [--seeds N]`; times are seconds of all threads on the processor,
which other work on the machine disturbs least.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from dmoe_opt import Result, generate, solve
from dmoe_opt.solving import prepare

PRESET = "olmoe-64-on-8"
CHANGES: dict[str, Any] = {"send_once": True, "num_subcarriers": 64}
LIMIT_S = 300.0


def timed(seed: int, method: str, num_tokens: int = 256) -> tuple[Result, float]:
    """An answer, and its seconds on the processor."""
    data = generate(PRESET, seed, num_tokens=num_tokens, **CHANGES)
    started = time.process_time()
    answer = solve(data, "jesa", method, LIMIT_S)
    return answer, time.process_time() - started


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(parser.parse_args().seeds)
    prepare("jesa")
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
