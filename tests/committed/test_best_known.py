"""What is known of the committed instances can be had again."""

from __future__ import annotations

import json

import pytest

from dmoe_opt import Instance, load, solve
from dmoe_opt.data.files import instance_files, instances_folder

KNOWN = json.loads((instances_folder() / "best_known.json").read_text())
CASES = [(name, problem) for name, problems in KNOWN.items() for problem in problems]


def test_every_instance_is_listed() -> None:
    """Each committed instance has an entry for each problem it can pose."""
    for name in instance_files():
        data = load(name)
        problems = {"allocation", "jesa"} if isinstance(data, Instance) else set()
        if not getattr(data, "optional_rules", ()):
            problems.add("selection")
        assert set(KNOWN[name]) == problems
    assert set(KNOWN) == set(instance_files())


@pytest.mark.parametrize(("name", "problem"), CASES)
def test_best_known(name: str, problem: str) -> None:
    """The method named there proves it again; no entry is further above its bound than a proof."""
    entry = KNOWN[name][problem]
    result = solve(load(name), problem, entry["method"])
    assert result.status == entry["status"]
    assert (result.message or None) == entry["reason"]
    if entry["objective_j"] is None:
        assert entry["status"] == "infeasible"
        assert result.objective_j is None
        return
    assert entry["bound_j"] <= entry["objective_j"] <= entry["bound_j"] * (1 + 2e-6)
    assert result.objective_j == pytest.approx(entry["objective_j"], rel=1e-6)
    assert result.bound_j == pytest.approx(entry["bound_j"], rel=1e-6)
