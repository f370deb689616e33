"""The published JSON Schema: current, met by every file of the project, strict where it can be."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from jsonschema import Draft202012Validator

from dmoe_opt import InputError, Instance, explain, load, save, solve
from dmoe_opt.cli import documents as cli_documents
from dmoe_opt.data import files
from dmoe_opt.data.placements import PlacedLayer, placement_json
from dmoe_opt.offload import episode, presets, store
from dmoe_opt.schema import documents, schemas

PUBLISHED = Path(__file__).parents[1] / "docs" / "schema"


@cache
def validator(name: str) -> Draft202012Validator:
    """The schema of a format, which is itself checked."""
    schema = schemas()[name]
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def complaints(document: dict[str, Any], name: str | None = None) -> list[str]:
    """What the schema of a document's format, or of another one, says against it."""
    checked = validator(name or document["format"])
    return [error.message for error in checked.iter_errors(document)]


def refused(document: dict[str, Any], folder: Path) -> bool:
    """Whether the loader refuses the document."""
    path = folder / "x.json"
    path.write_text(json.dumps(document))
    try:
        store.load(path) if document["format"] == store.OFFLOAD else load(path)
    except InputError:
        return True
    return False


def offload_document(tmp_path: Path) -> dict[str, Any]:
    """A drawn episode as it is written."""
    store.save(episode.draw(presets.preset("mixed"), 1), tmp_path / "e.json")
    return json.loads((tmp_path / "e.json").read_text())  # type: ignore[no-any-return]


def tiny() -> dict[str, Any]:
    """The committed round that can be checked by hand."""
    return json.loads(files.resolve("tiny-s1").read_text())  # type: ignore[no-any-return]


