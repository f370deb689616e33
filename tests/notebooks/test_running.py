"""Notebooks run again: the solutions of exercises work, and the committed outputs are of today.

Cells with the tag `varies` may show something else each time, such as times.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from helpers.booklets import FOLDER, PATHS, code_cells, read, solutions
from nbclient import NotebookClient

NUMBER = re.compile(r"-?(?:\d[\d,]*\.?\d*|\.\d+)(?:e[+-]?\d+)?")
NEAR = 0.01  # relative: printed digits are few, and other processors round otherwise


def run(notebook: Any) -> None:
    """Execute in place; an error of a cell is raised with its traceback."""
    NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    ).execute()


def printed(cell: Any) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def differs(old: str, new: str) -> bool:
    """Whether words differ, or numbers by more than a little."""
    if NUMBER.sub("#", old).split() != NUMBER.sub("#", new).split():
        return True
    before, now = (
        [float(number.replace(",", "")) for number in NUMBER.findall(text)] for text in (old, new)
    )
    return not all(
        math.isclose(*pair, rel_tol=NEAR, abs_tol=1e-12) for pair in zip(before, now, strict=True)
    )


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_solutions_run_and_outputs_are_of_today(path: Path) -> None:
    """The solutions run in order after the cells, without errors or warnings."""
    notebook = read(path)
    committed = [printed(cell) for cell in code_cells(notebook)]
    blocks = solutions(notebook)
    notebook.cells += [nbformat.v4.new_code_cell(source) for source in blocks]
    run(notebook)
    cells = code_cells(notebook)
    noisy = [
        block
        for block, cell in zip(blocks, cells[len(committed) :], strict=True)
        if "stderr" in str(cell.outputs)
    ]
    assert noisy == []
    for n, (cell, old) in enumerate(zip(cells, committed, strict=False), 1):
        if "varies" not in cell.metadata.get("tags", []):
            assert not differs(old, printed(cell)), (
                f"cell {n} printed\n{old}\nand prints now\n{printed(cell)}"
            )


def test_what_counts_as_different() -> None:
    """Words, a number, a missing line; not a last digit or the width of a column."""
    old = "gap 7.498e-01 %, 1,234 nodes"
    assert not differs(old, "gap  7.499e-01 %, 1,235 nodes\n")
    for new in (
        "gap 7.498e-01 J, 1,234 nodes",
        "gap 7.698e-01 %, 1,234 nodes",
        "gap 7.498e-01 %",
        "gap 7.498e-03 %, 1,234 nodes",
    ):
        assert differs(old, new)


def test_a_failing_solution_is_seen() -> None:
    """An error in the last cell is raised."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("x = 1"), nbformat.v4.new_code_cell("x / 0")]
    )
    with pytest.raises(Exception, match="ZeroDivisionError"):
        run(notebook)
