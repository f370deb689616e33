"""Programs as sparse matrices for HiGHS itself, without a modelling layer.

They are built in milliseconds, start from a known answer, report progress, and can be interrupted.
HiGHS adds in floating point, so a set of experts that misses its threshold by less than a tolerance
can be its answer. Such a set is cut off, and the program is solved again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.objective import Selection
from dmoe_opt.answer.tolerances import HIGHS_TOLERANCES
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.problem import GRID, SCORE_UNIT
from dmoe_opt.errors import MissingExtraError
from dmoe_opt.selection.covers import MOST_CUTS, Cover, cuts
from dmoe_opt.selection.relaxed import relaxed_bound

if TYPE_CHECKING:
    import highspy
    from scipy import sparse

Seen = Callable[[float, float], None]
"""Called with incumbent (inf: none) and bound in J now and then while HiGHS works."""


Term = tuple[Any, Any, Any]
"""Rows, columns and coefficients of entries of a program."""


@cache
def solver() -> Any:
    """The package highspy: most rounds need no integer program, and a browser may not have it."""
    try:
        import highspy
    except ImportError:
        raise MissingExtraError(
            "this needs an integer program, and HiGHS is not installed: pip install highspy"
        ) from None
    return highspy


class Outcome(NamedTuple):
    """What HiGHS says: values of columns or None, a bound in J, and whether none can exist."""

    value: NDArray[np.float64] | None
    bound_j: float
    infeasible: bool


class Covered(NamedTuple):
    """Rows whose units, of at most `most` columns, reach the sums (T,)."""

    units: sparse.csr_matrix
    sums: NDArray[np.float64]
    most: int


class Rows:
    """Rows of a program, added block by block; those of (C1) are also kept in exact units."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.blocks: list[sparse.csr_matrix] = []
        self.lower: list[NDArray[np.float64]] = []
        self.upper: list[NDArray[np.float64]] = []
        self.covers: list[Covered] = []
        self.height = 0

    def add(self, number: int, lower: Any, upper: Any, *terms: Term) -> slice:
        """Rows lower <= sum of terms <= upper; returns where they stand."""
        first = self.height
        self.blocks.append(self._matrix(number, *terms))
        self.lower.append(np.broadcast_to(np.asarray(lower, dtype=float), number))
        self.upper.append(np.broadcast_to(np.asarray(upper, dtype=float), number))
        self.height += number
        return slice(first, self.height)

    def cover(self, cover: Cover, most: int, *terms: Term) -> None:
        """(C1): at most `most` terms, in whole score units, reach the sums of the cover."""
        units = self._matrix(len(cover.sums), *terms)
        self.covers.append(Covered(units, cover.sums, most))
        self.blocks.append(units / (SCORE_UNIT / GRID))
        self.lower.append(cover.least)
        self.upper.append(np.full(len(cover.least), np.inf))
        self.height += len(cover.least)

    def _matrix(self, number: int, *terms: Term) -> sparse.csr_matrix:
        from scipy import sparse  # half a second, and most rounds need no program

        row, column, value = (
            np.concatenate([np.broadcast_to(term[n], np.shape(term[0])) for term in terms])
            for n in range(3)
        )
        return sparse.csr_matrix((value, (row, column)), shape=(number, self.width), dtype=float)

    def matrix(self, form: str) -> Any:
        """All rows as one sparse matrix of scipy, in its format "csc" or "csr"."""
        from scipy import sparse

        return sparse.vstack(self.blocks, format=form)

    def cut_off(self, value: NDArray[np.float64]) -> bool:
        """Cut off the sets of whole values that miss their sums; whether there are any."""
        chosen, blocks = value > 0.5, len(self.blocks)
        for units, sums, most in self.covers:
            for t in np.flatnonzero(units @ chosen < sums):
                row = units[t]
                for cut in cuts(row.data, sums[t], most, chosen[row.indices]):
                    change = np.zeros_like(row.indices), row.indices, cut.weights
                    self.add(1, cut.least, np.inf, change)
        return len(self.blocks) > blocks

    def forbid(self, pairs: NDArray[np.int64], selections: Sequence[Selection]) -> None:
        """No selection of these (T, K); alpha of `pairs` (P, 2) are the first columns."""
        column = np.arange(len(pairs))
        for selection in selections:
            chosen = selection[pairs[:, 0], pairs[:, 1]]
            if chosen.sum() == selection.sum():  # otherwise it is not part of the reduced round
                change = np.zeros_like(column), column, np.where(chosen, -1.0, 1.0)
                self.add(1, 1.0 - chosen.sum(), np.inf, change)

    def program(
        self,
        cost: NDArray[np.float64],
        lower: Any,
        upper: Any,
        whole: int,
    ) -> highspy.HighsLp:
        """The program in HiGHS' own form; cost and limits by column, the first `whole` integer."""
        matrix = self.matrix("csc")
        library = solver()
        lp: highspy.HighsLp = library.HighsLp()
        lp.num_col_, lp.num_row_ = self.width, matrix.shape[0]
        lp.col_cost_, lp.col_lower_, lp.col_upper_ = cost, lower, upper
        lp.row_lower_, lp.row_upper_ = np.concatenate(self.lower), np.concatenate(self.upper)
        lp.a_matrix_.format_ = library.MatrixFormat.kColwise
        lp.a_matrix_.start_ = matrix.indptr
        lp.a_matrix_.index_ = matrix.indices
        lp.a_matrix_.value_ = matrix.data
        real = library.HighsVarType.kContinuous
        lp.integrality_ = [library.HighsVarType.kInteger] * whole + [real] * (self.width - whole)
        return lp


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


