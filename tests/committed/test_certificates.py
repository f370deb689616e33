"""The certificates of the committed instances, checked in exact arithmetic."""

from __future__ import annotations

import json

import pytest

from dmoe_opt import load, prove, solve
from dmoe_opt.data.files import instance_files, instances_folder
from dmoe_opt.proof import check_proof

FOLDER = instances_folder() / "proofs"
KNOWN = json.loads((instances_folder() / "best_known.json").read_text())
CASES = [
    (name, problem)
    for name, entries in KNOWN.items()
    for problem, entry in entries.items()
    if "certified_j" in entry
]
MOST_BYTES = 200_000
OPEN = {
    ("scarce-8x48-s0", "jesa"): 1e-3,
    ("interference-8x64-s1", "jesa"): 1e-8,
    ("deadline-8x64-s1", "jesa"): 1e-8,
    ("capacity-8x64-s1", "jesa"): 1e-8,
    ("rich-8x64-s1", "jesa"): 1e-8,
}
"""Relative gaps that certificates leave; 1e-11 elsewhere."""


def test_there_are_no_others() -> None:
    """All joint problems and half of the others have a certificate, of less than 200 kB."""
    sizes = {(path.stem, path.parent.name): path.stat().st_size for path in FOLDER.glob("*/*.json")}
    assert set(sizes) == set(CASES)
    assert max(sizes.values()) < MOST_BYTES
    joint = {name for name, entries in KNOWN.items() if "jesa" in entries}
    assert joint == {name for name, problem in CASES if problem == "jesa"}
    assert 2 * sum(problem == "selection" for _, problem in CASES) >= len(KNOWN)


@pytest.mark.parametrize(("name", "problem"), CASES)
def test_certificates_are_accepted(name: str, problem: str) -> None:
    """What `best_known.json` calls certified is accepted, and near the claimed bound."""
    entry = KNOWN[name][problem]
    instance = json.loads(instance_files()[name].read_text())
    proof = json.loads((FOLDER / problem / f"{name}.json").read_text())
    claim = {"problem": problem, "status": entry["status"], "bound_j": entry["certified_j"]}
    assert check_proof.verdict(instance, claim, proof) == ""
    if entry["status"] != "infeasible":
        gap = 1 - entry["certified_j"] / entry["bound_j"]
        assert 0 <= gap < OPEN.get((name, problem), 1e-11)


@pytest.mark.parametrize(
    ("name", "gap"), [("edge-8x64-s1", 1e-9), ("scarce-8x36-s0", 1e-9), ("capacity-8x64-s1", 1e-6)]
)
def test_committed_rounds_are_certified(name: str, gap: float) -> None:
    """With links to spare the joint optimum is certified, where room is scarce nearly so."""
    result = solve(load(name), "jesa", "lagrangian")
    certificate = prove(load(name), result)
    assert certificate.bound_j is not None
    assert certificate.bound_j >= result.bound_j * (1 - gap)
