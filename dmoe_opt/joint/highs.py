"""P2 as sparse matrices for HiGHS itself: `exact` decides here what its bounds leave open.

The program of `joint_pyomo`, with u[i, j], link active, in place of sums over subcarriers::

    min  sum_tj a[j] alpha[t, j] + sum_ijm c[i, j, m] f[i, j, m]
    (C1) sum_j g[t, j] alpha[t, j] >= threshold of t
    (C2) sum_j alpha[t, j] <= D
    (C3) sum_ij y[i, j, m] <= 1
         u[i, j] = sum_m y[i, j, m]
         sum_m f[i, j, m] = sum of alpha[t, j] over the tokens t of node i
    (C4) f[i, j, m] <= tokens of node i * y[i, j, m]
         alpha[t, j] <= u[i, j] for the tokens t of node i

Without a modelling layer it is built in milliseconds, starts from a known answer, reports progress
and can be interrupted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import highspy
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import Allocation, Selection
from dmoe_opt.answer.tolerances import HIGHS_TOLERANCES
from dmoe_opt.data.instance import Instance
from dmoe_opt.selection.relaxed import relaxed_bound

Seen = Callable[[float | None, float], None]
"""Called with incumbent and bound in J now and then while HiGHS works."""


NO_ALLOCATION = (
    "proven by the solver: the links that the tokens need cannot all have one of the {} subcarriers"
)


MOST_COLUMNS_PER_S = 20_000  # built and presolved, on a busy machine


class Reduced(NamedTuple):
    """The part of a round that is still open.

    Subcarriers that a link may use, shape (N, N, M); experts that a token may use and must use,
    shape (T, K).
    """

    subcarriers: Allocation
    possible: Selection
    certain: Selection


class ReducedAnswer(NamedTuple):
    """What HiGHS says of a reduced round: the best decision, if any, and a bound in J.

    `infeasible` says that there is none within the reduced round.
    """

    decision: Decision | None
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

    def link_of(self, instance: Instance) -> NDArray[np.int64]:
        """The link that every pair needs, shape (P,); -1 for a node's own expert."""
        number = np.full((instance.num_nodes, instance.num_nodes), -1)
        number[self.links[:, 0], self.links[:, 1]] = np.arange(len(self.links))
        return number[instance.source[self.pairs[:, 0]], instance.node_of[self.pairs[:, 1]]]

    def most_tokens(self, instance: Instance) -> NDArray[np.float64]:
        """The number of tokens that every link may carry, shape (L,)."""
        needed = self.link_of(instance)
        return np.bincount(needed[needed >= 0], minlength=len(self.links)).astype(float)


def solve_reduced(
    instance: Instance,
    reduced: Reduced,
    start: Decision | None,
    time_limit: float,
    seen: Seen | None = None,
    forbidden: Sequence[Selection] = (),
) -> ReducedAnswer:
    """The best decision within a reduced round.

    `start` is one to begin with, if one is known; `time_limit`, in seconds, may be inf. No decision
    has one of the selections (T, K) in `forbidden`.
    """
    columns = _columns(instance, reduced)
    factor = factor_of(instance, None if start is None else start.energy_j)
    ends = time.monotonic() + time_limit
    highs = highspy.Highs()
    for name, value in options(time_limit).items():
        highs.setOptionValue(name, value)
    highs.passModel(_program(instance, reduced, columns, factor, forbidden))
    highs.setOptionValue("time_limit", _at_least(ends - time.monotonic()))
    if start is not None:
        given = highspy.HighsSolution()
        given.col_value = _values(columns, start).tolist()
        highs.setSolution(given)
    if seen:
        highs.cbMipLogging += partial(_report, seen, factor)
    value, bound_j, infeasible = decide(highs, factor)
    decision = None if value is None else _decision(instance, columns, value)
    return ReducedAnswer(decision, bound_j, infeasible)


def _report(seen: Seen, factor: float, event: Any) -> None:
    primal, dual = event.data_out.mip_primal_bound, event.data_out.mip_dual_bound
    seen(None if np.isinf(primal) else primal / factor, dual / factor)


def run(highs: highspy.Highs) -> None:
    """Solve in HiGHS' own thread, so that an interrupt by the user ends it."""
    highs.HandleUserInterrupt = True
    highs.startSolve()
    try:
        while not highs.wait(0.1)[0]:
            pass
    except KeyboardInterrupt:
        highs.cancelSolve()
        highs.wait()
        raise


