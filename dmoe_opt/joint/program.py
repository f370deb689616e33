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

The columns d, w and omega, and (C5) to (C7), are there where the round has their fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.bill import dropped
from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import Allocation, Selection, visits
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.problem import score_units
from dmoe_opt.joint import passages
from dmoe_opt.joint.highs import Rows, Seen, decide
from dmoe_opt.selection.covers import cover

NOTHING = np.zeros(0, dtype=bool)


class Open(NamedTuple):
    """What is not decided yet.

    Subcarriers that a link may use (N, N, M); experts that a token may and must use (T, K); where
    the round has prices for them, tokens that may and must be dropped (T,), and experts that may
    and must be awake (K,).
    """

    subcarriers: Allocation
    possible: Selection
    certain: Selection
    droppable: NDArray[np.bool_] = NOTHING
    surely_dropped: NDArray[np.bool_] = NOTHING
    wakeable: NDArray[np.bool_] = NOTHING
    surely_awake: NDArray[np.bool_] = NOTHING


class OpenAnswer(NamedTuple):
    """What HiGHS says of what is open: the best decision, if any, and a bound in J.

    `infeasible` says that there is none.
    """

    decision: Decision | None
    bound_j: float
    infeasible: bool


def everything(instance: Instance) -> Open:
    """The whole round."""
    problem = instance.selection_problem()
    priced = instance.drop_price is not None
    none = np.zeros(instance.num_experts, dtype=bool)
    return Open(
        subcarriers=usable_subcarriers(instance),
        possible=usable_experts(instance),
        certain=np.zeros_like(problem.usable),
        droppable=(problem.need_units > 0) & priced,
        surely_dropped=np.zeros(instance.num_tokens, dtype=bool),
        wakeable=~none,
        surely_awake=none,
    )


def usable_subcarriers(instance: Instance) -> Allocation:
    """Subcarriers on which a link works, and can send a token in time, bool (N, N, M)."""
    works = np.isfinite(instance.link_energy)
    if instance.air_tokens is not None:
        works &= instance.air_tokens > 0
    own = np.arange(instance.num_nodes)
    works[own, own] = False
    return works


def usable_experts(instance: Instance) -> Selection:
    """Experts with room that a token can use, over a link that can send it in time, (T, K)."""
    linked = np.asarray(usable_subcarriers(instance).any(axis=2))
    reached = instance.to_experts(linked) | ~instance.away
    usable = instance.selection_problem().usable & reached
    return usable if instance.capacity is None else usable & (instance.capacity > 0)


def alone_j(instance: Instance) -> NDArray[np.float64]:
    """Energy of a token that uses one expert, with every link on its best subcarrier, J, (T, K)."""
    problem = instance.selection_problem()
    if problem.node_cost is None:
        return problem.cost
    return np.asarray(problem.cost + problem.node_cost[:, instance.node_of])


def stranded(instance: Instance) -> str | None:
    """Why a token reaches its threshold with none of its usable experts, in words, or None."""
    if instance.drop_price is not None or not instance.optional_rules:
        return None
    problem = instance.selection_problem()
    units = np.where(usable_experts(instance), score_units(problem.scores), 0.0)
    best = np.sort(units, axis=1)[:, ::-1][:, : problem.max_experts].sum(axis=1)
    short = np.flatnonzero(best < problem.need_units)
    if not len(short):
        return None
    t = int(short[0])
    where = "with experts of capacity above 0"
    if instance.air_deadline_s is not None:
        where += f" that a link reaches within {instance.air_deadline_s:g} s"
    return f"token {t} of node {instance.source[t]} cannot reach its threshold {where}"


def no_answer(instance: Instance) -> str:
    """What a solver has proven where it finds no answer, in words."""
    if not instance.optional_rules:
        served = f"cannot all have one of the {instance.num_subcarriers} subcarriers"
        return f"proven by the solver: the links that the tokens need {served}"
    rules = " and ".join(instance.optional_rules)
    return f"proven by the solver: no experts and subcarriers serve all tokens under {rules}"


