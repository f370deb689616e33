"""Run campaigns: `python -m tests.campaigns --minutes 1`, or the names of some of them.

They share the time. The exit code is 1 if there is any fault. Every fault is printed with the seed
of its case; the same case runs again by

    python -c "from tests.campaigns import tokens; print(tokens.attack(SEED).faults)"

A seed repeats the input, but not the times at which processes are killed or interrupted.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable

import numpy as np

from dmoe_opt.solving import prepare
from tests.campaigns import (
    episodes,
    files,
    forgeries,
    interrupts,
    kills,
    rounds,
    ruled,
    tokens,
)
from tests.campaigns.outcome import Fault, Outcome, run

ALIKE = 70
"""Faults whose first so many characters are the same, but for numbers, read alike."""
CAMPAIGNS: dict[str, Callable[[int], Outcome]] = {
    "tokens": tokens.attack,
    "rounds": rounds.attack,
    "episodes": episodes.attack,
    "files": files.attack,
    "forgeries": forgeries.attack,
    "kills": kills.attack,
    "interrupts": interrupts.attack,
    "ruled": ruled.attack,
}


def main() -> int:
    """Run the campaigns of the command line; returns the exit code."""
    given = _arguments()
    seconds = (60.0 * given.minutes + 3600.0 * given.hours) / len(given.names)
    if not seconds:
        seconds = 60.0 / len(given.names)
    seed = np.random.SeedSequence().entropy if given.seed is None else given.seed
    print(f"seed {seed}, {seconds:.0f} s for each of {', '.join(given.names)}", flush=True)
    faults = 0
    prepare("jesa")  # compiled kernels are not the object of an attack
    for name in given.names:
        number = list(CAMPAIGNS).index(name)
        outcome = run(CAMPAIGNS[name], seconds, np.random.default_rng([seed, number]))
        _print(name, outcome)
        faults += len(outcome.faults)
    return 1 if faults else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaigns", description=__doc__.split("\n")[0]
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(CAMPAIGNS)}")
    parser.add_argument("--minutes", type=float, default=0.0, help="for all campaigns together")
    parser.add_argument("--hours", type=float, default=0.0, help="added to the minutes")
    parser.add_argument("--seed", type=int, help="of all random numbers; default: a new one")
    given = parser.parse_args()
    for name in given.names:
        if name not in CAMPAIGNS:
            parser.error(f"there is no campaign {name}; allowed: {', '.join(CAMPAIGNS)}")
    given.names = given.names or list(CAMPAIGNS)
    return given


def _print(name: str, outcome: Outcome) -> None:
    """Counts and faults; of faults that read alike the one of the shortest input is shown."""
    reached = ", ".join(f"{count:,} {what}" for what, count in sorted(outcome.counts.items()))
    print(f"\n{name}: {reached}; {len(outcome.faults)} faults")
    alike: dict[str, list[Fault]] = {}
    for fault in outcome.faults:
        kind = re.sub(r"\d+", "", fault.what)[:ALIKE]
        alike.setdefault(kind, []).append(fault)
    for faults in alike.values():
        faults.sort(key=lambda fault: len(fault.data))
        print(f"  {faults[0]}")
        if len(faults) > 1:
            others = ", ".join(str(fault.seed) for fault in faults[1:])
            print(f"    and {len(faults) - 1} alike, seeds {others}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
