"""Solve a CVXPY problem: HiGHS by default with tolerances that decide near-ties, any other CVXPY solver by name."""

from __future__ import annotations

import contextlib
import io
import math
import warnings
from typing import Any

import cvxpy as cp

from dmoe_opt.answer.tolerances import FEASIBILITY, HIGHS_TOLERANCES
from dmoe_opt.errors import InputError
from dmoe_opt.models.solvers.outcome import Outcome

DEFAULT = "HIGHS"
SOLVED = (cp.OPTIMAL, cp.OPTIMAL_INACCURATE, cp.USER_LIMIT)
LIMIT_TOLERANCE = 1e-6
INFEASIBLE = (cp.INFEASIBLE, cp.INFEASIBLE_INACCURATE)


def run(program: cp.Problem, solver: str | None = None, time_limit: float | None = None) -> Outcome:
    """Solve to a gap of zero; the variables then hold the best solution found.

    The bound is what the solver proves, where CVXPY hands it on (HiGHS, Gurobi); for a linear program it is the
    optimum itself.

    Raises
    ------
    InputError
        If no solver of that name can be used.
    """
    name = (solver or DEFAULT).upper()
    options: dict[str, Any] = {}
    if name == DEFAULT:
        options = {
            **HIGHS_TOLERANCES,
            "mip_rel_gap": 0.0,
            "mip_abs_gap": 0.0,
            "threads": 1,
        }
        if time_limit is not None:
            options["time_limit"] = float(time_limit)
    elif name == "GUROBI":
        options = {
            "FeasibilityTol": FEASIBILITY,
            "IntFeasTol": FEASIBILITY,
            "MIPGap": 0.0,
            "MIPGapAbs": 0.0,
            "Threads": 1,
        }
        if time_limit is not None:
            options["TimeLimit"] = float(time_limit)
    if name not in cp.installed_solvers():
        raise InputError(f'solver = "{solver}"; allowed: {", ".join(cp.installed_solvers())}')
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
        ):  # licence notices
            warnings.simplefilter("ignore")  # "solution may be inaccurate": the checker judges it
            program.solve(solver=name, **options)
    except cp.error.SolverError as error:
        if name == DEFAULT:  # no solution within the limit
            return Outcome(False, None)
        raise InputError(f'solver = "{solver}" failed: {" ".join(str(error).split())}') from None
    solved = program.status in SOLVED and all(v.value is not None for v in program.variables())
    if program.status == cp.USER_LIMIT:  # HiGHS then hands on values without a solution behind them
        solved = solved and all(c.value(LIMIT_TOLERANCE) for c in program.constraints)
    return Outcome(solved, _bound(program), program.status in INFEASIBLE)


def _bound(program: cp.Problem) -> float | None:
    if not program.is_mixed_integer():
        return float(program.value) if program.status == cp.OPTIMAL else None
    stats = None if program.solver_stats is None else program.solver_stats.extra_stats
    bound = getattr(stats, "mip_dual_bound", getattr(stats, "ObjBound", None))
    return float(bound) if isinstance(bound, int | float) and math.isfinite(bound) else None
