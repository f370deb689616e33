"""What a campaign brings home, and the clock that all campaigns share."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

import dmoe_opt
from dmoe_opt import InputError, Instance, Result, SelectionProblem

PROGRESS_S = 1.0
TOO_WIDE = "costs span too many orders of magnitude for a solver"
"""Why a solver of integer programs may leave a problem to our own methods, and say so."""


@dataclass(frozen=True)
class Fault:
    """One wrong thing: in words, the seed of its case, and the input that shows it."""

    what: str
    seed: int
    data: str = ""

    def __str__(self) -> str:
        lines = [f"seed {self.seed}: {self.what}"]
        if self.data:
            lines.append(f"    {self.data}")
        return "\n".join(lines)


@dataclass
class Outcome:
    """How often each thing was tried, and every fault that was found."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)

    def add(self, other: Outcome) -> None:
        """Take in the counts and faults of one case."""
        self.counts.update(other.counts)
        self.faults.extend(other.faults)


def run(attack: Callable[[int], Outcome], seconds: float, rng: np.random.Generator) -> Outcome:
    """Attack with one seed after another until the time is up."""
    outcome = Outcome()
    for seed in seeds(seconds, rng, outcome):
        outcome.add(attack(seed))
    return outcome


def seeds(seconds: float, rng: np.random.Generator, outcome: Outcome) -> Iterator[int]:
    """Seeds of cases until the time is up, at least one; progress goes to a terminal."""
    started = time.monotonic()
    shown = started
    while True:
        yield int(rng.integers(2**63))
        now = time.monotonic()
        if sys.stderr.isatty() and now - shown > PROGRESS_S:
            _show(outcome, now - started, seconds)
            shown = now
        if now - started > seconds:
            break
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")


def _show(outcome: Outcome, spent_s: float, seconds: float) -> None:
    reached = ", ".join(f"{count:,} {name}" for name, count in outcome.counts.most_common(4))
    line = f"{spent_s:.0f} of {seconds:.0f} s: {reached}, {len(outcome.faults)} faults"
    sys.stderr.write(f"\r\x1b[K{line}")
    sys.stderr.flush()


def judged(
    data: Instance | SelectionProblem,
    problem: str,
    method: str,
    judge: Callable[[Result], list[str]],
) -> list[str]:
    """Solve by one method and judge the answer, also by the checker of the package."""
    try:
        answer = dmoe_opt.solve(data, problem, method)
        complaints = judge(answer)
        if not complaints:
            said = dmoe_opt.check(data, answer)
            complaints = [f"check refuses an honest answer: {line}" for line in said]
    except InputError as error:
        return [f"a valid {problem} was refused: {error}"]
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]
    return complaints
