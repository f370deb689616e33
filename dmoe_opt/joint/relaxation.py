"""The linear relaxation of a round whose sets of experts are listed: its prices, and what it fixes.

Its duals are prices of `multipliers`, better ones than subgradient steps find. They also bound the
round by themselves, whatever tolerances HiGHS solved with: for any duals p of the rows A x,

    sum p b + sum over columns of min((c - A' p) x over the limits of x)

is a lower bound, where b is the limit of a row on the side that its dual looks at. The two columns
of a subcarrier, y and f, go together: none, or y = 1 and f from the least to the most tokens. What
would lift this bound above a known answer is closed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.clock import left_s
from dmoe_opt.data.instance import Instance
from dmoe_opt.errors import MissingExtraError
from dmoe_opt.joint import passages
from dmoe_opt.joint.columns import Columns, columns_of
from dmoe_opt.joint.highs import Rows, duals, factor_of
from dmoe_opt.joint.multipliers import Point
from dmoe_opt.joint.open_part import SLACK, Open, agreed
from dmoe_opt.joint.program import Program, least_carried, limits, program_of

MOST_COLUMNS = 20_000  # the linear program of more takes HiGHS longer than the ascent
ROUNDING = 1e-12  # relative, of sums of floats


class Relaxed(NamedTuple):
    """Prices, a bound in J, and what answers below a known energy leave open; None if nothing."""

    point: Point
    bound_j: float
    part: Open | None


class _Bound(NamedTuple):
    """A bound in J, by how much it rises with each use (S,), and reduced costs of all columns (n,).

    A reduced cost is 0 where the column is fixed: it says nothing then.
    """

    value_j: float
    uses: NDArray[np.float64]
    columns: NDArray[np.float64]


def relax(instance: Instance, part: Open, energy_j: float) -> Relaxed | None:
    """The relaxation of what is open, beside an answer of `energy_j`, inf where none is known.

    Without an answer it is there for its prices, which get worse by the rows that say how many
    subcarriers links need. It is None where sets are not listed, and where there is too much to
    decide or no HiGHS.
    """
    columns = columns_of(instance, part)
    if part.choices is None or not 0 < columns.starts[-1] <= MOST_COLUMNS:
        return None
    program = program_of(instance, part, columns, needed=energy_j < np.inf)
    costs = limits(instance, part, columns)
    factor = factor_of(instance, energy_j if energy_j < np.inf else None)
    try:
        dual = duals(program.rows, factor * costs[0], costs[1], costs[2], left_s())
    except MissingExtraError:
        return None
    if dual is None:
        return None
    dual = dual / factor
    bound = _bound(instance, part, columns, program, costs, dual)
    point = _point(instance, columns, program, dual)
    return Relaxed(point, bound.value_j, _left(instance, part, columns, bound, energy_j))


def _bound(
    instance: Instance,
    part: Open,
    columns: Columns,
    program: Program,
    costs: tuple[NDArray[np.float64], ...],
    dual: NDArray[np.float64],
) -> _Bound:
    """The bound of duals of the rows; those of (C7) are not needed for it."""
    energy_j, lower, upper = costs
    price, side = _sided(program.rows, dual)
    price[program.carried] = 0.0
    reduced = energy_j - program.rows.matrix("csr").T @ price
    y, omega, f, z = (columns.starts[n] for n in (3, 4, 5, 6))
    most = columns.most_on(instance)
    least = np.maximum(least_carried(instance, part, columns), 1.0)  # idle ones are not used
    uses = reduced[y:omega] + np.minimum(reduced[f:z] * least, reduced[f:z] * most)
    parts = np.minimum(reduced * lower, reduced * upper)
    parts[y:omega], parts[f:z] = np.minimum(uses, 0.0), 0.0
    terms = np.concatenate([price * side, parts])
    value_j = float(terms.sum() - ROUNDING * np.abs(terms).sum())
    return _Bound(value_j, np.maximum(uses, 0.0), np.where(lower < upper, reduced, 0.0))


def _sided(
    rows: Rows, dual: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Duals, 0 where a row has no limit on their side, and the limits that they look at."""
    side = np.where(dual > 0, np.concatenate(rows.lower), np.concatenate(rows.upper))
    has_limit = np.isfinite(side)
    return np.where(has_limit, dual, 0.0), np.where(has_limit, side, 0.0)


def _left(
    instance: Instance, part: Open, columns: Columns, bound: _Bound, energy_j: float
) -> Open | None:
    """What does not lift the bound above the energy of a known answer."""
    if energy_j == np.inf:
        return part
    assert part.choices is not None
    room = energy_j * (1 + SLACK) - bound.value_j
    if room < 0:
        return None
    d, w, u, z = (columns.starts[n] for n in (0, 1, 2, 6))
    kept = bound.uses <= room
    subcarriers = np.zeros_like(part.subcarriers)
    i, n = columns.links[columns.uses[kept, 0]].T
    subcarriers[i, n, columns.uses[kept, 1]] = True
    droppable, surely_dropped = part.droppable.copy(), part.surely_dropped.copy()
    droppable[columns.drops] &= bound.columns[d:w] <= room
    surely_dropped[columns.drops] |= -bound.columns[d:w] > room
    wakeable, surely_awake = part.wakeable.copy(), part.surely_awake.copy()
    wakeable[columns.wakes] &= bound.columns[w:u] <= room
    surely_awake[columns.wakes] |= -bound.columns[w:u] > room
    left = part._replace(
        subcarriers=subcarriers,
        droppable=droppable,
        surely_dropped=surely_dropped,
        wakeable=wakeable,
        surely_awake=surely_awake,
        choices=part.choices.only(bound.columns[z:] <= room),
    )
    return agreed(instance, left)


def _point(
    instance: Instance, columns: Columns, program: Program, dual: NDArray[np.float64]
) -> Point:
    """The prices of passages, of waking and of room that the duals are, none below 0."""
    t, j = columns.pairs.T
    _, link = columns.passing(instance)
    ends = passages.ends(instance)
    away = instance.away[t, j]
    passes = columns.sent.T if instance.send_once else (t[away], j[away])
    passing = np.zeros((instance.num_tokens, len(ends)))
    passing[tuple(passes)] = dual[program.loads][link] - dual[program.passing]
    waking = np.zeros(instance.scores.shape)
    if instance.wake_energy is not None:
        waking[t, j] = -dual[program.waking]
    room = np.zeros(instance.num_experts)
    if instance.capacity is not None:
        room = -dual[program.room]
    return Point(*(np.maximum(prices, 0.0) for prices in (passing, waking, room)))
