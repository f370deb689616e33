"""Solve a CVXPY problem with HiGHS, or with any other CVXPY solver by name.

HiGHS is the default, with tolerances that decide near-ties.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import Any

import cvxpy as cp

from dmoe_opt.answer.tolerances import FEASIBILITY, HIGHS_TOLERANCES
from dmoe_opt.errors import InputError
from dmoe_opt.models.solvers.outcome import Outcome, finite

DEFAULT = "HIGHS"
SOLVED = (cp.OPTIMAL, cp.OPTIMAL_INACCURATE, cp.USER_LIMIT)
LIMIT_TOLERANCE = 1e-6
INFEASIBLE = (cp.INFEASIBLE, cp.INFEASIBLE_INACCURATE)
OPTIONS: dict[str, dict[str, Any]] = {
    "HIGHS": {**HIGHS_TOLERANCES, "mip_rel_gap": 0.0, "mip_abs_gap": 0.0, "threads": 1},
    "GUROBI": {
        "FeasibilityTol": FEASIBILITY,
        "IntFeasTol": FEASIBILITY,
        "MIPGap": 0.0,
        "MIPGapAbs": 0.0,
        "Threads": 1,
    },
}
LIMITS = {"HIGHS": "time_limit", "GUROBI": "TimeLimit"}
"""Name of the time limit; other solvers run without one."""


def run(program: cp.Problem, solver: str | None = None, time_limit: float | None = None) -> Outcome:
    """Solve to a gap of zero; the variables then hold the best solution found.

    The bound is the one that the solver proves, where CVXPY hands it on (HiGHS, Gurobi). For a
    linear program it is the optimum itself. `time_limit` is in seconds.

    Raises
    ------
    InputError
        If no solver of that name can be used.
    """
    name = (solver or DEFAULT).upper()
    if name not in cp.installed_solvers():
        raise InputError(f'solver = "{solver}"; allowed: {", ".join(cp.installed_solvers())}')
    try:
        _quietly(program, name, _options(name, time_limit))
    except cp.error.SolverError as error:
        if name == DEFAULT:  # no solution within the limit
            return Outcome(False, None)
        raise InputError(f'solver = "{solver}" failed: {" ".join(str(error).split())}') from None
    return Outcome(_solved(program), _bound(program), program.status in INFEASIBLE)


def _options(name: str, time_limit: float | None) -> dict[str, Any]:
    """The options of a solver: gap, tolerances and time limit, where their names are known."""
    options = dict(OPTIONS.get(name, {}))
    if time_limit is not None and name in LIMITS:
        options[LIMITS[name]] = float(time_limit)
    return options


def _quietly(program: cp.Problem, name: str, options: dict[str, Any]) -> None:
    """Solve without licence notices and without warnings."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")  # "solution may be inaccurate": the checker judges it
        program.solve(solver=name, **options)


def _solved(program: cp.Problem) -> bool:
    """Whether the variables hold a solution."""
    if program.status not in SOLVED:
        return False
    if any(variable.value is None for variable in program.variables()):
        return False
    if program.status == cp.USER_LIMIT:
        # at a limit HiGHS hands on values even if it has no solution
        return all(constraint.value(LIMIT_TOLERANCE) for constraint in program.constraints)
    return True


def _bound(program: cp.Problem) -> float | None:
    """The proven bound, None if unknown."""
    if not program.is_mixed_integer():
        return float(program.value) if program.status == cp.OPTIMAL else None
    if program.solver_stats is None:
        return None
    stats = program.solver_stats.extra_stats
    return finite(getattr(stats, "mip_dual_bound", getattr(stats, "ObjBound", None)))