def options(time_limit: float) -> dict[str, Any]:
    """Options of HiGHS for a proof: one thread, no gap, seconds from now."""
    return {
        "output_flag": False,
        "threads": 1,
        "mip_rel_gap": 0.0,
        "mip_abs_gap": 0.0,
        **HIGHS_TOLERANCES,
        "time_limit": max(float(time_limit), 0.01),  # HiGHS takes no less
    }


def loaded(
    program: highspy.HighsLp, time_limit: float, start: NDArray[np.float64] | None = None
) -> highspy.Highs:
    """HiGHS with its options and a program, to begin with the values of a start, by column."""
    library = solver()
    highs: highspy.Highs = library.Highs()
    for name, value in options(time_limit).items():
        highs.setOptionValue(name, value)
    highs.passModel(program)
    if start is not None:
        given = library.HighsSolution()
        given.col_value = start.tolist()
        highs.setSolution(given)
        highs.setOptionValue("mip_heuristic_run_feasibility_jump", False)  # it seeks a first one
    return highs


def decide(
    rows: Rows,
    cost: NDArray[np.float64],
    lower: Any,
    upper: Any,
    whole: int,
    *,
    factor: float = 1.0,
    time_limit: float = np.inf,
    start: NDArray[np.float64] | None = None,
    presolved: bool = False,
    seen: Seen | None = None,
) -> Outcome:
    """Minimise a cost over some rows, in J times `factor`; the first `whole` columns are integer.

    `lower`, `upper` and `start`, values to begin with, are by column. `time_limit`, in seconds, may
    be inf. If `presolved`, HiGHS finds nothing more to take away and does not try.
    """
    ends = time.monotonic() + time_limit
    bound_j = 0.0
    for _ in range(MOST_CUTS):
        highs = loaded(rows.program(cost, lower, upper, whole), ends - time.monotonic(), start)
        if presolved:
            highs.setOptionValue("presolve", "off")
        if seen:
            highs.cbMipLogging += partial(_report, seen, factor)
        outcome = _run_twice(highs, factor)
        bound_j = max(bound_j, outcome.bound_j)
        if outcome.value is None or not rows.cut_off(outcome.value):
            return outcome._replace(bound_j=bound_j)
        if time.monotonic() > ends:
            break
    return Outcome(None, bound_j, False)


def duals(
    rows: Rows, cost: NDArray[np.float64], lower: Any, upper: Any, time_limit: float
) -> NDArray[np.float64] | None:
    """Duals of the rows of a linear program, by row; None where HiGHS has no optimum in time."""
    highs = loaded(rows.program(cost, lower, upper, 0), time_limit)
    run(highs)
    if highs.getModelStatus() != solver().HighsModelStatus.kOptimal:
        return None
    return np.array(highs.getSolution().row_dual)


def _report(seen: Seen, factor: float, event: Any) -> None:
    seen(event.data_out.mip_primal_bound / factor, event.data_out.mip_dual_bound / factor)


def _run_twice(highs: highspy.Highs, factor: float) -> Outcome:
    """Run HiGHS, and once more without costs if they span too much for it."""
    library = solver()
    run(highs)
    undecided = highs.getModelStatus() == library.HighsModelStatus.kUnknown
    if undecided:  # whether a solution exists does not need the costs
        width = highs.getNumCol()
        highs.cbMipLogging.clear()
        highs.changeColsCost(width, np.arange(width, dtype=np.int32), np.zeros(width))
        run(highs)
    info = highs.getInfo()
    infeasible = highs.getModelStatus() == library.HighsModelStatus.kInfeasible
    is_bound = np.isfinite(info.mip_dual_bound) and not undecided
    bound_j = max(info.mip_dual_bound / factor, 0.0) if is_bound else 0.0
    if info.primal_solution_status != library.SolutionStatus.kSolutionStatusFeasible:
        return Outcome(None, bound_j, infeasible)
    return Outcome(np.array(highs.getSolution().col_value), bound_j, infeasible)


def factor_of(instance: Instance, energy_j: float | None = None) -> float:
    """Factor that brings the energy of a round to about 1 per token.

    It goes by the relaxed bound if `energy_j` is not known. The most expensive link would say
    nothing of the answer: weak links cost orders of magnitude more than any that is used.
    """
    energy_j = relaxed_bound(instance)[1] if energy_j is None else energy_j
    return instance.num_tokens / energy_j if 0 < energy_j < np.inf else 1.0