def _columns(instance: Instance, reduced: Reduced) -> _Columns:
    """The variables of a reduced round."""
    t, j = np.nonzero(reduced.possible & instance.away)
    wanted = np.zeros((instance.num_nodes, instance.num_nodes), dtype=bool)
    wanted[instance.source[t], instance.node_of[j]] = True
    links = np.argwhere(wanted)
    uses = np.argwhere(reduced.subcarriers[links[:, 0], links[:, 1]])
    return _Columns(np.argwhere(reduced.possible), links, uses)


def options(time_limit: float) -> dict[str, Any]:
    """Options of HiGHS for a proof: one thread, no gap, seconds from now."""
    return {
        "output_flag": False,
        "threads": 1,
        "mip_rel_gap": 0.0,
        "mip_abs_gap": 0.0,
        **HIGHS_TOLERANCES,
        "time_limit": _at_least(time_limit),
    }


def _at_least(time_limit: float) -> float:
    """Seconds that HiGHS takes for a limit."""
    return max(float(time_limit), 0.01)


def is_too_large(reduced: Reduced, time_limit: float) -> bool:
    """Whether a program takes too long to build and to presolve, which HiGHS does not interrupt."""
    columns = int(reduced.possible.sum()) + 2 * int(reduced.subcarriers.sum())
    return columns > MOST_COLUMNS_PER_S * time_limit


class Rows:
    """Rows of the program, added block by block."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.blocks: list[sparse.csr_matrix] = []
        self.lower: list[NDArray[np.float64]] = []
        self.upper: list[NDArray[np.float64]] = []

    def add(self, number: int, lower: Any, upper: Any, *terms: tuple[Any, Any, Any]) -> None:
        """Rows lower <= sum of terms <= upper; a term is (rows, columns, coefficients)."""
        row, column, value = (
            np.concatenate([np.broadcast_to(term[n], np.shape(term[0])) for term in terms])
            for n in range(3)
        )
        self.blocks.append(sparse.csr_matrix((value, (row, column)), shape=(number, self.width)))
        self.lower.append(np.broadcast_to(np.asarray(lower, dtype=float), number))
        self.upper.append(np.broadcast_to(np.asarray(upper, dtype=float), number))

    def forbid(self, pairs: NDArray[np.int64], selections: Sequence[Selection]) -> None:
        """No selection of these (T, K); alpha of `pairs` (P, 2) are the first columns."""
        column = np.arange(len(pairs))
        for selection in selections:
            chosen = selection[pairs[:, 0], pairs[:, 1]]
            if chosen.sum() == selection.sum():  # otherwise it is not part of the reduced round
                change = np.zeros_like(column), column, np.where(chosen, -1.0, 1.0)
                self.add(1, 1.0 - chosen.sum(), highspy.kHighsInf, change)

    def program(
        self,
        cost: NDArray[np.float64],
        lower: NDArray[np.float64],
        upper: NDArray[np.float64],
        whole: int,
    ) -> highspy.HighsLp:
        """The program in HiGHS' own form; cost and limits by column, the first `whole` integer."""
        matrix = sparse.vstack(self.blocks, format="csc")
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = self.width, matrix.shape[0]
        lp.col_cost_, lp.col_lower_, lp.col_upper_ = cost, lower, upper
        lp.row_lower_, lp.row_upper_ = np.concatenate(self.lower), np.concatenate(self.upper)
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_ = matrix.indptr
        lp.a_matrix_.index_ = matrix.indices
        lp.a_matrix_.value_ = matrix.data
        real = highspy.HighsVarType.kContinuous
        lp.integrality_ = [highspy.HighsVarType.kInteger] * whole + [real] * (self.width - whole)
        return lp


