"""How the arrivals to come differ from what could be expected: sums of mean zero for every policy.

When subtask n may go to expert e, it would hold a slot there until `finish_s[n, e]`. A surprise is
what arrives in that time less what was to be expected of it::

    Z[n, e, f] = sum of w(t) m(k) over the arrivals k in (arrival_s[n], finish_s[n, e])
                 less the integral of w(t) rate(t) over that time

m(k) has 2 Y marks: the type of the arrival, and, if it opens a job, the types of the subtasks that
follow. `rate` is their intensity given the past: new jobs arrive at `jobs_per_s` until the last has
come, and the next subtask of an open job after a mean of `gap_s`. The weight w(t) is a power of the
occupied share of the experts equal to e, when a policy of reference plays the same episode. It is
known just before t. So Z has mean zero given the past, and so has the sum of theta Z over what any
policy takes that does not know the future. The past is taken as rich: it has the types of all
subtasks of open jobs, as their shares tell something of them.

Compensated point processes: P. Bremaud, *Point Processes and Queues*, 1981.
"""

from __future__ import annotations

import numpy as np

from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.pricing import equal_experts
from dmoe_opt.offload.scenario import Array, Scenario, Whole

POWERS = (0, 8)
"""Powers of the occupied share. The second is near 1 only where hardly a slot is left."""


def size(scenario: Scenario) -> int:
    """Number F of surprises of a subtask at an expert."""
    return len(POWERS) * 2 * scenario.num_types


def surprises(episode: Episode, reference: Whole) -> Array:
    """Z, shape (N, E, F); 0 where the subtask may not be started.

    `reference` holds the choices of the policy of reference, (N,), made without knowing the future.
    """
    marks, rates = _arrivals(episode)
    times_s, shares, latest = _occupied(episode, reference)
    own = np.searchsorted(times_s, episode.arrival_s)  # place of each arrival in `times_s`
    before = np.vstack([np.zeros_like(shares[:1]), shares])[own]
    jumps = _weighted(before, marks)
    slopes = _weighted(shares, rates[latest])
    steps = slopes * np.diff(times_s, append=times_s[-1])[:, None, None]
    seen, expected = _running(jumps), _running(steps)

    begin_s = np.repeat(episode.arrival_s[:, None], len(shares[0]), axis=1)
    end_s = np.where(episode.may_start, episode.finish_s, episode.arrival_s[:, None])[:, :-1]
    expert = np.broadcast_to(np.arange(end_s.shape[1]), end_s.shape)

    def until(moment_s: Array) -> Array:
        """Seen less expected up to a moment for each subtask and expert, (N, E, F)."""
        k = np.searchsorted(times_s, moment_s, side="right") - 1
        passed_s = np.minimum(moment_s, times_s[-1]) - times_s[k]
        arrived = np.searchsorted(episode.arrival_s, moment_s, side="right")
        level = expected[k, expert] + slopes[k, expert] * passed_s[..., None]
        return np.asarray(seen[arrived, expert] - level)

    return until(end_s) - until(begin_s)


def taken(found: Array, choice: Whole) -> Array:
    """The surprises of what a policy takes, summed for each expert, (E, F), for choices (N,)."""
    experts = found.shape[1]
    total = np.zeros(found.shape[1:])
    rows = np.flatnonzero((choice >= 0) & (choice < experts))
    np.add.at(total, choice[rows], found[rows, choice[rows]])
    return total


def _weighted(shares: Array, marks: Array) -> Array:
    """Marks times powers of the occupied share, (T, E, F), of (T, E) and (T, 2 Y)."""
    weights = np.stack([shares**power for power in POWERS], axis=-1)
    weighted = weights[..., None] * marks[:, None, None, :]
    return np.asarray(weighted.reshape(*shares.shape, -1))


def _running(values: Array) -> Array:
    """Sums of the first 0, 1, ... rows."""
    return np.concatenate([np.zeros_like(values[:1]), values.cumsum(axis=0)])


def _arrivals(episode: Episode) -> tuple[Array, Array]:
    """Marks of each arrival, and their rates per second from it to the next, both (N, 2 Y)."""
    scenario = episode.scenario
    arrivals, kinds = scenario.arrivals, scenario.num_types
    probability = scenario.types.probability / scenario.types.probability.sum()
    new_job = arrivals.jobs_per_s * np.append(
        probability, probability * (sum(arrivals.subtasks_per_job) / 2 - 1)
    )
    follow_per_s = 1.0 / arrivals.gap_s if arrivals.gap_s else 0.0
    to_come: list[list[int]] = [[] for _ in range(int(episode.job.max()) + 1)]
    for job, kind in zip(episode.job[::-1].tolist(), episode.type[::-1].tolist(), strict=True):
        to_come[job].append(kind)
    marks = np.zeros((episode.num_subtasks, 2 * kinds))
    rates = np.zeros_like(marks)
    next_one = np.zeros(kinds)  # open jobs by the type of their next subtask
    begun = np.zeros(len(to_come), dtype=bool)
    for n, job in enumerate(episode.job.tolist()):
        kind = to_come[job].pop()
        # Without gaps the rest of a job comes with its first subtask: no surprise.
        marks[n, kind] = float(follow_per_s > 0 or not begun[job])
        if begun[job]:
            next_one[kind] -= 1
        else:
            marks[n, kinds:] = np.bincount(to_come[job], minlength=kinds)
        begun[job] = True
        if to_come[job]:
            next_one[to_come[job][-1]] += 1
        rates[n, :kinds] = next_one * follow_per_s
        rates[n] += new_job * (begun.sum() < arrivals.num_jobs)
    return marks, rates


def _occupied(episode: Episode, choice: Whole) -> tuple[Array, Array, Whole]:
    """Times of arrivals and departures, (T,), what is occupied after each, and the last arrival.

    The second array, (T, E), has the occupied share of the capacity of experts equal to each. The
    third, (T,), has the number of the last arrival by then.
    """
    slots = episode.scenario.experts.capacity
    groups = equal_experts(episode.scenario)
    member = np.eye(int(groups.max()) + 1)[groups]
    placed = np.flatnonzero((choice >= 0) & (choice < len(slots)))
    at, count = choice[placed], episode.num_subtasks
    times_s = np.append(episode.arrival_s, episode.finish_s[placed, at])
    change = np.zeros((len(times_s), member.shape[1]))
    size = episode.size[placed]
    change[placed, groups[at]] = size
    change[count + np.arange(len(placed)), groups[at]] = -size
    order = np.argsort(times_s, kind="stable")
    total = slots @ member
    shares = change[order].cumsum(axis=0) / np.where(total > 0, total, 1.0)
    arrival = np.where(order < count, order, 0)
    return times_s[order], shares @ member.T, np.maximum.accumulate(arrival)
