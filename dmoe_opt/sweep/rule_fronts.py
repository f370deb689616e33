"""Energy against an optional rule of rounds that a sweep varies, with the bound proven on it.

A sweep over `air_deadline_s`, `capacity`, `wake_energy` or `drop_price` is an epsilon-constraint
front: the least energy for every value of the rule. Between the best bound and the best answer of
all methods lies the optimum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dmoe_opt.answer.result import relative_gap
from dmoe_opt.comparing.rows import grouped
from dmoe_opt.sweep.judging import FinishedJob, Judged

RULES = ("air_deadline_s", "capacity", "wake_energy", "drop_price")


@dataclass(frozen=True)
class RulePoint:
    """Means over the same seeds for one value of a rule, in the unit of its field.

    `setting` is the preset with its other options. Energy and bound are the best of all methods, J;
    `dropped` tokens are those of the best answer, None where none may be dropped. `seeds` counts
    the rounds, `without` those that have no answer here and are left out at every value.
    """

    problem: str
    rule: str
    setting: str
    value: float
    seeds: int
    without: int
    energy_j: float
    bound_j: float
    gap: float | None
    dropped: float | None

    @property
    def served_j(self) -> float:
        """Energy without the prices of dropped tokens, J, where the rule is `drop_price`."""
        return self.energy_j - self.value * (self.dropped or 0.0)


@dataclass(frozen=True)
class _Best:
    """The best answer and the best bound on one instance."""

    energy_j: float | None
    bound_j: float
    dropped: int | None


def rule_points(judged: Sequence[Judged]) -> list[RulePoint]:
    """The points of every front, by rising value; none where a rule has a single value."""
    points = []
    for rule in RULES:
        jobs = [j.job for j in judged if _is_number(j.job.options.get(rule))]
        by_front = grouped(((job.problem, job.setting_without(rule)), job) for job in jobs)
        for (problem, setting), of_front in sorted(by_front.items()):
            points += _front(problem, rule, setting, of_front)
    return points


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _front(problem: str, rule: str, setting: str, jobs: Sequence[FinishedJob]) -> list[RulePoint]:
    by_value = {
        value: {seed: _best(several) for seed, several in of_value.items()}
        for value, of_value in _by_value_and_seed(rule, jobs).items()
    }
    if len(by_value) < 2:
        return []
    answered = {value: _answered(bests) for value, bests in by_value.items()}
    kept = set.intersection(*(seeds for seeds in answered.values() if seeds), *[_seeds(by_value)])
    points = []
    for value, bests in sorted(by_value.items()):
        if not kept or not answered[value]:
            continue
        some = [bests[seed] for seed in sorted(kept)]
        energy_j = float(np.mean([best.energy_j for best in some]))
        bound_j = float(np.mean([best.bound_j for best in some]))
        counts = [best.dropped for best in some if best.dropped is not None]
        dropped = float(np.mean(counts)) if counts else None
        without = len(bests) - len(answered[value])
        gap = relative_gap(energy_j, bound_j)
        points.append(
            RulePoint(
                problem, rule, setting, value, len(kept), without, energy_j, bound_j, gap, dropped
            )
        )
    return points


def _by_value_and_seed(
    rule: str, jobs: Sequence[FinishedJob]
) -> dict[float, dict[int, list[FinishedJob]]]:
    by_value = grouped((float(job.options[rule]), job) for job in jobs)
    return {value: grouped((job.seed, job) for job in some) for value, some in by_value.items()}


def _best(jobs: Sequence[FinishedJob]) -> _Best:
    """The least energy and the greatest bound of the jobs on one instance."""
    bound_j = max((job.bound_j or 0.0 for job in jobs), default=0.0)
    answers = [(job.objective_j, job) for job in jobs if job.objective_j is not None]
    if not answers:
        return _Best(None, bound_j, None)
    energy_j, job = min(answers, key=lambda pair: pair[0])
    return _Best(energy_j, min(bound_j, energy_j), job.dropped)


def _answered(bests: Mapping[int, _Best]) -> set[int]:
    return {seed for seed, best in bests.items() if best.energy_j is not None}


def _seeds(by_value: Mapping[float, Mapping[int, _Best]]) -> set[int]:
    """Seeds that ran at every value."""
    return set.intersection(*(set(bests) for bests in by_value.values()))


def served_bound_j(points: Sequence[RulePoint], dropped: float) -> float:
    """What tokens that are not dropped cost at least, J, if so many are dropped on the mean.

    `points` are those of one front over `drop_price` rho. Each proves that served energy + rho
    dropped is at least its bound, for any decision; the best of these inequalities counts.

    Examples
    --------
    >>> from dmoe_opt.sweep.rule_fronts import RulePoint, served_bound_j
    >>> point = RulePoint("jesa", "drop_price", "rich-8x64", 1e-3, 1, 0, 0.05, 0.05, 0.0, 8.0)
    >>> round(point.served_j, 6), round(served_bound_j([point], 10.0), 6)
    (0.042, 0.04)
    """
    return max([0.0, *(point.bound_j - point.value * dropped for point in points)])