class _Columns(NamedTuple):
    """The variables: alpha, d, w, u, y, omega, f, in this order."""

    pairs: NDArray[np.int64]  # (P, 2) token and expert
    drops: NDArray[np.int64]  # (R,) token
    wakes: NDArray[np.int64]  # (W,) expert
    links: NDArray[np.int64]  # (L, 2)
    uses: NDArray[np.int64]  # (S, 2) link and subcarrier
    sent: NDArray[np.int64]  # (O, 2) token and node, with `send_once`

    @property
    def starts(self) -> tuple[int, int, int, int, int, int, int]:
        """First columns of d, w, u, y, omega and f, and the number of columns."""
        sizes = [len(part) for part in (*self, self.uses)]
        d, w, u, y, o, f, width = np.cumsum(sizes).tolist()
        return d, w, u, y, o, f, width

    def passing(self, instance: Instance) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Columns of what passes links, alpha or omega, and the link of each, both (Q,)."""
        number = np.full((instance.num_nodes, instance.num_nodes), -1)
        number[self.links[:, 0], self.links[:, 1]] = np.arange(len(self.links))
        if instance.send_once:
            t, n = self.sent.T
            return self.starts[4] + np.arange(len(t)), number[instance.source[t], n]
        t, j = self.pairs.T
        away = np.flatnonzero(instance.away[t, j])
        return away, number[instance.source[t[away]], instance.node_of[j[away]]]

    def most_on(self, instance: Instance) -> NDArray[np.float64]:
        """Tokens that every use can carry: all of its link, and U under a deadline, (S,)."""
        carried = np.bincount(self.passing(instance)[1], minlength=len(self.links))
        link, m = self.uses.T
        if instance.air_tokens is None:
            return np.asarray(carried[link], dtype=float)
        i, n = self.links[link].T
        return np.asarray(np.minimum(carried[link], instance.air_tokens[i, n, m]), dtype=float)


def _columns(instance: Instance, part: Open) -> _Columns:
    t, j = np.nonzero(part.possible & instance.away)
    wanted = np.zeros((instance.num_nodes, instance.num_nodes), dtype=bool)
    wanted[instance.source[t], instance.node_of[j]] = True
    links = np.argwhere(wanted)
    wakes = np.flatnonzero(part.possible.any(axis=0))
    sent = passages.passed(instance, part.possible) if instance.send_once else np.zeros((0, 0))
    return _Columns(
        pairs=np.argwhere(part.possible),
        drops=np.flatnonzero(part.droppable),
        wakes=wakes if instance.wake_energy is not None else wakes[:0],
        links=links,
        uses=np.argwhere(part.subcarriers[links[:, 0], links[:, 1]]),
        sent=np.argwhere(sent),
    )


def _rows(instance: Instance, columns: _Columns) -> Rows:
    """The constraints, in the order of this file's first lines."""
    problem, inf = instance.selection_problem(), np.inf
    (t, j), (link, m) = columns.pairs.T, columns.uses.T
    d, w, u, y, _, f, width = columns.starts
    pair, use, links = np.arange(len(t)), np.arange(len(link)), np.arange(len(columns.links))
    drop = d + np.arange(len(columns.drops))
    passing, over = columns.passing(instance)
    step = np.arange(len(passing))
    relevance = cover(problem.usable_units, problem.need_units)
    sums = relevance.sums
    most = problem.max_experts
    carried = columns.most_on(instance)
    most_on_link = 0.0 if instance.air_tokens is None else inf
    rows = Rows(width)
    scores = (t, pair, relevance.units[t, j])
    rows.cover(relevance, most, scores, (columns.drops, drop, sums[columns.drops]))
    rows.add(len(sums), -inf, most, (t, pair, 1.0), (columns.drops, drop, float(most)))
    rows.add(instance.num_subcarriers, -inf, 1.0, (m, y + use, 1.0))
    rows.add(len(links), 0.0, most_on_link, (links, u + links, -1.0), (link, y + use, 1.0))
    rows.add(len(links), 0.0, 0.0, (link, f + use, 1.0), (over, passing, -1.0))
    rows.add(len(use), -inf, 0.0, (use, f + use, 1.0), (use, y + use, -carried))
    rows.add(len(passing), -inf, 0.0, (step, passing, 1.0), (step, u + over, -1.0))
    if instance.send_once:
        _add_sent_once(rows, instance, columns)
    if instance.capacity is not None:
        rows.add(instance.num_experts, -inf, instance.capacity, (j, pair, 1.0))
    if instance.wake_energy is not None:
        number = np.full(instance.num_experts, -1)
        number[columns.wakes] = np.arange(len(columns.wakes))
        rows.add(len(pair), -inf, 0.0, (pair, pair, 1.0), (pair, w + number[j], -1.0))
    return rows


