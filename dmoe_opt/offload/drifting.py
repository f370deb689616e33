"""When subtasks arrive, and what drifts: factors of `dmoe_opt.offload.drift.Drift` over time.

Nothing is drawn for what does not drift, so episodes of other scenarios stay as they are.
"""

from __future__ import annotations

import numpy as np

from dmoe_opt.data.validate import fail
from dmoe_opt.offload.parts import MOST_GAINS, Array, Whole
from dmoe_opt.offload.scenario import Scenario


def arrivals(rng: np.random.Generator, scenario: Scenario) -> tuple[Whole, Array]:
    """Job and arrival time of every subtask, both (N,), in the order of arrival."""
    of = scenario.arrivals
    starts = rng.exponential(1.0 / of.jobs_per_s, of.num_jobs).cumsum()
    least, most = of.subtasks_per_job
    sizes = rng.integers(least, most + 1, of.num_jobs)
    job = np.repeat(np.arange(of.num_jobs), sizes)
    gaps = rng.exponential(of.gap_s, len(job)) if of.gap_s else np.zeros(len(job))
    if of.job_quality is not None:
        gaps += scenario.types.deadline_s.max()
    first = np.append(0, sizes.cumsum()[:-1])
    gaps[first] = 0.0  # the first subtask of a job arrives with the job
    starts = _starts(rng, scenario, starts)
    passed = gaps.cumsum()
    arrival_s = starts[job] + passed - passed[first][job]
    order = np.argsort(arrival_s, kind="stable")
    return job[order], arrival_s[order]


def _starts(rng: np.random.Generator, scenario: Scenario, steady_s: Array) -> Array:
    """Arrivals of the jobs under the drifting load, (J,), from those under the load 1, (J,).

    A job arrives when the integral of the factor reaches its arrival under the load 1. That makes
    the Poisson process one of the rate that drifts: E. Cinlar, *Introduction to Stochastic
    Processes*, 1975.
    """
    drift = scenario.drift
    if drift is None or drift.load is None:
        return steady_s
    last_s = float(steady_s[-1] / drift.load.min())
    period_s = drift.period_s or last_s
    knots = _knots(rng, scenario, drift.load, (last_s, 1))[:, 0]
    reached = np.append(0.0, np.cumsum((knots[1:] + knots[:-1]) / 2.0) * period_s)
    k = np.searchsorted(reached, steady_s, side="right") - 1
    k = np.minimum(k, len(knots) - 2)
    left, slope = steady_s - reached[k], (knots[k + 1] - knots[k]) / period_s
    root = np.sqrt(np.maximum(knots[k] ** 2 + 2.0 * slope * left, 0.0))
    return np.asarray(k * period_s + 2.0 * left / (knots[k] + root))


def types(rng: np.random.Generator, scenario: Scenario, arrival_s: Array) -> Whole:
    """The type of each subtask, (N,), by the mix of types when it arrives."""
    probability = scenario.types.probability
    if scenario.drift is None or scenario.drift.types is None:
        share = probability / probability.sum()
        return rng.choice(scenario.num_types, len(arrival_s), p=share)
    weights = probability * _factors(
        rng, scenario, scenario.drift.types, arrival_s, len(probability)
    )
    reached = weights.cumsum(axis=1)
    drawn = rng.uniform(0.0, 1.0, len(arrival_s)) * reached[:, -1]
    return np.asarray((reached <= drawn[:, None]).sum(axis=1))


def speeds(rng: np.random.Generator, scenario: Scenario, arrival_s: Array) -> Array | None:
    """Speed of each expert when each subtask arrives, (N, E); None if speeds do not drift."""
    if scenario.drift is None or scenario.drift.speed is None:
        return None
    speed = scenario.experts.speed
    return speed * _factors(rng, scenario, scenario.drift.speed, arrival_s, len(speed))


def gains(rng: np.random.Generator, scenario: Scenario, blocks: int) -> Array | float:
    """Factor of the mean gain of each link at the beginning of each block, (B, E), or 1."""
    if scenario.drift is None or scenario.drift.gain is None:
        return 1.0
    begin_s = scenario.radio.coherence_s * np.arange(blocks, dtype=np.float64)
    return _factors(rng, scenario, scenario.drift.gain, begin_s, scenario.num_experts)


def _factors(
    rng: np.random.Generator, scenario: Scenario, ranges: Array, times_s: Array, width: int
) -> Array:
    """Factors at times that do not decrease, one for each of `width` quantities, (T, width)."""
    knots = _knots(rng, scenario, ranges, (float(times_s[-1]), width))
    assert scenario.drift is not None
    if scenario.drift.period_s is None:
        return np.broadcast_to(knots[0], (len(times_s), width))
    k, passed = np.divmod(times_s / scenario.drift.period_s, 1.0)
    k = k.astype(int)
    return np.asarray(knots[k] + passed[:, None] * (knots[k + 1] - knots[k]))


def _knots(
    rng: np.random.Generator, scenario: Scenario, ranges: Array, size: tuple[float, int]
) -> Array:
    """The drawn factors of so many quantities up to a time, at least two of each.

    Without a period both are the same.
    """
    last_s, width = size
    assert scenario.drift is not None
    period_s = scenario.drift.period_s
    if period_s is None:
        return np.repeat(rng.uniform(ranges[0, 0], ranges[0, 1], (1, width)), 2, axis=0)
    count = last_s // period_s + 2.0
    if count * width > MOST_GAINS:
        least_s = 2 * last_s * width / MOST_GAINS
        raise fail("drift.period_s", period_s, f"at least {least_s:.1g}, or fewer jobs")
    ends: Array = ranges[np.arange(int(count)) % len(ranges)]
    return rng.uniform(ends[:, :1], ends[:, 1:], (int(count), width))
