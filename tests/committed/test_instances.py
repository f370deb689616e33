"""The instances of the repository: their schema, and what methods say of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from dmoe_opt import Status, load, solve
from dmoe_opt.data.files import instance_files
from dmoe_opt.method_table import METHODS
from dmoe_opt.schema import schemas

INSTANCES = [path for path in instance_files().values() if path.suffix == ".json"]


@pytest.mark.parametrize("path", INSTANCES, ids=lambda path: path.stem)
def test_they_meet_the_schema(path: Path) -> None:
    """Rounds and selection problems."""
    document = json.loads(path.read_text())
    validator = Draft202012Validator(schemas()[document["format"]])
    assert [error.message for error in validator.iter_errors(document)] == []


@pytest.mark.parametrize("name", ["tiny-s1", "digits-l4", "scarce-8x36-s1"])
def test_methods_agree(name: str) -> None:
    """Every method that claims `optimal` names the same energy, and no bound exceeds it."""
    results = [solve(load(name), "selection", method) for method in METHODS["selection"]]
    optimal = [r.objective_j for r in results if r.status == Status.OPTIMAL]
    assert len(optimal) >= 3
    assert optimal == pytest.approx([optimal[0]] * len(optimal), rel=1e-9)
    bounds = [r.bound_j for r in results if r.bound_j is not None]
    assert max(bounds) <= optimal[0] * (1 + 1e-9)  # type: ignore[operator]
