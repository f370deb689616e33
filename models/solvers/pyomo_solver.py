"""Solve a Pyomo model with HiGHS, or with any other Pyomo solver by name.

HiGHS is the default, with tolerances that decide near-ties.
"""

from __future__ import annotations

import io

import pyomo.environ as pyo
from pyomo.common.log import LoggingIntercept
from pyomo.common.tee import capture_output
from pyomo.contrib.solver.common.factory import SolverFactory
from pyomo.contrib.solver.common.results import SolutionStatus, TerminationCondition

from dmoe_opt.answer.tolerances import HIGHS_TOLERANCES
from dmoe_opt.errors import InputError
from dmoe_opt.models.solvers.outcome import Outcome, finite

DEFAULT = "highs"


def run(
    model: pyo.ConcreteModel, solver: str | None = None, time_limit: float | None = None
) -> Outcome:
    """Solve to a gap of zero and load the best solution found into the model.

    `time_limit` is in seconds.

    Raises
    ------
    InputError
        If no solver of that name can be used.
    """
    if solver in (None, DEFAULT):
        return _highs(model, time_limit)
    return _by_name(model, str(solver), time_limit)


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
    infeasible = results.termination_condition == TerminationCondition.provenInfeasible
    return Outcome(solved, finite(results.objective_bound), infeasible)


def _by_name(model: pyo.ConcreteModel, name: str, time_limit: float | None) -> Outcome:
    # Pyomo warns of unknown names at length
    with capture_output(), LoggingIntercept(io.StringIO(), "pyomo"):
        solver = pyo.SolverFactory(name)
        available = bool(solver.available(exception_flag=False))
    if not available:
        raise InputError(
            f'solver = "{name}"; allowed: "{DEFAULT}" or a solver that Pyomo finds on this machine'
        )
    limit = {} if time_limit is None else {"timelimit": time_limit}
    try:
        with capture_output():  # licence notices must not mix with what is printed
            results = solver.solve(model, load_solutions=False, **limit)
    except Exception as error:  # every solver's interface raises kinds of its own
        raise InputError(f'solver = "{name}" failed: {" ".join(str(error).split())}') from None
    infeasible = results.solver.termination_condition == pyo.TerminationCondition.infeasible
    solved = len(results.solution) > 0 and not infeasible
    if solved:
        model.solutions.load_from(results)
    return Outcome(solved, finite(results.problem.lower_bound), infeasible)
