"""Make notebooks the same after every run: python docs/strip_times.py.

Times are taken out, and what a cell prints is one output, however it came in pieces. So a run that
changes no output leaves the files as they are.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def joined(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Outputs of a cell, with neighbouring pieces of one stream as one."""
    whole: list[dict[str, Any]] = []
    for output in outputs:
        name = output.get("name")
        if whole and name is not None and whole[-1].get("name") == name:
            text = "".join([*whole[-1]["text"], *output["text"]])
            whole[-1] = {**whole[-1], "text": text.splitlines(keepends=True)}
        else:
            whole.append(output)
    return whole


for path in sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb")):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["metadata"].pop("execution", None)
        if "outputs" in cell:
            cell["outputs"] = joined(cell["outputs"])
    notebook["metadata"]["language_info"] = {"name": "python"}
    text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8")
