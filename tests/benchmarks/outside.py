"""Solve MPS files with a solver in its own process, a reference without code of this package.

`python tests/benchmarks/outside.py highs|gurobi|scip|cp-sat SECONDS FILE.mps ...` prints one JSON
line per file. The seconds are for solving alone, without reading, on one thread, and count time on
the processor, which other work on the machine does not lengthen. A process of its own is needed
because ortools and some versions of highspy cannot share one.

The limit is the solver's own and counts wall time. With SECONDS=FILE.mps in place of each file, a
program is stopped without an answer when it has used so many seconds of the processor.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from importlib import import_module
from importlib.util import find_spec
from typing import Any

TOLERANCE = 1e-9
READING_S = 0.1  # for reading the program before it is solved
LOOK_S = 0.02  # between two looks at the time that a solver has used
PER_PROCESS = 2  # Linux: the kind of clock that counts the processor time of another process
MODULES = {
    "highs": "highspy",
    "gurobi": "gurobipy",
    "scip": "pyscipopt",
    "cp-sat": "ortools.linear_solver.python.model_builder",
}


def highs(path: str, limit_s: float) -> dict[str, Any]:
    """HiGHS through highspy."""
    import highspy

    solver = highspy.Highs()
    solver.silent()
    solver.readModel(path)
    for name in (
        "primal_feasibility_tolerance",
        "dual_feasibility_tolerance",
        "mip_feasibility_tolerance",
    ):
        solver.setOptionValue(name, TOLERANCE)
    for name, value in (
        ("mip_rel_gap", 0.0),
        ("mip_abs_gap", 0.0),
        ("threads", 1),
        ("time_limit", limit_s),
    ):
        solver.setOptionValue(name, value)
    started = time.process_time()
    solver.run()
    seconds = time.process_time() - started
    info, values = solver.getInfo(), solver.getSolution().col_value
    found = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    names = solver.getLp().col_names_
    return {
        "seconds": seconds,
        "infeasible": solver.getModelStatus() == highspy.HighsModelStatus.kInfeasible,
        "ones": [name for name, value in zip(names, values, strict=True) if value > 0.5]
        if found
        else None,
        "bound": info.mip_dual_bound,
    }


def gurobi(path: str, limit_s: float) -> dict[str, Any]:
    """Gurobi through gurobipy; without a licence it takes 2,000 variables and 2,000 rows."""
    import gurobipy

    parameters = {
        "OutputFlag": 0,
        "Threads": 1,
        "MIPGap": 0,
        "MIPGapAbs": 0,
        "FeasibilityTol": TOLERANCE,
        "IntFeasTol": TOLERANCE,
    }
    with (
        gurobipy.Env(params=parameters | {"TimeLimit": limit_s}) as environment,
        gurobipy.read(path, environment) as model,
    ):
        started = time.process_time()
        try:
            model.optimize()
        except gurobipy.GurobiError as error:
            return {
                "refused": "size-limited licence" if "size-limited" in str(error) else str(error)
            }
        return {
            "seconds": time.process_time() - started,
            "infeasible": model.Status == gurobipy.GRB.INFEASIBLE,
            "ones": [v.VarName for v in model.getVars() if v.X > 0.5] if model.SolCount else None,
            "bound": model.ObjBound,
        }


def scip(path: str, limit_s: float) -> dict[str, Any]:
    """SCIP through pyscipopt."""
    import pyscipopt

    model = pyscipopt.Model()
    model.hideOutput()
    model.readProblem(path)
    model.setParams(
        {
            "limits/time": limit_s,
            "limits/gap": 0.0,
            "numerics/feastol": TOLERANCE,
            "parallel/maxnthreads": 1,
        }
    )
    started = time.process_time()
    model.optimize()
    seconds = time.process_time() - started
    found = model.getNSols() > 0
    return {
        "seconds": seconds,
        "infeasible": model.getStatus() == "infeasible",
        "ones": [v.name for v in model.getVars() if model.getVal(v) > 0.5] if found else None,
        "bound": model.getDualbound(),
    }


def cp_sat(path: str, limit_s: float) -> dict[str, Any]:
    """CP-SAT through the model builder of ortools, which scales fractions to whole numbers."""
    from ortools.linear_solver.python import model_builder

    model = model_builder.Model()
    model.import_from_mps_file(path)
    solver = model_builder.Solver("sat")
    solver.set_time_limit_in_seconds(limit_s)
    solver.set_solver_specific_parameters(
        "num_workers:1 relative_gap_limit:0 absolute_gap_limit:0 mip_wanted_precision:1e-9"
    )
    started = time.process_time()
    status = solver.solve(model)
    seconds = time.process_time() - started
    found = status in (model_builder.SolveStatus.OPTIMAL, model_builder.SolveStatus.FEASIBLE)
    return {
        "seconds": seconds,
        "infeasible": status == model_builder.SolveStatus.INFEASIBLE,
        "ones": [v.name for v in model.get_variables() if solver.value(v) > 0.5] if found else None,
        "bound": float(solver.best_objective_bound) if found else None,
    }


SOLVERS = {"highs": highs, "gurobi": gurobi, "scip": scip, "cp-sat": cp_sat}


def installed() -> list[str]:
    """Solvers whose packages are there."""
    return [name for name, module in MODULES.items() if find_spec(module.partition(".")[0])]


def stopped(name: str, path: str, processor_s: float, limit_s: float) -> dict[str, Any]:
    """The answer in a process of its own, which is ended when it has used its processor time.

    The process is watched from here: a timer inside it would make its clock coarse.
    """
    answer, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, json.dumps(SOLVERS[name](path, limit_s)).encode())
        os._exit(0)
    os.close(writing)
    processor = (~child << 3) | PER_PROCESS
    with os.fdopen(answer) as pipe:
        while not select.select([pipe], [], [], LOOK_S)[0]:
            if time.clock_gettime(processor) > processor_s + READING_S:
                os.kill(child, signal.SIGKILL)
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else {"stopped": processor_s}


def main() -> None:
    """An answer per file."""
    name, limit_s, files = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
    import_module(MODULES[name])
    for file in files:
        processor_s, is_stopped, path = file.rpartition("=")
        if is_stopped:
            answer = stopped(name, path, float(processor_s), limit_s)
        else:
            answer = SOLVERS[name](path, limit_s)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
