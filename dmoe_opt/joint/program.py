"""P2 as a program for HiGHS itself: the whole round, or what the bounds of `exact` leave open.

The program of `joint_pyomo`, with u[i, n], link active, in place of sums over subcarriers.

::

    min  sum a[j] alpha[t, j] + sum b[j] w[j] + sum rho[t] d[t] + sum c[i, n, m] f[i, n, m]
    (C1) sum_j g[t, j] alpha[t, j] + theta[t] d[t] >= theta[t]
    (C2) sum_j alpha[t, j] + D d[t] <= D
    (C3) sum_in y[i, n, m] <= 1
    (C4) sum_m f[i, n, m] = sum of alpha[t, j] over the pairs of the link
         alpha[t, j] <= u[i, n] <= sum_m y[i, n, m]
         without a deadline, one subcarrier per link: u[i, n] = sum_m y[i, n, m]
         with `send_once`: alpha[t, j] <= omega[t, n] for every expert j on node n, which takes the
         place of alpha in the other two lines
    (C5) sum_t alpha[t, j] <= C[j]
    (C6) alpha[t, j] <= w[j]
    (C7) f[i, n, m] <= min(pairs of the link, U[i, n, m]) y[i, n, m]
         sum_m y[i, n, m] >= as many as the tokens of the link need at least

The columns d, w and omega, and (C5) to (C7), are there where the round has their fields. Where the
sets of experts S of every token are listed (`choices`), they take the place of (C1) and (C2)::

    sum_S z[t, S] + d[t] = 1,  alpha[t, j] = sum of z[t, S] over the sets S with expert j
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.bill import dropped
from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import Selection, visits
from dmoe_opt.data.instance import Instance
from dmoe_opt.joint.columns import Columns, columns_of
from dmoe_opt.joint.highs import Rows, Seen, decide, factor_of
from dmoe_opt.joint.open_part import Open, affordable
from dmoe_opt.selection.covers import cover

FITS = 1e3  # an energy at most so many times above or below the scale of a program


class OpenAnswer(NamedTuple):
    """What HiGHS says of what is open: the best decision, if any, and a bound in J.

    `infeasible` says that there is none.
    """

    decision: Decision | None
    bound_j: float
    infeasible: bool


class Program(NamedTuple):
    """Rows of a round, and where some of them stand.

    (C4) by link, `loads`; what a subcarrier carries where it is used, `carried`; passages over
    active links, `passing`; (C5), `room`; and (C6), `waking`.
    """

    rows: Rows
    loads: slice
    carried: slice
    passing: slice
    room: slice
    waking: slice


def program_of(instance: Instance, part: Open, columns: Columns, *, needed: bool = True) -> Program:
    """The constraints, in the order of this file's first lines.

    Without `needed`, those are left out that only tighten the linear relaxation under a deadline.
    """
    inf = np.inf
    (t, j), (link, m) = columns.pairs.T, columns.uses.T
    w, u, y, f = (columns.starts[n] for n in (1, 2, 3, 5))
    pair, use, links = np.arange(len(t)), np.arange(len(link)), np.arange(len(columns.links))
    passing, over = columns.passing(instance)
    step = np.arange(len(passing))
    rows = Rows(columns.starts[-1])
    _add_relevance(rows, instance, part, columns)
    rows.add(instance.num_subcarriers, -inf, 1.0, (m, y + use, 1.0))
    most_on_link = 0.0 if instance.air_tokens is None else inf
    rows.add(len(links), 0.0, most_on_link, (links, u + links, -1.0), (link, y + use, 1.0))
    loads = rows.add(len(links), 0.0, 0.0, (link, f + use, 1.0), (over, passing, -1.0))
    carried = _add_carried(rows, instance, part, columns)
    if needed and instance.air_tokens is not None:
        _add_needed(rows, instance, part, columns, passing, over)
    passes = rows.add(len(passing), -inf, 0.0, (step, passing, 1.0), (step, u + over, -1.0))
    if instance.send_once:
        _add_sent_once(rows, instance, columns)
    room = waking = slice(0, 0)
    if instance.capacity is not None:
        room = rows.add(instance.num_experts, -inf, instance.capacity, (j, pair, 1.0))
    if instance.wake_energy is not None:
        number = np.full(instance.num_experts, -1)
        number[columns.wakes] = np.arange(len(columns.wakes))
        waking = rows.add(len(pair), -inf, 0.0, (pair, pair, 1.0), (pair, w + number[j], -1.0))
    return Program(rows, loads, carried, passes, room, waking)


def _add_relevance(rows: Rows, instance: Instance, part: Open, columns: Columns) -> None:
    """(C1) and (C2), or in their place z: every token has one of its listed sets, or is dropped."""
    t, j = columns.pairs.T
    pair = np.arange(len(t))
    drop = columns.starts[0] + np.arange(len(columns.drops))
    if part.choices is None:
        problem = instance.selection_problem()
        relevance, most = cover(problem.usable_units, problem.need_units), problem.max_experts
        scores = t, pair, relevance.units[t, j]
        rows.cover(relevance, most, scores, (columns.drops, drop, relevance.sums[columns.drops]))
        tokens = len(relevance.sums)
        rows.add(tokens, -np.inf, most, (t, pair, 1.0), (columns.drops, drop, float(most)))
        return
    token, experts = part.choices
    z = columns.starts[6] + np.arange(len(token))
    rows.add(instance.num_tokens, 1.0, 1.0, (token, z, 1.0), (columns.drops, drop, 1.0))
    number = np.zeros(instance.scores.shape, dtype=np.int64)
    number[t, j] = pair
    n, member = np.nonzero(experts)
    rows.add(len(t), 0.0, 0.0, (pair, pair, -1.0), (number[token[n], member], z[n], 1.0))


def _add_carried(rows: Rows, instance: Instance, part: Open, columns: Columns) -> slice:
    """(C7), and what a used subcarrier carries at least by the experts that tokens must use.

    Without a deadline that is all of its link; with one it is a token.
    """
    use = np.arange(len(columns.uses))
    y, f = columns.starts[3], columns.starts[5]
    most = columns.most_on(instance)
    first = rows.add(len(use), -np.inf, 0.0, (use, f + use, 1.0), (use, y + use, -most))
    least = least_carried(instance, part, columns)
    sure = np.flatnonzero(least)
    row = np.arange(len(sure))
    terms = (row, f + sure, 1.0), (row, y + sure, -least[sure])
    last = rows.add(len(sure), 0.0, np.inf, *terms)
    return slice(first.start, last.stop)


def least_carried(instance: Instance, part: Open, columns: Columns) -> NDArray[np.float64]:
    """Tokens that a subcarrier carries at least if it is used, by certain experts, (S,)."""
    certain = columns.least_on(instance, part.certain)
    if instance.air_tokens is not None:
        certain = np.minimum(certain, 1)
    return np.asarray(certain[columns.uses[:, 0]], dtype=float)


def _add_needed(
    rows: Rows,
    instance: Instance,
    part: Open,
    columns: Columns,
    passing: NDArray[np.int64],
    over: NDArray[np.int64],
) -> None:
    """Under a deadline, subcarriers that a used link needs for its tokens, at least.

    For q tokens, from those of the experts that tokens must use to all that may pass, these are
    as many as the largest carry q. The rows are the lines of the convex hull below that. `passing`
    and `over` are those of `Columns.passing`.
    """
    most, least = columns.most_on(instance), columns.least_on(instance, part.certain)
    carried = np.bincount(over, minlength=len(least))
    lines = []
    for n in range(len(least)):
        sent = np.sort(most[columns.uses[:, 0] == n])[::-1].cumsum()
        load = np.arange(max(least[n], 1), min(carried[n], int(sent.max(initial=0))) + 1)
        lines += [(n, *line) for line in _hull(load, np.searchsorted(sent, load) + 1)]
    link = np.array([line[0] for line in lines], dtype=np.int64)
    at_none, each = np.array([line[1:] for line in lines]).reshape(-1, 2).T
    row, use = np.nonzero(link[:, None] == columns.uses[:, 0])
    on, passage = np.nonzero(link[:, None] == over)
    u, y = columns.starts[2:4]
    used = np.arange(len(lines)), u + link, -at_none
    rows.add(len(lines), 0.0, np.inf, (row, y + use, 1.0), used, (on, passing[passage], -each[on]))


def _hull(x: NDArray[np.int64], y: NDArray[np.int64]) -> list[tuple[float, float]]:
    """The lower convex hull of points of rising x: value at 0 and slope of its lines."""
    lines, first = [], 0
    while first < len(x) - 1:
        slopes = (y[first + 1 :] - y[first]) / (x[first + 1 :] - x[first])
        slope = float(slopes.min())
        lines.append((float(y[first] - slope * x[first]), slope))
        first += 1 + int(np.flatnonzero(slopes == slope)[-1])
    return lines or [(float(value), 0.0) for value in y]


def _add_sent_once(rows: Rows, instance: Instance, columns: Columns) -> None:
    """A token that uses an expert of another node is sent there."""
    t, j = columns.pairs.T
    away = np.flatnonzero(instance.away[t, j])
    t, j = t[away], j[away]
    number = np.full((instance.num_tokens, instance.num_nodes), -1)
    number[columns.sent[:, 0], columns.sent[:, 1]] = np.arange(len(columns.sent))
    omega = columns.starts[4] + number[t, instance.node_of[j]]
    step = np.arange(len(away))
    rows.add(len(away), -np.inf, 0.0, (step, away, 1.0), (step, omega, -1.0))


def limits(
    instance: Instance, part: Open, columns: Columns
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Energy in J, lower and upper limit of every column."""
    (t, j), (link, m) = columns.pairs.T, columns.uses.T
    i, n = columns.links[link].T
    nothing = np.zeros(0)
    wake = nothing if instance.wake_energy is None else instance.wake_energy[columns.wakes]
    drop = nothing if instance.drop_price is None else instance.drop_price[columns.drops]
    idle = np.zeros(len(columns.links) + len(columns.uses) + len(columns.sent))
    sending = instance.link_energy[i, n, m]
    certain = [
        part.certain[t, j],
        part.surely_dropped[columns.drops],
        part.surely_awake[columns.wakes],
        np.zeros(len(idle) + len(sending) + len(columns.choices.token)),
    ]
    allowed = [
        np.ones(len(t) + len(columns.drops)),
        part.wakeable[columns.wakes],
        np.ones(len(idle)),
        columns.most_on(instance),
        np.ones(len(columns.choices.token)),
    ]
    free = np.zeros(len(columns.choices.token))
    energy_j = np.concatenate([instance.compute_energy[j], drop, wake, idle, sending, free])
    return energy_j, np.concatenate(certain).astype(float), np.concatenate(allowed).astype(float)


