"""What every notebook promises, read off the file; `tests/notebooks` and nbmake run them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pytest
from helpers.booklets import FOLDER, PATHS, code_cells, exercises, read, solutions, text_of

MOST_BYTES = 500_000  # of which a page with sliders is 100_000
A_PATH = re.compile(
    r"(?<![\w.:/])/(?:home|root|tmp|work|usr|opt|var|mnt|Users|private)/|\b[A-Z]:\\|~/\."
)
FOLDED = re.compile(r"<details><summary>Solution</summary>\n\n.+?</details>\s*\Z", re.DOTALL)


def complaints(path: Path) -> list[str]:
    """Everything that is wrong with a notebook, one sentence each."""
    notebook = read(path)
    found = [f"{path.stat().st_size} bytes"] if path.stat().st_size >= MOST_BYTES else []
    found += [*_execution(notebook), *_outputs(notebook), *_structure(notebook)]
    sources = [("cell", n, cell.source) for n, cell in enumerate(code_cells(notebook), 1)]
    sources += [("solution block", n, source) for n, source in enumerate(solutions(notebook), 1)]
    modules: dict[str, ModuleType] = {}
    for kind, n, source in sources:
        try:
            tree = ast.parse(source)
        except SyntaxError as error:
            found.append(f"{kind} {n} is not Python: {error.msg}")
        else:
            found += [f"{kind} {n}: {what}" for what in _api(tree, modules)]
    return found


def _execution(notebook: Any) -> Iterator[str]:
    if any("execution" in cell.metadata for cell in notebook.cells):
        yield "cells have the time at which they ran; python docs/strip_times.py takes it out"
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"execution counts are {counts}"
    if notebook.metadata.get("kernelspec", {}).get("name") != "python3":
        yield "the kernel is not python3"


def _outputs(notebook: Any) -> Iterator[str]:
    for n, cell in enumerate(code_cells(notebook), 1):
        for output in cell.outputs:
            if output.output_type == "error" or output.get("name") == "stderr":
                name = output.get("ename") or output.get("name")
                yield f"cell {n} has {output.output_type} of {name}"
            data = output.get("data", {})
            text = output.get("text", "") + "".join(
                str(value) for kind, value in data.items() if not kind.startswith("image/p")
            )
            if A_PATH.search(text):
                yield f"cell {n} shows a path of a machine"
            if "Warning" in text:
                yield f"cell {n} shows a warning"
    if A_PATH.search(json.dumps(notebook.metadata)):
        yield "the metadata has a path of a machine"


def _structure(notebook: Any) -> Iterator[str]:
    first = notebook.cells[0]
    if (
        first.cell_type != "markdown"
        or not first.source.startswith("# ")
        or "After this notebook you can" not in first.source
    ):
        yield 'the first cell is not a title and "After this notebook you can ..."'
    tasks = exercises(notebook)
    if not 3 <= len(tasks) <= 6:
        yield f"{len(tasks)} exercises"
    numbers = re.findall(
        r"^\*\*(\d+)\.\*\*", text_of(notebook).partition("Exercises\n")[2], re.MULTILINE
    )
    if numbers != [str(n) for n in range(1, len(tasks) + 1)]:
        yield f"exercises are numbered {', '.join(numbers)}"
    for n, task in enumerate(tasks, 1):
        if not FOLDED.search(task) or task.count("<details") != 1:
            yield f"exercise {n} has no folded solution"


def _api(tree: ast.Module, modules: dict[str, ModuleType]) -> Iterator[str]:
    """Private names, and names that the package does not have.

    `modules` collects the modules of the package that the notebook has imported, by local name.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _imported(alias, modules)
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if source.split(".")[0] == "dmoe_opt":
                for alias in node.names:
                    yield from _imported_from(source, alias, modules)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield from _attribute(node, modules)


def _imported(alias: ast.alias, modules: dict[str, ModuleType]) -> Iterator[str]:
    """The complaint about `import x as y`."""
    if alias.name.split(".")[0] == "dmoe_opt":
        module = alias.name if alias.asname else "dmoe_opt"
        modules[alias.asname or "dmoe_opt"] = import_module(module)
    if any(part.startswith("_") for part in alias.name.split(".")):
        yield f"private name {alias.name}"


def _imported_from(source: str, alias: ast.alias, modules: dict[str, ModuleType]) -> Iterator[str]:
    """The complaints about `from source import x as y`."""
    if any(part.startswith("_") for part in [*source.split("."), alias.name]):
        yield f"private name {source}.{alias.name}"
    member = _member(import_module(source), alias.name)
    if member is None:
        yield f"{source} has no {alias.name}"
    elif isinstance(member, ModuleType):
        modules[alias.asname or alias.name] = member


def _attribute(node: ast.Attribute, modules: dict[str, ModuleType]) -> Iterator[str]:
    """The complaint about `x.y`."""
    if node.attr.startswith("_") and not node.attr.endswith("__"):
        yield f"private name {node.attr}"
    elif isinstance(node.value, ast.Name):
        module = modules.get(node.value.id)
        if module and _member(module, node.attr) is None:
            yield f"{module.__name__} has no {node.attr}"


