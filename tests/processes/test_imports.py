"""What new processes load, and what they can do without."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import dmoe_opt


def test_drawing_loads_no_searches() -> None:
    """Who draws need not have gymnasium or torch, nor wait for them or for compiled searches."""
    heavy = "{'gymnasium', 'torch', 'pyomo', 'cvxpy', 'numba'}"
    modules = "dmoe_opt.plot, dmoe_opt.plot.sweep, dmoe_opt.plot.profiles, dmoe_opt.plot.fronts"
    code = f"import sys, {modules}; print(sorted({heavy} & set(sys.modules)))"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        == "[]\n"
    )


AS_IN_A_BROWSER = """
import json, sys, threading
for name in ("numba", "llvmlite", "highspy", "matplotlib", "pyomo", "cvxpy", "networkx"):
    sys.modules[name] = None

def refuse(thread):
    raise RuntimeError("can't start new thread")

threading.Thread.start = refuse
import dmoe_opt

answers = {}
for name in ("tiny-s1", "digits-l4"):
    data = dmoe_opt.load(name)
    for problem, method in METHODS:
        result = dmoe_opt.solve(data, problem, method)
        faults = dmoe_opt.check(data, result)
        answers[f"{name} {problem} {method}"] = str(result.status), result.objective_j, faults
hard = dmoe_opt.generate("chvatal", 1, num_experts=48, num_tokens=8)  # minutes of plain Python
answers["limited"] = str(dmoe_opt.solve(hard, time_limit=0.2).status)
contested = dmoe_opt.load("scarce-8x36-s0")
answers["contested"] = str(dmoe_opt.solve(contested, "jesa", "bcd").status)
try:
    dmoe_opt.solve(dmoe_opt.load("deadline-8x64-s1"), "allocation", "assignment")
except dmoe_opt.MissingExtraError as error:
    answers["told"] = str(error)
print(json.dumps(answers))
"""
METHODS = [
    *(("selection", name) for name in ("des", "exhaustive", "greedy")),
    *(("jesa", name) for name in ("exact", "bcd", "lagrangian", "topp")),
    ("allocation", "assignment"),
]


def test_rounds_are_solved_as_in_a_browser() -> None:
    """Without numba, HiGHS, matplotlib and threads: the same answers, and time limits hold.

    Where only an integer program helps, a line says so.
    """
    script = AS_IN_A_BROWSER.replace("METHODS", repr(METHODS))
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert (answers["limited"], answers["contested"]) == ("feasible", "feasible")
    assert "pip install highspy" in answers["told"]
    for name in ("tiny-s1", "digits-l4"):
        data = dmoe_opt.load(name)
        for problem, method in METHODS:
            result = dmoe_opt.solve(data, problem, method)
            status, energy_j, faults = answers[f"{name} {problem} {method}"]
            assert (status, faults) == (result.status, [])
            assert energy_j == pytest.approx(result.objective_j, rel=1e-9)