def solve_open(
    instance: Instance,
    part: Open,
    factor: float,
    start: Decision | None = None,
    time_limit: float = np.inf,
    seen: Seen | None = None,
    forbidden: Sequence[Selection] = (),
) -> OpenAnswer:
    """The best decision within what is open.

    `factor`, in 1/J, brings the energy to about 1 per token; `start` is a decision to begin with;
    `time_limit`, in seconds, may be inf. No decision has one of the selections (T, K) in
    `forbidden`.
    """
    columns = columns_of(instance, part)
    if not columns.starts[-1]:  # nothing to decide, which HiGHS does not take
        nothing = _decision(instance, columns, np.zeros(0))
        broken = bool(nothing.violations) or any(not one.any() for one in forbidden)
        return OpenAnswer(None if broken else nothing, 0.0, broken)
    rows = program_of(instance, part, columns).rows
    rows.forbid(columns.pairs, forbidden)
    energy_j, lower, upper = limits(instance, part, columns)
    value, bound_j, infeasible = decide(
        rows,
        factor * energy_j,
        lower,
        upper,
        columns.starts[5],
        factor=factor,
        time_limit=time_limit,
        start=None if start is None else _values(instance, columns, start),
        presolved=part.choices is not None and start is not None,
        seen=seen,
    )
    decision = None if value is None else _decision(instance, columns, value)
    return OpenAnswer(decision, bound_j, infeasible)


