"""JSON Schema of the file formats, for editors and for programs in other languages.

Names, nesting and types come from the structures of the files: `data/formats.py`,
`data/placements.py`, `data/printed.py`, `proof/files.py`, `offload/scenario.py` and
`offload/episode.py`. Ranges of numbers and words are added here. The loader says what a schema
cannot say: sizes that must agree, numbers that are finite.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import MISSING, fields, replace
from typing import Any

import msgspec
import numpy as np

from dmoe_opt.answer.result import Status
from dmoe_opt.data import formats, placements, printed
from dmoe_opt.data.instance import MOST_CAPACITY
from dmoe_opt.data.problem import MOST_ENERGY_J, MOST_THRESHOLD, ON_SHORTFALL
from dmoe_opt.method_table import PROBLEMS
from dmoe_opt.offload import drift, episode, parts, proving, radio, scenario, store
from dmoe_opt.offload.presets import preset
from dmoe_opt.proof import files as proof_files

DRAFT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]

WORDS = {
    "on_shortfall": list(ON_SHORTFALL),
    "problem": list(PROBLEMS),
    "status": [status.value for status in Status],
    "job_quality": list(scenario.JOB_QUALITIES),
    "capacity_unit": list(scenario.UNITS),
    "fading": list(radio.FADING),
}
LIMITS: list[tuple[str, Schema]] = [
    ("scores skill correlation", {"minimum": 0, "maximum": 1}),
    ("threshold", {"minimum": 0, "maximum": MOST_THRESHOLD}),
    (
        "compute_energy wake_energy drop_price cost node_cost",
        {"minimum": 0, "maximum": MOST_ENERGY_J},
    ),
    ("source gains link_energy placement air_deadline_s", {"minimum": 0}),
    ("z prices rents waking room", {"minimum": 0}),
    ("bandwidth_hz power_w noise_w payload_bits result_bits", {"exclusiveMinimum": 0}),
    ("coherence_s deadline_s speed jobs_per_s weight work", {"exclusiveMinimum": 0}),
    ("max_experts", {"minimum": 1, "maximum": 2**31}),
    ("num_jobs", {"minimum": 1}),
    ("subtasks_per_job", {"minimum": 1, "maximum": scenario.MOST_COUNT}),
    ("capacity", {"minimum": 0}),
    ("job", {"minimum": 0, "maximum": episode.MOST_JOBS - 1}),
    ("spread", {"minimum": 0, "maximum": scenario.MOST_SPREAD}),
    ("load types gain", {"minimum": drift.LEAST_FACTOR, "maximum": drift.MOST_FACTOR}),
    ("memory compute_factor", {"minimum": 0}),
    ("size", {"exclusiveMinimum": 0}),
    ("loss", {"minimum": 0, "maximum": scenario.MOST_LOSS}),
]
RANGES = {name: limits for names, limits in LIMITS for name in names.split()}


def schemas() -> dict[str, Schema]:
    """The schema of every format of JSON by its name, such as `dmoe-opt/round`.

    Examples
    --------
    >>> from dmoe_opt.schema import schemas
    >>> print(*sorted(name.removeprefix("dmoe-opt/") for name in schemas()))
    certificate episode-certificate explanation memory offload placement round selection solution
    >>> schemas()["dmoe-opt/solution"]["properties"]["status"]
    {'enum': ['optimal', 'feasible', 'infeasible', 'no_solution']}
    """
    made = {name: _of_file(kind) for name, kind in formats.KINDS.items()} | {
        printed.EXPLANATION: _of_file(printed.Explanation),
        store.OFFLOAD: _of_offload(),
        proof_files.FORMAT: _of_certificate(),
        proving.FORMAT: _of_file(proving.EpisodeCertificateFields),
        placements.MEMORY: _of_file(placements.Memory),
        placements.PLACEMENT: _of_file(placements.PlacementFile),
    }
    for name, schema in made.items():
        schema["properties"] |= {"format": {"const": name}, "version": {"const": formats.VERSION}}
    made[formats.ROUND]["oneOf"] = [
        {"required": [links], "properties": {links: {"not": {"type": "null"}}}}
        for links in ("radio", "link_energy")
    ]
    capacity, _ = made[formats.ROUND]["properties"]["capacity"]["anyOf"]
    capacity["items"]["maximum"] = MOST_CAPACITY  # of tokens, not of an offloading scenario
    return {name: {"$schema": DRAFT, "title": name, **schema} for name, schema in made.items()}


def documents() -> dict[str, bytes]:
    """The schemas as files by name, such as `round.json`."""
    return {
        f"{name.split('/')[1]}.json": (json.dumps(s, indent=1) + "\n").encode()
        for name, s in schemas().items()
    }


def of_struct(kind: Any) -> Schema:
    """The schema of a structure or of a list of them, without ranges and words.

    Nested structures stand in `$defs`.
    """
    (schema,), parts = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    if "$ref" in schema:
        schema = parts.pop(schema["$ref"].rpartition("/")[2])
    for part in (schema, *parts.values()):
        part.pop("title", None)
        part.pop("description", None)  # a docstring, whose indents differ between Pythons
        if "properties" in part:
            part["additionalProperties"] = False
        for value in part.get("properties", {}).values():
            value.pop("default", None)
    return schema | ({"$defs": parts} if parts else {})


def _of_file(kind: type[msgspec.Struct]) -> Schema:
    """The schema of a structure that msgspec reads, with ranges and words."""
    schema = of_struct(kind)
    for part in (schema, *schema.get("$defs", {}).values()):
        for name, value in part["properties"].items():
            _narrow(name, value)
    return schema


def _of_certificate() -> Schema:
    """The schema of certificates, with their trees."""
    schema = _of_file(proof_files.CertificateFields)
    schema["$defs"] |= {
        "Tree": _tree("Tree", {"type": "number", "minimum": 0}),
    }
    sizes = {"prefixItems": [{"const": "sizes"}, {"items": {"$ref": "#/$defs/Tree"}}]}
    schema["$defs"]["Tree"]["anyOf"].append({"type": "array", **sizes, "items": False})
    return schema


def _tree(name: str, leaf: Schema) -> Schema:
    """A leaf, or an expert or node with the trees where it is in and out."""
    child = {"$ref": f"#/$defs/{name}"}
    branch = {"prefixItems": [{"type": "integer", "minimum": 0}, child, child], "items": False}
    return {"anyOf": [leaf, {"type": "array", **branch, "minItems": 3}]}


def _narrow(name: str, value: Schema) -> None:
    """Put the words or the range of a field where its string or numbers are."""
    for option in _innermost(value):
        if option.get("type") == "string" and name in WORDS:
            option.clear()
            option["enum"] = WORDS[name]
        elif option.get("type") in ("number", "integer"):
            option |= RANGES.get(name, {})


def _innermost(value: Schema) -> Iterator[Schema]:
    """For every alternative, the kind of its values, or of the entries of nested arrays."""
    for option in value.get("anyOf", [value]):
        while option.get("type") == "array" and option.get("items"):  # False after a tuple
            option = option["items"]
        yield option


def _of_offload() -> Schema:
    """The schema of scenarios and episodes.

    It has the fields of their dataclasses, nested as deep as in a drawn episode.
    """
    example = _with_all_fields()
    of_parts = {n: _of_part(kind, getattr(example, n)) for n, kind in scenario.PARTS.items()}
    late = replace(example.prices, late_per_s=0.5)  # which does not go with stages
    of_parts["prices"] = _of_part(scenario.Prices, late)
    slots = {"capacity": {"items": {"type": "integer", "maximum": scenario.MOST_COUNT}}}
    counts_work = {"properties": {"capacity_unit": {"const": "work"}}}
    of_parts["experts"] |= {
        "if": counts_work | {"required": ["capacity_unit"]},
        "else": {"properties": slots},
    }
    drawn = _of_part(episode.Episode, episode.draw(example, 0), episode.MARGIN)
    schema = _of_file(store.Document)
    schema["properties"] |= of_parts | {"episode": {"anyOf": [drawn, {"type": "null"}]}}
    return schema


def _with_all_fields() -> scenario.Scenario:
    """A scenario that has every optional field."""
    base = preset("drifting")
    experts = replace(base.experts, capacity=np.ones(base.num_experts), capacity_unit="work")
    device = replace(base.device, capacity=1.5)
    arrivals = replace(base.arrivals, job_quality="product")
    return replace(base, experts=experts, device=device, arrivals=arrivals)


def _of_part(kind: Any, example: Any, margin: float = 1.0) -> Schema:
    """The schema of a dataclass, from an example of it.

    The numbers of an episode may leave the range of a scenario's numbers by a factor `margin`.
    """
    wanted = [field for field in fields(kind) if field.name != "scenario"]
    properties = {field.name: _of_value(getattr(example, field.name)) for field in wanted}
    for name, value in properties.items():
        _narrow(name, value)
        for option in _innermost(value):
            if option.get("type") == "number":
                _limit(option, margin)
    return {
        "type": "object",
        "properties": properties,
        "required": [field.name for field in wanted if field.default is MISSING],
        "additionalProperties": False,
    }


def _limit(number: Schema, margin: float) -> None:
    """Put the range of a scenario's numbers, wider by `margin`, where a field has none."""
    if number.pop("exclusiveMinimum", None) is not None:
        number["minimum"] = parts.LEAST / margin
    number.setdefault("maximum", parts.MOST * margin)


def _of_value(value: Any) -> Schema:
    if isinstance(value, np.ndarray):
        inner: Schema = {"type": "integer" if value.dtype.kind == "i" else "number", "minimum": 0}
        for _ in range(value.ndim):
            inner = {"type": "array", "items": inner}
        return inner
    if isinstance(value, tuple):
        ends = {} if isinstance(value[0], str) else {"minItems": len(value), "maxItems": len(value)}
        return {"type": "array", "items": _of_value(value[0]), **ends}
    if isinstance(value, str):
        return {"type": "string"}
    return {"type": "integer" if isinstance(value, int) else "number", "minimum": 0}