def meaning(schema: Any) -> Any:
    """A schema whose alternatives stand in one order; versions of msgspec differ in it."""
    if isinstance(schema, list):
        return [meaning(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    same = {name: meaning(part) for name, part in schema.items()}
    if "anyOf" in same:
        same["anyOf"].sort(key=json.dumps)
    return same


@pytest.mark.parametrize(
    ("folder", "made"),
    [(PUBLISHED, documents()), (PUBLISHED / "cli", cli_documents.files())],
    ids=["files", "commands"],
)
def test_published_schemas_are_current(folder: Path, made: dict[str, bytes]) -> None:
    """Otherwise: python docs/schema/make.py."""
    assert {path.name for path in folder.glob("*.json")} == set(made)
    for name, content in made.items():
        published = json.loads((folder / name).read_bytes())
        assert meaning(published) == meaning(json.loads(content))


def test_written_files_meet_the_schema(tmp_path: Path) -> None:
    """Scenarios, an episode, solutions with and without an answer, a round without a radio."""
    for name in presets.PRESETS:
        store.save(presets.preset(name), tmp_path / "s.json")
        assert complaints(json.loads((tmp_path / "s.json").read_text())) == []
    assert complaints(offload_document(tmp_path)) == []
    for instance, problem in (
        ("tiny-s1", "jesa"),
        ("digits-l1", "selection"),
        ("scarce-8x36-s1", "jesa"),
    ):
        save(solve(load(instance), problem), tmp_path / "solution.json")
        assert complaints(json.loads((tmp_path / "solution.json").read_text())) == []
    for problem, method in (("selection", "des"), ("jesa", "exact")):
        save(solve(load("tiny-s1"), problem, method, count=2), tmp_path / "several.json")
        assert complaints(json.loads((tmp_path / "several.json").read_text())) == []
        assert files.load_solution(tmp_path / "several.json")
    bare = Instance([0], [[0.25, 0.75]], 0.5, 1, [1.0, 1.0], link_energy=np.ones((2, 2, 1)))
    save(bare, tmp_path / "bare.json")
    assert complaints(json.loads((tmp_path / "bare.json").read_text())) == []


def test_memory_and_placements_meet_the_schema() -> None:
    """As the page of placements has them; a node without a number and a size of 0 do not."""
    page = (PUBLISHED.parent / "problems" / "placement.md").read_text()
    memory = json.loads(page.partition("```json\n")[2].partition("```")[0])
    assert complaints(memory) == []
    assert complaints(memory | {"size": 0})
    written = json.loads(placement_json(2, [PlacedLayer(None, [[0], [1, 0]])]))
    assert complaints(written) == []
    assert complaints(written | {"layers": [{"layer": 0, "placement": [[-1]]}]})


def test_certificates_meet_the_schema() -> None:
    """Small ones of every problem; a node of two parts and a negative price do not."""
    folder = files.instances_folder() / "proofs"
    for name in ("selection/digits-l4", "jesa/digits-l4", "jesa/scarce-8x36-s1"):
        assert complaints(json.loads((folder / f"{name}.json").read_text())) == []
    header = {"format": "dmoe-opt/certificate", "version": 1, "problem": "jesa", "bound_j": None}
    for wrong in ({"refuted": 1}, {"tokens": [{"z": 1, "tree": [0, -1, 0]}]}):
        assert complaints(header | {"instance_sha256": ""} | wrong)


def test_explanations_meet_the_schema() -> None:
    """As the command prints them: tokens and rules, links, and an answer that exists."""
    for problem in ("jesa", "allocation", "selection"):
        document = msgspec.to_builtins(explain(load("scarce-8x36-s1"), problem).document())
        assert document["infeasible"] == (problem != "selection")
        assert complaints(document) == []


BROKEN: dict[str, tuple[str, Any]] = {
    "a score above 1": ("tokens.scores.0.0", 1.5),
    "a score that is text": ("tokens.scores.0.0", "0.5"),
    "a score that is true": ("tokens.scores.0.0", True),
    "a negative gain": ("radio.gains.0.1.0", -1.0),
    "a gain too deep": ("radio.gains.0.1.0", [1.0]),
    "a power of 0": ("radio.power_w", 0),
    "half an expert": ("max_experts", 1.5),
    "no expert": ("max_experts", 0),
    "a negative node": ("tokens.source.0", -1),
    "an unknown word": ("on_shortfall", "shrug"),
    "an unknown field": ("colour", 1),
    "an unknown field of the radio": ("radio.colour", 1),
    "two kinds of links": ("link_energy", [[[1.0]]]),
    "no links": ("radio", None),
    "another version": ("version", 2),
    "notes that are a list": ("meta", []),
}


def put(document: Any, path: str, value: object) -> None:
    """Set the value at a dotted path; a component that is a number is an index."""
    *head, last = [int(p) if p.isdigit() else p for p in path.split(".")]
    for part in head:
        document = document[part]
    document[last] = value


@pytest.mark.parametrize("what", BROKEN)
def test_broken_rounds_do_not(what: str, tmp_path: Path) -> None:
    """What the schema refuses is what the loader refuses."""
    document = tiny()
    put(document, *BROKEN[what])
    assert complaints(document, "dmoe-opt/round")
    assert refused(document, tmp_path)


@pytest.mark.parametrize(
    "field", ["tokens", "tokens.scores", "radio.gains", "max_experts", "compute_energy"]
)
def test_missing_fields_do_not(field: str, tmp_path: Path) -> None:
    """A field that must be given."""
    document: Any = tiny()
    head, _, last = field.rpartition(".")
    del (document[head] if head else document)[last]
    assert complaints(document)
    assert refused(document, tmp_path)


BROKEN_EPISODES: dict[str, tuple[str, Any]] = {
    "a skill above 1": ("experts.skill.0.0", 1.5),
    "half a slot": ("experts.capacity.0", 1.5),
    "skills too flat": ("experts.skill", [0.5]),
    "a speed of 0": ("experts.speed.0", 0.0),
    "a speed beyond all": ("experts.speed.0", 1e20),
    "work below all": ("episode.work.0", 1e-20),
    "a loss beyond all": ("prices.loss", 1e7),
    "three ends": ("arrivals.subtasks_per_job", [1, 2, 3]),
    "too many jobs": ("episode.job.0", 10**7),
    "an unknown fading": ("radio.fading", "rice"),
    "an unknown field": ("episode.colour", 1),
    "no job": ("arrivals.num_jobs", 0),
    "a type by its name": ("episode.type.0", "text"),
}


@pytest.mark.parametrize("what", BROKEN_EPISODES)
def test_broken_episodes_do_not(what: str, tmp_path: Path) -> None:
    """As for rounds."""
    document = offload_document(tmp_path)
    put(document, *BROKEN_EPISODES[what])
    assert complaints(document)
    assert refused(document, tmp_path)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("compute_energy", [1e-4]),
        ("tokens.source.0", 99),
        ("tokens.scores.0", [0.5]),
        ("radio.gains", []),
        ("radio.gains.0.1.0", float("inf")),
    ],
)
def test_what_only_the_loader_sees(path: str, value: object, tmp_path: Path) -> None:
    """Sizes that must agree, and numbers that are not finite: the page on file formats says so."""
    document = tiny()
    put(document, path, value)
    assert complaints(document) == []
    assert refused(document, tmp_path)