def solve_scaled(
    instance: Instance,
    part: Open,
    energy_j: float | None,
    start: Decision | None = None,
    time_limit: float = np.inf,
    seen: Seen | None = None,
) -> OpenAnswer:
    """The same at a scale that fits the answer; `energy_j` is that of a known one, if there is any.

    What is far below the scale vanishes in HiGHS' absolute tolerances, and far above it HiGHS gives
    up. So where the answer turns out to be there, the program is solved again at its scale, without
    what alone costs more. A bound that is lost in the tolerances is 0.
    """
    ends = time.monotonic() + time_limit
    best: Decision | None = None
    while True:
        factor = factor_of(instance, energy_j)
        left_s = ends - time.monotonic()
        outcome = solve_open(instance, part, factor, start, left_s, seen)
        unit_j = max(instance.num_tokens, 1) / factor
        bound_j = outcome.bound_j if outcome.bound_j >= unit_j / FITS else 0.0
        found = outcome.decision
        if found is None or found.violations:
            return OpenAnswer(best or found, bound_j, outcome.infeasible and best is None)
        if best is None or found.energy_j < best.energy_j:
            best = found
        if best.energy_j == 0 or unit_j / FITS <= best.energy_j <= unit_j * FITS:
            return OpenAnswer(best, bound_j, False)
        start, energy_j = best, best.energy_j
        part = affordable(instance, part, energy_j)


def _values(instance: Instance, columns: Columns, start: Decision) -> NDArray[np.float64]:
    """A decision as values of the columns."""
    assert start.allocation is not None
    i, n = columns.links[columns.uses[:, 0]].T
    active = start.loads[columns.links[:, 0], columns.links[:, 1]] > 0
    sent = start.sent[i, n, columns.uses[:, 1]]
    visited = visits(start.selection, instance.node_of, instance.num_nodes)
    parts = [
        start.selection[columns.pairs[:, 0], columns.pairs[:, 1]],
        dropped(instance, start.selection)[columns.drops],
        np.asarray(start.selection.any(axis=0))[columns.wakes],
        active,
        sent > 0,
        visited[columns.sent[:, 0], columns.sent[:, 1]],
        sent,
        (start.selection[columns.choices.token] == columns.choices.experts).all(axis=1),
    ]
    return np.concatenate(parts).astype(float)


def _decision(instance: Instance, columns: Columns, value: NDArray[np.float64]) -> Decision:
    chosen = value > 0.5
    d, y, omega = (columns.starts[n] for n in (0, 3, 4))
    selection = np.zeros(instance.scores.shape, dtype=bool)
    selection[tuple(columns.pairs[chosen[:d]].T)] = True
    allocation = np.zeros(instance.link_energy.shape, dtype=bool)
    link, m = columns.uses[chosen[y:omega]].T
    i, n = columns.links[link].T
    allocation[i, n, m] = True
    return Decision(instance, selection, allocation).without_idle_links()
