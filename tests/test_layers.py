"""The house rules that a machine can check."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import dmoe_opt

PACKAGE = Path(dmoe_opt.__file__).parent
FOLDERS = [
    "errors",
    "clock",
    "colours",
    "compiling",
    "versions",
    "data",
    "generating",
    "answer",
    "selection",
    "allocation",
    "joint",
    "proof",
    "placing",
    "offload",
    "models",
    "method_options",
    "method_calls",
    "method_table",
    "own_methods",
    "solving",
    "checking",
    "explaining",
    "exploring",
    "schema",
    "layers",
    "comparing",
    "sweep",
    "streaming",
    "plot",
    "cli",
]
"""From the ground up: a folder, or a file beside them, imports from itself and those before."""
FLOOR = {folder: floor for floor, folder in enumerate(FOLDERS)}
MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
    for folder in FOLDERS
    for path in [
        *PACKAGE.glob(f"{folder}.py"),
        *PACKAGE.glob(f"{folder}/*.py"),
        *PACKAGE.glob(f"{folder}/*/*.py"),
    ]
    if path.stem != "__init__"
}


@cache
def imported(path: Path) -> set[str]:
    """Modules of the package that a file imports when it runs, wherever in the file.

    Imports for types alone do not count.
    """
    tree = ast.parse(path.read_text())
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if node in for_types or not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        if isinstance(node, ast.Import):
            found |= {name.name.removeprefix("dmoe_opt.") for name in node.names}
        elif node.module and node.module.startswith("dmoe_opt"):
            inside = node.module.removeprefix("dmoe_opt").strip(".")
            found |= {inside} | {f"{inside}.{name.name}".strip(".") for name in node.names}
    return found & set(MODULES)


def folder_of(module: str) -> str:
    return module.partition(".")[0]


def test_every_module_has_a_room() -> None:
    """No file stands outside the folders."""
    files = {
        path
        for path in [*PACKAGE.glob("*.py"), *PACKAGE.glob("*/*.py"), *PACKAGE.glob("*/*/*.py")]
        if path.stem not in ("__init__", "__main__") and "instances" not in path.parts
    }
    assert files == set(MODULES.values())


def test_imports_point_down() -> None:
    """Data, methods, comparison, pictures, command line: never back, inside functions neither."""
    up = [
        f"{module} imports {other}"
        for module, path in MODULES.items()
        for other in imported(path)
        if FLOOR[folder_of(other)] > FLOOR[folder_of(module)]
    ]
    assert up == []


def test_no_files_import_each_other_in_a_circle() -> None:
    """Inside a folder too, data flows one way."""
    TopologicalSorter({module: imported(path) for module, path in MODULES.items()}).prepare()


def test_nothing_below_the_roof_draws() -> None:
    """Pictures are made in `plot` and asked for by `cli`."""
    drawing = {module for module, path in MODULES.items() if "matplotlib" in path.read_text()}
    assert {folder_of(module) for module in drawing} <= {"plot", "cli"}, drawing


def test_modules_are_small() -> None:
    """Past 350 lines a file is two files."""
    lines = {module: len(path.read_text().splitlines()) for module, path in MODULES.items()}
    assert {module: number for module, number in lines.items() if number > 350} == {}


KERNELS = [
    "des_bound",
    "des_search",
    "des_reduce",
    "des_pareto",
    "des_exchange",
    "des_sizes",
    "des_split",
    "des_rounded",
]


@pytest.mark.parametrize(
    ("module", "below"),
    [
        ("selection.des_search", ["des_bound"]),
        ("selection.des_reduce", ["des_bound", "des_search"]),
        ("selection.des_pareto", ["des_bound", "des_search"]),
        ("selection.des_exchange", ["des_bound", "des_search"]),
        ("selection.des_sizes", ["des_bound"]),
        ("selection.des_rounded", ["des_bound"]),
        ("selection.des_split", KERNELS[:6]),
        ("selection.des_kernel", KERNELS),
        ("selection.des_nodes_bound", ["des_bound"]),
        ("selection.des_nodes", [*KERNELS, "des_kernel", "des_nodes_bound"]),
        ("proof.trees_kernel", ["des_bound"]),
    ],
)
def test_kernel_caches_are_renewed(module: str, below: list[str]) -> None:
    """A kernel module names the state of those it calls; numba's cache looks at one file only."""
    sources = "".join(MODULES[f"selection.{name}"].read_text() for name in below)
    digest = hashlib.sha256(sources.encode()).hexdigest()[:16]
    assert f'SOURCES = "{digest}"' in MODULES[module].read_text(), (
        f'set SOURCES = "{digest}" in {module}'
    )


def test_public_names() -> None:
    """Every public name can be imported, has a docstring, and no folder or submodule shadows it."""
    for name in dmoe_opt.__all__:
        assert getattr(dmoe_opt, name).__doc__
        assert name not in MODULES
        assert name not in FOLDERS