def _add_sent_once(rows: Rows, instance: Instance, columns: _Columns) -> None:
    """A token that uses an expert of another node is sent there."""
    t, j = columns.pairs.T
    away = np.flatnonzero(instance.away[t, j])
    t, j = t[away], j[away]
    number = np.full((instance.num_tokens, instance.num_nodes), -1)
    number[columns.sent[:, 0], columns.sent[:, 1]] = np.arange(len(columns.sent))
    omega = columns.starts[4] + number[t, instance.node_of[j]]
    step = np.arange(len(away))
    rows.add(len(away), -np.inf, 0.0, (step, away, 1.0), (step, omega, -1.0))


def _limits(
    instance: Instance, part: Open, columns: _Columns
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
        np.zeros(len(idle) + len(sending)),
    ]
    allowed = [
        np.ones(len(t) + len(columns.drops)),
        part.wakeable[columns.wakes],
        np.ones(len(idle)),
        columns.most_on(instance),
    ]
    energy_j = np.concatenate([instance.compute_energy[j], drop, wake, idle, sending])
    return energy_j, np.concatenate(certain).astype(float), np.concatenate(allowed).astype(float)


def share_kept(instance: Instance, part: Open) -> float:
    """Share of the (link, subcarrier) pairs that work which are open."""
    works = usable_subcarriers(instance)
    return float((part.subcarriers & works).sum() / max(works.sum(), 1))


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
    columns = _columns(instance, part)
    if not columns.starts[-1]:  # nothing to decide, which HiGHS does not take
        nothing = _decision(instance, columns, np.zeros(0))
        broken = bool(nothing.violations) or any(not one.any() for one in forbidden)
        return OpenAnswer(None if broken else nothing, 0.0, broken)
    rows = _rows(instance, columns)
    rows.forbid(columns.pairs, forbidden)
    energy_j, lower, upper = _limits(instance, part, columns)
    value, bound_j, infeasible = decide(
        rows,
        factor * energy_j,
        lower,
        upper,
        columns.starts[5],
        factor=factor,
        time_limit=time_limit,
        start=None if start is None else _values(instance, columns, start),
        seen=seen,
    )
    decision = None if value is None else _decision(instance, columns, value)
    return OpenAnswer(decision, bound_j, infeasible)


def _values(instance: Instance, columns: _Columns, start: Decision) -> NDArray[np.float64]:
    """A decision as values of the columns."""
    assert start.allocation is not None
    i, n = columns.links[columns.uses[:, 0]].T
    used = start.allocation[i, n, columns.uses[:, 1]]
    active = start.loads[columns.links[:, 0], columns.links[:, 1]] > 0
    sent = start.sent[i, n, columns.uses[:, 1]]
    visited = visits(start.selection, instance.node_of, instance.num_nodes)
    parts = [
        start.selection[columns.pairs[:, 0], columns.pairs[:, 1]],
        dropped(instance, start.selection)[columns.drops],
        np.asarray(start.selection.any(axis=0))[columns.wakes],
        active,
        used,
        visited[columns.sent[:, 0], columns.sent[:, 1]],
        sent,
    ]
    return np.concatenate(parts).astype(float)


def _decision(instance: Instance, columns: _Columns, value: NDArray[np.float64]) -> Decision:
    chosen = value > 0.5
    d, _, _, y, omega, _, _ = columns.starts
    selection = np.zeros(instance.scores.shape, dtype=bool)
    selection[tuple(columns.pairs[chosen[:d]].T)] = True
    allocation = np.zeros(instance.link_energy.shape, dtype=bool)
    link, m = columns.uses[chosen[y:omega]].T
    i, n = columns.links[link].T
    allocation[i, n, m] = True
    return Decision(instance, selection, allocation).without_idle_links()
