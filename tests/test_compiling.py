"""Kernels whose cache has no place, and errors that are not the cache's."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from dmoe_opt import compiling
from dmoe_opt.solving import prepare


def test_a_kernel_without_a_place_for_its_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that is in no file cannot be cached; it is compiled all the same, and noted."""
    monkeypatch.setattr(compiling, "without_cache", [])
    names: dict[str, object] = {}
    exec(compile("def twice(x):\n    return 2 * x\n", "<nowhere>", "exec"), names)
    twice = compiling.cached(is_entry=True)(names["twice"])  # type: ignore[arg-type]
    assert compiling.call(twice, 3) == 6
    assert compiling.without_cache == ["twice"]


def test_errors_of_a_kernel_are_its_own() -> None:
    """A kernel that has run before is not compiled again because it raises."""

    @compiling.cached(is_entry=True)
    def inverse(x):  # type: ignore[no-untyped-def]
        return 1 // x

    assert compiling.call(inverse, 1) == 1
    assert inverse.is_compiled
    with pytest.raises(ZeroDivisionError):
        compiling.call(inverse, 0)


def test_garbage_is_looked_for_again() -> None:
    """While a kernel is compiled it is not; afterwards it is, even if numba refuses the kernel."""

    @compiling.cached(is_entry=True)
    def refused(x):  # type: ignore[no-untyped-def]
        return x.nothing

    with pytest.raises(Exception, match="nothing"):
        compiling.call(refused, 1)
    assert gc.isenabled()


SMALL_FILE = """
import runpy, sys
sys.argv[0] = "dmoe-opt"
try:
    runpy.run_module("dmoe_opt", run_name="__main__")
except SystemExit:
    print(sorted({m.partition(".")[0] for m in sys.modules}))
"""


@pytest.mark.parametrize("arguments", ["edge-8x64-s1", "tiny-s1 --problem jesa"])
def test_a_small_file_needs_few_packages(arguments: str) -> None:
    """To import numba takes longer than to solve a small file, and the others take their time."""
    command = [sys.executable, "-c", SMALL_FILE, "solve", *arguments.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "optimal" in done.stdout
    loaded = done.stdout.splitlines()[-1]
    for module in ("numba", "llvmlite", "scipy", "rich", "pyomo", "cvxpy", "highspy", "networkx"):
        assert f"'{module}'" not in loaded


COMPILED = """
import sys
import dmoe_opt
print(dmoe_opt.solve(dmoe_opt.load("edge-8x64-s1"), "jesa").status)
print("numba" in sys.modules, "scipy.linalg" in sys.modules)
"""


def test_kernels_load_without_what_only_compiling_needs() -> None:
    """Numba would import linear algebra before it looks into its cache, for half of the time."""
    prepare("jesa")  # the cache has the kernels from now on
    command = [sys.executable, "-c", COMPILED]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["optimal", "True", "False"]


def test_much_work_is_compiled_though_each_call_is_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain functions run until they have taken as long as numba would."""

    @compiling.cached(is_entry=True)
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

    @compiling.cached(is_entry=True)
    def twice(x):  # type: ignore[no-untyped-def]
        return 2 * x

    assert compiling.call(twice, 3) == 6
    compiling._njit.cache_clear()
