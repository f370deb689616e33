"""Router traces for tests, and files of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from dmoe_opt.generating import gates

LOGITS = np.random.default_rng(5).normal(0.0, 2.0, (3, 6, 4))
SCORES = gates.softmax(LOGITS)
LINES = [
    {
        "step": step,
        "layer": layer,
        "ids": [(step + layer) % 4, (step + layer + 2) % 4],
        "weights": [0.75, 0.25],
    }
    for step in (0, 1, 5)
    for layer in (3, 7)
]


def as_lines(folder: Path, lines: list[Any]) -> Path:
    path = folder / "used.jsonl"
    path.write_text(
        "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    )
    return path


def as_arrays(folder: Path, **arrays: Any) -> Path:
    path = folder / "gate.npz"
    np.savez(path, **arrays)
    return path
