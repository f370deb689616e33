"""P2 as sparse matrices for HiGHS itself: what `exact` uses on what its bounds leave open.

The program of `joint_pyomo`, with u[i, j], link active, in place of sums over subcarriers. Without a modelling layer it
is built in milliseconds, starts from a known answer, reports progress and can be interrupted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import highspy
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from dmoe_opt.answer.objective import Allocation, Selection, loads, round_energy_j
from dmoe_opt.data.instance import SCORE_UNIT, Instance
from dmoe_opt.models.solvers.tokenwise import HIGHS_TOLERANCES, factor_of

Seen = Callable[[float | None, float], None]
"""Called with incumbent and bound in J now and then while HiGHS works."""


class Reduced(NamedTuple):
    """What is left to decide: subcarriers a link may use (K, K, M), experts a token may and must use (T, K)."""

    subcarriers: Allocation
    possible: Selection
    certain: Selection


class Found(NamedTuple):
    """The best answer (None if there is none), the bound in J of all answers within what was left, and if none exists."""

    selection: Selection | None
    allocation: Allocation | None
    bound_j: float
    infeasible: bool


class _Columns(NamedTuple):
    """Positions of the variables: alpha, u, y, f, in this order."""

    pairs: NDArray[np.int64]  # (P, 2) token and expert
    links: NDArray[np.int64]  # (L, 2)
    uses: NDArray[np.int64]  # (U, 2) link and subcarrier

    @property
    def starts(self) -> tuple[int, int, int, int]:
        """First columns of u, y and f, and the number of columns."""
        p, n, u = len(self.pairs), len(self.links), len(self.uses)
        return p, p + n, p + n + u, p + n + 2 * u


def solve(
    instance: Instance,
    reduced: Reduced,
    start: tuple[Selection, Allocation] | None,
    time_limit: float,
    seen: Seen | None = None,
) -> Found:
    """Best answer among what is left; `start` is one to begin with, if known; `time_limit` in seconds may be inf."""
    experts = instance.num_experts
    away = reduced.possible & (instance.source[:, None] != np.arange(experts))
    wanted = np.zeros((experts, experts), dtype=bool)
    np.logical_or.at(wanted, instance.source, away)
    links = np.argwhere(wanted)
    link_of = np.full((experts, experts), -1)
    link_of[links[:, 0], links[:, 1]] = np.arange(len(links))
    columns = _Columns(np.argwhere(reduced.possible), links, np.argwhere(reduced.subcarriers[links[:, 0], links[:, 1]]))
    factor = factor_of(instance, None if start is None else round_energy_j(instance, *start))
    highs = highspy.Highs()
    for name, value in _options(time_limit).items():
        highs.setOptionValue(name, value)
    highs.passModel(_program(instance, reduced, columns, link_of, factor))
    if start is not None:
        given = highspy.HighsSolution()
        given.col_value = _values(instance, columns, *start).tolist()
        highs.setSolution(given)
    highs.HandleUserInterrupt = True
    if seen:

        def report(event: Any) -> None:
            primal = event.data_out.mip_primal_bound
            seen(None if np.isinf(primal) else primal / factor, event.data_out.mip_dual_bound / factor)

        highs.cbMipLogging += report
    highs.startSolve()
    try:
        while not highs.wait(0.1)[0]:
            pass
    except KeyboardInterrupt:
        highs.cancelSolve()
        highs.wait()
        raise
    return _found(instance, highs, columns, factor)


def _options(time_limit: float) -> dict[str, Any]:
    return {
        "output_flag": False,
        "threads": 1,
        "mip_rel_gap": 0.0,
        "mip_abs_gap": 0.0,
        **HIGHS_TOLERANCES,
        "time_limit": max(float(time_limit), 0.01),
    }


def _program(
    instance: Instance, reduced: Reduced, columns: _Columns, link_of: NDArray[np.int64], factor: float
) -> highspy.HighsLp:
    problem = instance.selection_problem()
    (t, j), (link, m) = columns.pairs.T, columns.uses.T
    u, y, f, width = columns.starts
    pair, use = np.arange(len(t)), np.arange(len(link))
    sent = link_of[instance.source[t], j]  # link that a pair needs, -1 for a node's own expert
    away = np.flatnonzero(sent >= 0)
    most = np.bincount(sent[away], minlength=len(columns.links)).astype(float)  # tokens that a link may carry
    links, tokens = np.arange(len(columns.links)), instance.num_tokens
    rows: list[sparse.csr_matrix] = []
    lower: list[NDArray[np.float64]] = []
    upper: list[NDArray[np.float64]] = []

    def add(number: int, low: Any, high: Any, *parts: tuple[Any, Any, Any]) -> None:
        row, column, value = (np.concatenate([np.broadcast_to(part[n], np.shape(part[0])) for part in parts]) for n in range(3))
        rows.append(sparse.csr_matrix((value, (row, column)), shape=(number, width)))
        lower.append(np.broadcast_to(np.asarray(low, dtype=float), number))
        upper.append(np.broadcast_to(np.asarray(high, dtype=float), number))

    inf = highspy.kHighsInf
    add(tokens, (problem.need_units - 0.5) / SCORE_UNIT, inf, (t, pair, problem.scores[t, j]))  # (C1), as the checker has it
    add(tokens, -inf, problem.max_experts, (t, pair, 1.0))  # (C2)
    add(instance.num_subcarriers, -inf, 1.0, (m, y + use, 1.0))  # (C3)
    add(len(links), 0.0, 0.0, (links, u + links, -1.0), (link, y + use, 1.0))  # an active link has one subcarrier
    add(len(links), 0.0, 0.0, (link, f + use, 1.0), (sent[away], away, -1.0))  # and sends the tokens that chose its end
    add(len(use), -inf, 0.0, (use, f + use, 1.0), (use, y + use, -most[link]))  # (C4)
    add(len(away), -inf, 0.0, (np.arange(len(away)), away, 1.0), (np.arange(len(away)), u + sent[away], -1.0))  # tightens
    matrix = sparse.vstack(rows, format="csc")

    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = width, matrix.shape[0]
    i, k = columns.links[link].T
    sending = factor * instance.link_energy[i, k, m]
    lp.col_cost_ = np.concatenate([factor * instance.compute_energy[j], np.zeros(len(links) + len(use)), sending])
    lp.col_lower_ = np.concatenate([reduced.certain[t, j].astype(float), np.zeros(width - u)])
    lp.col_upper_ = np.concatenate([np.ones(f), most[link]])
    lp.row_lower_, lp.row_upper_ = np.concatenate(lower), np.concatenate(upper)
    lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
    lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = matrix.indptr, matrix.indices, matrix.data
    kinds = [highspy.HighsVarType.kInteger, highspy.HighsVarType.kContinuous]
    lp.integrality_ = [kinds[0]] * f + [kinds[1]] * len(use)
    return lp


def _values(instance: Instance, columns: _Columns, selection: Selection, allocation: Allocation) -> NDArray[np.float64]:
    """An answer as values of the variables."""
    ends = columns.links[columns.uses[:, 0]]
    load = loads(instance, selection)
    y = allocation[ends[:, 0], ends[:, 1], columns.uses[:, 1]]
    active = load[columns.links[:, 0], columns.links[:, 1]] > 0
    alpha = selection[columns.pairs[:, 0], columns.pairs[:, 1]]
    return np.concatenate([alpha, active, y, y * load[ends[:, 0], ends[:, 1]]]).astype(float)


def _found(instance: Instance, highs: highspy.Highs, columns: _Columns, factor: float) -> Found:
    info = highs.getInfo()
    infeasible = highs.getModelStatus() == highspy.HighsModelStatus.kInfeasible
    bound = max(info.mip_dual_bound / factor, 0.0) if np.isfinite(info.mip_dual_bound) else 0.0
    if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        return Found(None, None, bound, infeasible)
    value = np.array(highs.getSolution().col_value) > 0.5
    u, y, f, _ = columns.starts
    selection = np.zeros(instance.scores.shape, dtype=bool)
    selection[columns.pairs[value[:u], 0], columns.pairs[value[:u], 1]] = True
    allocation = np.zeros(instance.link_energy.shape, dtype=bool)
    used = columns.uses[value[y:f]]
    allocation[columns.links[used[:, 0], 0], columns.links[used[:, 0], 1], used[:, 1]] = True
    return Found(selection, allocation, bound, infeasible)
