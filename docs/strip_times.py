"""Take times out of the notebooks after they ran: python docs/strip_times.py.

Without times, a run that changes no output leaves the files as they are.
"""

from __future__ import annotations

import json
from pathlib import Path

for path in sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb")):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["metadata"].pop("execution", None)
    notebook["metadata"]["language_info"] = {"name": "python"}
    text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8")
