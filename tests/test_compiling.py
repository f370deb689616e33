"""Kernels whose cache has no place, and errors that are not the cache's."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import dmoe_opt
from dmoe_opt import compiling


def test_a_kernel_without_a_place_for_its_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that is in no file cannot be cached; it is compiled all the same, and noted."""
    monkeypatch.setattr(compiling, "without_cache", [])
    names: dict[str, object] = {}
    exec(compile("def twice(x):\n    return 2 * x\n", "<nowhere>", "exec"), names)
    twice = compiling.cached()(names["twice"])  # type: ignore[arg-type]
    assert compiling.call(twice, 3) == 6
    assert compiling.without_cache == ["twice"]


def test_errors_of_a_kernel_are_its_own() -> None:
    """A kernel that has run before is not compiled again because it raises."""

    @compiling.cached()
    def inverse(x):  # type: ignore[no-untyped-def]
        return 1 // x

    assert compiling.call(inverse, 1) == 1
    assert inverse.is_compiled
    with pytest.raises(ZeroDivisionError):
        compiling.call(inverse, 0)


SMALL_FILE = """
import runpy, sys
sys.argv = ["dmoe-opt", "solve", "edge-8x64-s1"]
try:
    runpy.run_module("dmoe_opt", run_name="__main__")
except SystemExit:
    print(sorted({m.partition(".")[0] for m in sys.modules}))
"""


def test_a_small_file_needs_few_packages() -> None:
    """To import numba takes longer than to solve a small file, and the others take their time."""
    done = subprocess.run(
        [sys.executable, "-c", SMALL_FILE], capture_output=True, text=True, check=True
    )
    assert "optimal" in done.stdout
    loaded = done.stdout.splitlines()[-1]
    for module in ("numba", "llvmlite", "scipy", "rich", "pyomo", "cvxpy", "highspy", "networkx"):
        assert f"'{module}'" not in loaded


def test_much_work_is_compiled_though_each_call_is_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain functions run until they have taken as long as numba would."""

    @compiling.cached()
    def twice(x):  # type: ignore[no-untyped-def]
        return 2 * x

    monkeypatch.setattr(compiling, "_plain_s", 0.0)
    assert compiling.call(twice, 3, little=True) == 6
    assert not twice.is_compiled
    monkeypatch.setattr(compiling, "_plain_s", compiling.MOST_PLAIN_S)
    assert compiling.call(twice, 3, little=True) == 6
    assert twice.is_compiled


def test_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where numba is not installed, every call runs the plain function."""
    monkeypatch.setitem(sys.modules, "numba", None)
    compiling._njit.cache_clear()

    @compiling.cached()
    def twice(x):  # type: ignore[no-untyped-def]
        return 2 * x

    assert compiling.call(twice, 3) == 6
    compiling._njit.cache_clear()


AS_IN_A_BROWSER = """
import json, sys, threading
sys.modules["numba"] = sys.modules["llvmlite"] = None

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
print(json.dumps(answers))
"""
METHODS = [
    *(("selection", name) for name in ("des", "exhaustive", "greedy")),
    *(("jesa", name) for name in ("exact", "bcd", "lagrangian", "topp")),
    ("allocation", "assignment"),
]


def test_rounds_are_solved_without_numba_and_threads() -> None:
    """As Python in a browser has neither: the same answers, and time limits hold."""
    script = AS_IN_A_BROWSER.replace("METHODS", repr(METHODS))
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert answers["limited"] == "feasible"
    for name in ("tiny-s1", "digits-l4"):
        data = dmoe_opt.load(name)
        for problem, method in METHODS:
            result = dmoe_opt.solve(data, problem, method)
            status, energy_j, faults = answers[f"{name} {problem} {method}"]
            assert (status, faults) == (result.status, [])
            assert energy_j == pytest.approx(result.objective_j, rel=1e-9)
