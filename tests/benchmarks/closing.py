"""How soon `exact` closes in on large rounds with scarce spectrum, by time on the processor.

python tests/benchmarks/closing.py [--seeds N] [--rounds NAME,...]

Prints a table of tests/benchmarks/README.md in Markdown: the seconds after which the gap is at most
so many per cent. The limit counts time on the processor too, so other work on the machine changes
little. A run ends when its goal is reached.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from dmoe_opt import Instance, clock, generate, solve

ROUNDS: dict[str, tuple[dict[str, Any], float]] = {
    "K=24 M=400": ({"num_experts": 24, "num_subcarriers": 400, "num_tokens": 768}, 0.2),
    "K=32 M=720": ({"num_experts": 32, "num_subcarriers": 720, "num_tokens": 1024}, 0.2),
    "spread 1.0": ({"spread": 1.0}, 0.1),
    "spread 0.7": ({"spread": 0.7}, 0.1),
}
"""Options of the preset `scarce-16x150`, and the gap that ends a run, %."""
LIMIT_S = 60.0
GAPS = (5.0, 2.0, 1.0, 0.5, 0.2, 0.1)


class _Reached(Exception):
    """The goal of a run."""


class _Timer(threading.Thread):
    """Like `threading.Timer`, by time on the processor."""

    def __init__(self, delay_s: float, function: Callable[..., None], arguments: list[Any]) -> None:
        super().__init__(daemon=True)
        self.ends = time.process_time() + delay_s
        self.function, self.arguments = function, arguments
        self.cancelled = threading.Event()
        self.cancel = self.cancelled.set

    def run(self) -> None:
        while time.process_time() < self.ends:
            if self.cancelled.wait(0.02):
                return
        self.function(*self.arguments)


def closing(data: Instance, goal: float) -> tuple[dict[float, float], float, float | None]:
    """Seconds until the gap was at most each of `GAPS`, all seconds, and the last gap, %."""
    reached: dict[float, float] = {}
    last: list[float] = []
    started = time.process_time()

    def log(energy_j: float | None, bound_j: float) -> None:
        if energy_j is None:
            return
        last[:] = [100 * (energy_j - bound_j) / energy_j]
        for gap in GAPS:
            if last[0] <= gap:
                reached.setdefault(gap, time.process_time() - started)
        if last[0] <= goal:
            raise _Reached

    try:
        result = solve(data, "jesa", "exact", time_limit=LIMIT_S, log=log)
        last[:] = [] if result.gap is None else [100 * result.gap]
    except _Reached:
        pass
    return reached, time.process_time() - started, last[0] if last else None


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", default=",".join(ROUNDS))
    arguments = parser.parse_args()
    vars(clock).update(
        time=SimpleNamespace(monotonic=time.process_time),
        threading=SimpleNamespace(Timer=_Timer, Thread=threading.Thread),
    )
    solve(generate("scarce-8x36", 1), "jesa", "exact")  # compile
    columns = [f"{gap:g} %" for gap in GAPS]
    print(f"| round | seed | {' | '.join(columns)} | end, s | gap at the end % |")
    print("|---|" + "---|" * (len(GAPS) + 3))
    for name in arguments.rounds.split(","):
        options, goal = ROUNDS[name]
        for seed in range(arguments.seeds):
            data = generate("scarce-16x150", seed, **options)
            assert isinstance(data, Instance)
            reached, end_s, gap = closing(data, goal)
            cells = [f"{reached[gap]:.1f}" if gap in reached else "–" for gap in GAPS]
            left = "–" if gap is None else f"{gap:.2g}"
            print(f"| {name} | {seed} | {' | '.join(cells)} | {end_s:.1f} | {left} |", flush=True)


if __name__ == "__main__":
    main()