def _member(module: ModuleType, name: str) -> object:
    try:
        return getattr(module, name)
    except AttributeError:
        pass
    try:
        return import_module(f"{module.__name__}.{name}")
    except ModuleNotFoundError:
        return None


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_notebooks_keep_what_they_promise(path: Path) -> None:
    """Small, run in order, clean, public; an aim at the start, solved exercises at the end."""
    assert complaints(path) == []


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_first_cell_installs_what_is_missing(path: Path) -> None:
    """So a copy that was uploaded to a notebook server runs as it is."""
    first = code_cells(read(path))[0].source
    assert 'if find_spec("dmoe_opt") is None:' in first.partition("import dmoe_opt")[0]


def test_numbers_have_no_gap() -> None:
    """They are read in the order of their names."""
    assert all(re.fullmatch(r"\d\d-[a-z-]+", path.stem) for path in PATHS)
    assert [int(path.stem[:2]) for path in PATHS] == list(range(1, len(PATHS) + 1))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_links_lead_somewhere(path: Path) -> None:
    """To the notebooks before and after, and to files of the project."""
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", text_of(read(path)))
    assert [
        target for target in targets if "://" not in target and not (FOLDER / target).exists()
    ] == []


def exercise(
    n: int, solution: str = "It is.\n\n```python\nprint(dmoe_opt.methods())\n```\n"
) -> str:
    return f"**{n}.** Why?\n\n<details><summary>Solution</summary>\n\n{solution}</details>\n\n"


def sound() -> Any:
    """A notebook without a fault."""
    new = nbformat.v4
    outputs = [new.new_output("stream", name="stdout", text="energy / J: 1/2\n")]
    return new.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        cells=[
            new.new_markdown_cell("# Title\n\nAfter this notebook you can read it."),
            new.new_code_cell(
                "import dmoe_opt\nfrom dmoe_opt.selection import relaxed", execution_count=1
            ),
            new.new_code_cell(
                "print(relaxed.relaxed_bound.__name__)", execution_count=2, outputs=outputs
            ),
            new.new_markdown_cell("## 2. Exercises\n\n" + "".join(exercise(n) for n in (1, 2, 3))),
        ],
    )


def _set(cell: int, **changes: Any) -> Callable[[Any], None]:
    return lambda notebook: notebook.cells[cell].update(changes)


def _shows(text: str, name: str = "stdout") -> Callable[[Any], None]:
    return _set(2, outputs=[nbformat.v4.new_output("stream", name=name, text=text)])


def _tasks(*tasks: str) -> Callable[[Any], None]:
    return _set(3, source="## Exercises\n\n" + "".join(tasks))


BREAKS: list[tuple[Callable[[Any], None], str]] = [
    (_shows("x" * MOST_BYTES), "bytes"),
    (_set(1, execution_count=3), "execution counts are [3, 2]"),
    (_set(2, execution_count=None), "execution counts are [1, None]"),
    (
        lambda notebook: notebook.metadata.kernelspec.update(name="dmoe"),
        "the kernel is not python3",
    ),
    (
        lambda notebook: notebook.metadata.update(nbmake={"where": "/home/me/x"}),
        "the metadata has a path of a machine",
    ),
    (_shows("saved to /tmp/x.json"), "cell 2 shows a path of a machine"),
    (_shows("x.py:3: UserWarning: old"), "cell 2 shows a warning"),
    (_shows("progress", "stderr"), "cell 2 has stream of stderr"),
    (
        _set(2, outputs=[nbformat.v4.new_output("error", ename="ValueError")]),
        "cell 2 has error of ValueError",
    ),
    (_set(0, source="# Title\n\nThis notebook is about"), "the first cell is not"),
    (_tasks(exercise(1), exercise(2)), "2 exercises"),
    (_tasks(exercise(1), exercise(2), exercise(4)), "exercises are numbered 1, 2, 4"),
    (
        _tasks(exercise(1), exercise(2), "**3.** Why?\n\nBecause."),
        "exercise 3 has no folded solution",
    ),
    (_set(1, source="%time x = 1"), "cell 1 is not Python"),
    (
        _set(1, source="from dmoe_opt.selection.des import _search"),
        "cell 1: private name dmoe_opt.selection.des._search",
    ),
    (_set(2, source="relaxed._pass(3)"), "cell 2: private name _pass"),
    (
        _set(1, source="from dmoe_opt.selection.relaxed import gone"),
        "cell 1: dmoe_opt.selection.relaxed has no gone",
    ),
    (_set(2, source="relaxed.gone()"), "cell 2: dmoe_opt.selection.relaxed has no gone"),
    (
        _tasks(*(exercise(n, "```python\nif:\n```\n") for n in (1, 2, 3))),
        "solution block 1 is not Python",
    ),
    (
        _tasks(*(exercise(n, "```python\ndmoe_opt.gone()\n```\n") for n in (1, 2, 3))),
        "solution block 1: dmoe_opt has no gone",
    ),
]


@pytest.mark.parametrize(("break_it", "says"), BREAKS, ids=[says for _, says in BREAKS])
def test_a_broken_notebook_is_seen(
    tmp_path: Path, break_it: Callable[[Any], None], says: str
) -> None:
    """Each promise, broken alone, is the complaint; a sound one has none."""
    path = tmp_path / "01-sound.ipynb"
    notebook = sound()
    nbformat.write(notebook, path)
    assert complaints(path) == []
    break_it(notebook)
    nbformat.write(notebook, path)
    found = complaints(path)
    assert found
    assert says in found[0]
