"""The notebooks as data: their cells, and the code in the folded solutions of their exercises."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat

FOLDER = Path(__file__).parents[2] / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))


def read(path: Path) -> Any:
    """A notebook of format 4, validated."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def text_of(notebook: Any) -> str:
    """All markdown cells, one after the other."""
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def exercises(notebook: Any) -> list[str]:
    """Each exercise with its solution, as they follow **1.**, **2.** ... below the heading."""
    _, _, below = text_of(notebook).partition("Exercises\n")
    return re.split(r"^\*\*\d+\.\*\*", below, flags=re.MULTILINE)[1:]


def solutions(notebook: Any) -> list[str]:
    """The Python blocks of the solutions, in order."""
    return [
        block
        for exercise in exercises(notebook)
        for block in re.findall(r"^```python\n(.*?)^```", exercise, re.S | re.M)
    ]
