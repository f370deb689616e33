"""Gaps and savings in a sweep: every table is a list of rows of one dataclass.

Gaps are relative, to the best bound that any method proved on an instance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dmoe_opt.comparing.rows import grouped, half_width
from dmoe_opt.sweep.journal import FAILED
from dmoe_opt.sweep.judging import Judged


@dataclass(frozen=True)
class GapRow:
    """A job on an instance that is not known to be infeasible, and its gap to the best bound.

    The gap is None without an answer.
    """

    problem: str
    method: str
    setting: str
    seed: int
    instance: str
    status: str
    gap: float | None


@dataclass(frozen=True)
class GapSummary:
    """The gaps of a method: numbers of jobs, answers and failures, and quantiles over the answers.

    `proven` is the share of jobs that proved their own answer optimal, in [0, 1].
    """

    problem: str
    method: str
    jobs: int
    answers: int
    failed: int
    median: float | None
    p90: float | None
    worst: float | None
    proven: float


def gap_rows(judged: Sequence[Judged]) -> list[GapRow]:
    """The gap of every job to the best bound proven on its instance."""
    by_line = grouped(((j.job.problem, j.line), j) for j in judged if j.feasible)
    return [
        GapRow(problem, line, j.setting, j.job.seed, j.instance, j.job.status, j.gap)
        for (problem, line), jobs in sorted(by_line.items())
        for j in jobs
    ]


def gap_summaries(rows: Sequence[GapRow]) -> list[GapSummary]:
    """Gaps in numbers, one row for each problem and method."""
    summaries = []
    for (problem, method), mine in grouped(((r.problem, r.method), r) for r in rows).items():
        gaps = [row.gap for row in mine if row.gap is not None]
        median, p90, worst = (None, None, None)
        if gaps:
            median, p90, worst = np.percentile(gaps, (50, 90, 100)).tolist()
        failed = sum(row.status == FAILED for row in mine)
        proven = sum(row.status == "optimal" for row in mine) / len(mine)
        summaries.append(
            GapSummary(problem, method, len(mine), len(gaps), failed, median, p90, worst, proven)
        )
    return summaries


@dataclass(frozen=True)
class Saving:
    """Energy that a method saves against a baseline on the same instances.

    It is a mean share, with half the width of its 95 % interval. `against` is `topp`, the best
    scores until the threshold is reached, or `topk`, the D best scores.
    """

    problem: str
    against: str
    preset: str
    method: str
    instances: int
    saved: float
    saved_ci95: float | None


BASELINES = ("topp", "topk")


def savings(judged: Sequence[Judged]) -> list[Saving]:
    """Energy saved against each baseline of the sweep, by preset.

    Only instances count that the method and the baseline both have an answer to. The list is empty
    without a baseline.
    """
    return [saving for baseline in BASELINES for saving in _against(baseline, judged)]


def _against(baseline: str, judged: Sequence[Judged]) -> list[Saving]:
    answers = [(j, j.job.objective_j) for j in judged if j.job.objective_j is not None]
    baseline_j = {j.place: energy_j for j, energy_j in answers if j.job.method == baseline}
    shares = grouped(
        ((j.job.problem, baseline, j.job.preset, j.line), 1.0 - energy_j / baseline_j[j.place])
        for j, energy_j in answers
        if j.job.method != baseline and baseline_j.get(j.place, 0.0) > 0.0
    )
    return [
        Saving(*key, len(values), float(np.mean(values)), half_width(np.array(values)))
        for key, values in sorted(shares.items())
    ]
