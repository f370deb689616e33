"""Solve a Pyomo model, by HiGHS or by another Pyomo solver by its name.

The tolerances asked of HiGHS decide near-ties.
"""

from __future__ import annotations

import io
import math
from typing import Any

import pyomo.environ as pyo
from pyomo.common.log import LoggingIntercept
from pyomo.common.tee import capture_output
from pyomo.contrib.solver.common.factory import SolverFactory
from pyomo.contrib.solver.common.results import SolutionStatus, TerminationCondition

from dmoe_opt.answer.tolerances import HIGHS_TOLERANCES
from dmoe_opt.clock import left_s
from dmoe_opt.errors import InputError
from dmoe_opt.models.solvers.outcome import Outcome

DEFAULT = "highs"
MOST_PER_S = 8_000  # variables that Pyomo builds and hands over in a second
HAND_OVER = 1.8  # times what building took: 1.3 to 2.5


def limit_after(built_s: float) -> float | None:
    """Seconds for HiGHS, whose own clock starts after the hand-over; None without a limit.

    The value is negative where the hand-over alone would take longer than is left.
    """
    return None if left_s() == math.inf else left_s() - HAND_OVER * built_s


def run(
    model: pyo.ConcreteModel,
    solver: str | None = None,
    time_limit: float | None = None,
    *,
    begun: bool = False,
) -> Outcome:
    """Solve to a gap of zero and load the best solution found into the model.

    Where `begun` is True, the values of the variables are an answer to begin with; Pyomo hands it
    to solvers such as Gurobi, and not to HiGHS. Without time for the hand-over there is no answer.

    Raises
    ------
    InputError
        If no solver of that name can be used.
    """
    if time_limit is not None and time_limit <= 0:
        return Outcome(False, None)
    if solver in (None, DEFAULT):
        return _highs(model, time_limit)
    return _by_name(model, str(solver), time_limit, begun)


def _highs(model: pyo.ConcreteModel, time_limit: float | None) -> Outcome:
    results = SolverFactory("highs").solve(
        model,
        load_solutions=False,
        raise_exception_on_nonoptimal_result=False,
        time_limit=time_limit,
        rel_gap=0.0,
        abs_gap=0.0,
        threads=1,
        solver_options=HIGHS_TOLERANCES,
    )
    solved = results.solution_status in (SolutionStatus.optimal, SolutionStatus.feasible)
    if solved:
        results.solution_loader.load_vars()
    bound = results.objective_bound
    known = bound is not None and math.isfinite(bound)
    infeasible = results.termination_condition == TerminationCondition.provenInfeasible
    return Outcome(solved, float(bound) if known else None, infeasible)


def _by_name(model: pyo.ConcreteModel, name: str, time_limit: float | None, begun: bool) -> Outcome:
    with capture_output(), LoggingIntercept(io.StringIO(), "pyomo"):  # it warns of unknown names
        solver = pyo.SolverFactory(name)
        available = bool(solver.available(exception_flag=False))
    if not available:
        allowed = f'"{DEFAULT}" or a solver that Pyomo finds on this machine'
        raise InputError(f'solver = "{name}"; allowed: {allowed}')
    options: dict[str, Any] = {} if time_limit is None else {"timelimit": time_limit}
    if begun and solver.warm_start_capable():
        options["warmstart"] = True
    try:
        with capture_output():  # licence notices must not mix with what is printed
            results = solver.solve(model, load_solutions=False, **options)
    except Exception as error:  # every solver's interface raises kinds of its own
        raise InputError(f'solver = "{name}" failed: {" ".join(str(error).split())}') from None
    infeasible = results.solver.termination_condition == pyo.TerminationCondition.infeasible
    solved = len(results.solution) > 0 and not infeasible
    if solved:
        model.solutions.load_from(results)
    bound = results.problem.lower_bound
    known = isinstance(bound, int | float) and math.isfinite(bound)
    return Outcome(solved, float(bound) if known else None, infeasible)
