"""Sweeps that are written by hand: lines of results.jsonl."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dmoe_opt.sweep.judging import Judged, judge, read_jobs


def line(
    method: str,
    seed: int = 0,
    status: str = "optimal",
    objective: float | None = 1.0,
    **changes: Any,
) -> dict[str, Any]:
    """A line of results.jsonl: a job of 1 s whose bound is its objective, unless said otherwise."""
    row: dict[str, Any] = {
        "preset": "tiny",
        "seed": seed,
        "problem": "selection",
        "method": method,
        "options": {},
        "instance": f"tiny-s{seed}",
        "instance_sha256": f"hash {seed}",
        "tokens": 8,
        "experts": 4,
        "max_experts": 2,
        "subcarriers": None,
        "status": status,
        "objective_j": objective,
        "bound_j": objective,
        "gap": None,
        "relevance": None,
        "nodes": None,
        "wall_s": 1.0,
        "generate_s": 0.1,
        "tries": 1,
        "message": "",
        "host": "here",
        "versions": {},
        "finished": "2026-01-01T00:00:00",
    }
    if status not in ("optimal", "feasible"):
        row |= {"objective_j": None, "bound_j": None}
    if status == "failed":
        row |= {"wall_s": None, "instance_sha256": None}
    row |= changes
    key = [row[name] for name in ("preset", "seed", "problem", "method", "options")]
    return {"key": json.dumps(key)} | row


def write(folder: Path, rows: Sequence[dict[str, Any]], end: str = "") -> Path:
    (folder / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + end)
    return folder


def judged(folder: Path, *rows: dict[str, Any]) -> list[Judged]:
    return judge(read_jobs(write(folder, rows)))


def powers(
    method: str, exponent: float, tokens: Sequence[int], **changes: Any
) -> list[dict[str, Any]]:
    """Three seeds at every size, whose median is exactly 1 ms size^exponent."""
    rows = []
    for size, seed in itertools.product(tokens, range(3)):
        wall_s = 1e-3 * size**exponent * (0.5, 1.0, 3.0)[seed]
        job = {
            "tokens": size,
            "instance_sha256": f"{size} {seed}",
            "options": {"num_tokens": size},
            "wall_s": wall_s,
        }
        rows.append(line(method, seed, **job, **changes))
    return rows


THREE_BY_TWO = (
    line("a", 0, wall_s=1.0),
    line("b", 0, wall_s=2.0),
    line("a", 1, "failed"),
    line("b", 1, wall_s=3.0),
    line("a", 2, wall_s=6.0, objective=2.0),
    line("b", 2, "feasible", wall_s=2.0, objective=2.01, bound_j=1.0),
)
"""Jobs of two methods on three instances."""
