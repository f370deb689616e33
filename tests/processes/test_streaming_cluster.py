"""Files that are solved block by block on the workers of dask."""

from __future__ import annotations

import json
from pathlib import Path

from dmoe_opt import generate, save
from dmoe_opt.streaming import solve_stream


def test_a_cluster_gives_the_same_answer(tmp_path: Path) -> None:
    """The workers of dask get blocks, and the file is the same but for its time."""
    problem = generate("uncorrelated", 3, num_tokens=40, num_experts=12, max_experts=3)
    save(problem, tmp_path / "p.npz")
    documents = []
    for on_dask in (False, True):
        path = tmp_path / f"{on_dask}.json"
        solve_stream(tmp_path / "p.npz", path, entries=150, threads=2, on_dask=on_dask)
        documents.append(json.loads(path.read_text()) | {"wall_s": 0.0})
    assert documents[0] == documents[1]