def _rows(instance: Instance, columns: _Columns) -> Rows:
    """The constraints, in the order of this file's first lines."""
    problem, inf = instance.selection_problem(), highspy.kHighsInf
    (t, j), (link, m) = columns.pairs.T, columns.uses.T
    u, y, f, width = columns.starts
    pair, use, links = np.arange(len(t)), np.arange(len(link)), np.arange(len(columns.links))
    sent = columns.link_of(instance)  # the link that a pair needs, -1 for a node's own expert
    away = np.flatnonzero(sent >= 0)
    most = columns.most_tokens(instance)
    step = np.arange(len(away))
    rows = Rows(width)
    scores = problem.grid_scores[t, j]
    rows.add(instance.num_tokens, problem.close_relevance, inf, (t, pair, scores))
    rows.add(instance.num_tokens, -inf, problem.max_experts, (t, pair, 1.0))
    rows.add(instance.num_subcarriers, -inf, 1.0, (m, y + use, 1.0))
    rows.add(len(links), 0.0, 0.0, (links, u + links, -1.0), (link, y + use, 1.0))
    rows.add(len(links), 0.0, 0.0, (link, f + use, 1.0), (sent[away], away, -1.0))
    rows.add(len(use), -inf, 0.0, (use, f + use, 1.0), (use, y + use, -most[link]))
    rows.add(len(away), -inf, 0.0, (step, away, 1.0), (step, u + sent[away], -1.0))
    return rows


def _program(
    instance: Instance,
    reduced: Reduced,
    columns: _Columns,
    factor: float,
    forbidden: Sequence[Selection],
) -> highspy.HighsLp:
    """The program in HiGHS' own form; its objective is the energy times `factor`."""
    (t, j), (link, m) = columns.pairs.T, columns.uses.T
    u, _, f, width = columns.starts
    i, k = columns.links[link].T
    computing = factor * instance.compute_energy[j]
    sending = factor * instance.link_energy[i, k, m]
    rows = _rows(instance, columns)
    rows.forbid(columns.pairs, forbidden)
    return rows.program(
        cost=np.concatenate([computing, np.zeros(f - u), sending]),
        lower=np.concatenate([reduced.certain[t, j].astype(float), np.zeros(width - u)]),
        upper=np.concatenate([np.ones(f), columns.most_tokens(instance)[link]]),
        whole=f,
    )


def _values(columns: _Columns, decision: Decision) -> NDArray[np.float64]:
    """A decision as values of the variables."""
    assert decision.allocation is not None
    i, j = columns.links[columns.uses[:, 0]].T
    y = decision.allocation[i, j, columns.uses[:, 1]]
    active = decision.loads[columns.links[:, 0], columns.links[:, 1]] > 0
    alpha = decision.selection[columns.pairs[:, 0], columns.pairs[:, 1]]
    return np.concatenate([alpha, active, y, y * decision.loads[i, j]]).astype(float)


def _decision(instance: Instance, columns: _Columns, value: NDArray[np.float64]) -> Decision:
    chosen = value > 0.5
    u, y, f, _ = columns.starts
    selection = np.zeros(instance.scores.shape, dtype=bool)
    selection[tuple(columns.pairs[chosen[:u]].T)] = True
    allocation = np.zeros(instance.link_energy.shape, dtype=bool)
    link, m = columns.uses[chosen[y:f]].T
    i, j = columns.links[link].T
    allocation[i, j, m] = True
    return Decision(instance, selection, allocation).without_idle_links()


def decide(highs: highspy.Highs, factor: float) -> tuple[NDArray[Any] | None, float, bool]:
    """Run HiGHS on a program whose objective is an energy times `factor`.

    The result has the values of the variables (None: no solution), a bound in J, and whether there
    is no solution at all.
    """
    run(highs)
    undecided = highs.getModelStatus() == highspy.HighsModelStatus.kUnknown
    if undecided:  # by costs that span too much; whether a solution exists does not need them
        width = highs.getNumCol()
        highs.cbMipLogging.clear()
        highs.changeColsCost(width, np.arange(width, dtype=np.int32), np.zeros(width))
        run(highs)
    info = highs.getInfo()
    infeasible = highs.getModelStatus() == highspy.HighsModelStatus.kInfeasible
    is_bound = np.isfinite(info.mip_dual_bound) and not undecided
    bound_j = max(info.mip_dual_bound / factor, 0.0) if is_bound else 0.0
    if info.primal_solution_status != highspy.SolutionStatus.kSolutionStatusFeasible:
        return None, bound_j, infeasible
    return np.array(highs.getSolution().col_value), bound_j, infeasible


def factor_of(instance: Instance, energy_j: float | None = None) -> float:
    """Factor that brings the energy of a round to about 1 per token.

    It goes by the relaxed bound if `energy_j` is not known. The most expensive link would say
    nothing of the answer: weak links cost orders of magnitude more than any that is used.
    """
    energy_j = relaxed_bound(instance)[1] if energy_j is None else energy_j
    return instance.num_tokens / energy_j if 0 < energy_j < np.inf else 1.0
