"""The house rules that a machine can check."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

import pytest

import dmoe_opt

PACKAGE = Path(dmoe_opt.__file__).parent
LAYERS = [
    ["validate", "gates", "intervals"],
    ["radio", "fading", "formats"],
    ["instance"],
    ["files", "generator"],
    ["network", "traces"],
    ["trace_files"],
    ["evaluate"],
    ["result"],
    ["des_bound"],
    ["des_search"],
    ["des_kernel"],
    ["des"],
    ["exhaustive", "baselines", "assignment", "bounds"],
    ["activation"],
    ["jesa", "allocation"],
    ["lagrangian"],
    ["models.outcome", "models.tokenwise"],
    ["models.pyomo_solver", "models.cvxpy_solver"],
    [
        "models.selection_pyomo",
        "models.selection_cvxpy",
        "models.joint_pyomo",
        "models.allocation_pyomo",
        "models.allocation_cvxpy",
        "models.allocation_networkx",
    ],
    ["models.joint_cvxpy", "models.joint_highs", "models.export"],
    ["exact"],
    ["solving"],
    ["protocol"],
    ["frontier"],
    ["rows"],
    ["figures"],
    ["plot.style", "plot.rounds", "plot.search", "plot.fronts"],
    ["protocol_figures", "comparing"],
    ["tables"],
    ["sweep.plan", "sweep.journal", "sweep.pools"],
    ["sweep.work"],
    ["sweep.driver"],
    ["offload.scenario"],
    ["offload.episode"],
    ["offload.simulate", "offload.store"],
    ["offload.presets"],
    ["offload.policies", "offload.observe", "offload.optimum", "schema"],
    ["offload.agent", "offload.environment", "models.offload_pyomo", "models.offload_cvxpy"],
    ["offload.training", "offload.comparing"],
    ["plot.offload"],
    ["offload.figures", "offload.tables"],
    ["sweep.judging"],
    ["sweep.analysis"],
    ["sweep.fronts", "sweep.figures"],
    ["cli_options"],
    ["cli_protocol", "cli_offload", "cli_plot", "cli_sweep"],
    ["cli"],
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for path in [
        *PACKAGE.glob("*.py"),
        *PACKAGE.glob("models/*.py"),
        *PACKAGE.glob("offload/*.py"),
        *PACKAGE.glob("plot/*.py"),
        *PACKAGE.glob("sweep/*.py"),
    ]
    if path.stem not in ("__init__", "__main__")
}


def imported(path: Path) -> set[str]:
    """Modules of the package that a file imports when it runs, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("dmoe_opt"):
            inside = node.module.removeprefix("dmoe_opt").strip(".")
            found |= {inside} if inside in MODULES else {f"{inside}.{n.name}".strip(".") for n in node.names}
    return found & set(MODULES)


def test_every_module_has_a_room() -> None:
    """A new module is put into a layer here."""
    assert set(MODULES) == set(LEVEL)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_down(module: str) -> None:
    """Instance, algorithms and models, result, comparison, command line: never back."""
    for other in imported(MODULES[module]):
        assert LEVEL[other] < LEVEL[module], f"{module} imports {other}"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_modules_are_small(module: str) -> None:
    """Past 350 lines a file is two files."""
    assert len(MODULES[module].read_text().splitlines()) <= 350


@pytest.mark.parametrize(("module", "below"), [("des_search", ["des_bound"]), ("des_kernel", ["des_bound", "des_search"])])
def test_kernel_caches_are_renewed(module: str, below: list[str]) -> None:
    """A kernel module names the state of those it calls, since numba's cache only looks at the module itself."""
    digest = hashlib.sha256("".join(MODULES[name].read_text() for name in below).encode()).hexdigest()[:16]
    assert f'SOURCES = "{digest}"' in MODULES[module].read_text(), f'set SOURCES = "{digest}" in {module}.py'


def test_public_names() -> None:
    """Every public name can be imported, has a docstring, and no submodule shadows it."""
    for name in dmoe_opt.__all__:
        assert getattr(dmoe_opt, name).__doc__
        assert name not in MODULES
