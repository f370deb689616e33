"""Run campaigns: `python -m tests.campaigns --minutes 1`, or the names of some of them.

They share the time. Every fault is printed with the seed of its case, which the function `attack`
of the campaign takes to show it again. The exit code is 1 if there is any fault.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import numpy as np

from tests.campaigns import files, interrupts, kills, rounds, tokens
from tests.campaigns.outcome import Outcome

CAMPAIGNS: dict[str, Callable[[float, np.random.Generator], Outcome]] = {
    "tokens": tokens.run,
    "rounds": rounds.run,
    "files": files.run,
    "kills": kills.run,
    "interrupts": interrupts.run,
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
    for name in given.names:
        number = list(CAMPAIGNS).index(name)
        outcome = CAMPAIGNS[name](seconds, np.random.default_rng([seed, number]))
        _print(name, outcome)
        faults += len(outcome.faults)
    return 1 if faults else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns", description=__doc__)
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
    reached = ", ".join(f"{count:,} {what}" for what, count in sorted(outcome.counts.items()))
    print(f"\n{name}: {reached}; {len(outcome.faults)} faults")
    for fault in outcome.faults:
        print(f"  {fault}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
