"""Solve a CVXPY problem, by HiGHS or by another CVXPY solver by its name.

The tolerances asked of HiGHS and Gurobi decide near-ties.
"""

from __future__ import annotations

import contextlib
import io
import math
import time
import warnings
from typing import Any

import cvxpy as cp

from dmoe_opt.answer.tolerances import FEASIBILITY, HIGHS_TOLERANCES
from dmoe_opt.clock import is_over
from dmoe_opt.errors import InputError
from dmoe_opt.models.solvers.outcome import Outcome

DEFAULT = "HIGHS"
SOLVED = (cp.OPTIMAL, cp.OPTIMAL_INACCURATE, cp.USER_LIMIT)
LIMIT_TOLERANCE = 1e-6
LEAST_S = 0.01  # that a solver gets
MOST_PER_S = 20_000  # variables that CVXPY translates and hands over in a second
INFEASIBLE = (cp.INFEASIBLE, cp.INFEASIBLE_INACCURATE)
HIGHS_OPTIONS = {**HIGHS_TOLERANCES, "mip_rel_gap": 0.0, "mip_abs_gap": 0.0, "threads": 1}
GUROBI_OPTIONS = {
    "FeasibilityTol": FEASIBILITY,
    "IntFeasTol": FEASIBILITY,
    "MIPGap": 0.0,
    "MIPGapAbs": 0.0,
    "Threads": 1,
}


def run(program: cp.Problem, solver: str | None = None, time_limit: float | None = None) -> Outcome:
    """Solve to a gap of zero; the variables then hold the best solution found.

    The bound is the one that the solver proves, where CVXPY hands it on (HiGHS, Gurobi). For a
    linear program it is the optimum itself.

    Raises
    ------
    InputError
        If no solver of that name can be used.
    """
    name = (solver or DEFAULT).upper()
    if name not in cp.installed_solvers():
        raise InputError(f'solver = "{solver}"; allowed: {", ".join(cp.installed_solvers())}')
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            # licence notices, and "solution may be inaccurate": the checker judges it
            warnings.simplefilter("ignore")
            if time_limit is not None:  # what CVXPY does first counts, and it does it once
                began = time.monotonic()
                program.get_problem_data(name)
                if is_over():
                    return Outcome(False, None)
                time_limit = max(time_limit - (time.monotonic() - began), LEAST_S)
            program.solve(solver=name, **_options(name, time_limit))
    except (cp.error.SolverError, ValueError) as error:  # the latter where HiGHS gives up
        if name == DEFAULT:  # no solution
            return Outcome(False, None)
        raise InputError(f'solver = "{solver}" failed: {" ".join(str(error).split())}') from None
    return Outcome(_solved(program), _bound(program), program.status in INFEASIBLE)


def _options(name: str, time_limit: float | None) -> dict[str, Any]:
    """A gap of zero, our tolerances and one thread, in the words of the solver."""
    if name == DEFAULT:
        options = HIGHS_OPTIONS
        return options if time_limit is None else options | {"time_limit": float(time_limit)}
    if name == "GUROBI":
        options = GUROBI_OPTIONS
        return options if time_limit is None else options | {"TimeLimit": float(time_limit)}
    return {}


def _solved(program: cp.Problem) -> bool:
    """Whether the variables hold a solution."""
    if program.status not in SOLVED or any(v.value is None for v in program.variables()):
        return False
    if program.status == cp.USER_LIMIT:  # HiGHS then hands on values without a solution behind them
        return all(constraint.value(LIMIT_TOLERANCE) for constraint in program.constraints)
    return True


def _bound(program: cp.Problem) -> float | None:
    if not program.is_mixed_integer():
        return float(program.value) if program.status == cp.OPTIMAL else None
    stats = None if program.solver_stats is None else program.solver_stats.extra_stats
    bound = getattr(stats, "mip_dual_bound", getattr(stats, "ObjBound", None))
    return float(bound) if isinstance(bound, int | float) and math.isfinite(bound) else None
