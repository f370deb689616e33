"""Scenario and episode files, JSON of the format `dmoe-opt/offload`.

The file of an episode holds its scenario, and its arrays in the field `episode`.
"""

from __future__ import annotations

import os
from dataclasses import MISSING, fields
from typing import Any

import msgspec
import numpy as np

from dmoe_opt.data import files, formats
from dmoe_opt.errors import InputError
from dmoe_opt.offload import episode as episodes
from dmoe_opt.offload import scenario as scenarios
from dmoe_opt.offload.episode import Episode, scenario_of
from dmoe_opt.offload.scenario import PARTS, Scenario

OFFLOAD = "dmoe-opt/offload"


class Document(msgspec.Struct, forbid_unknown_fields=True):
    """An offloading scenario, and perhaps an episode of it."""

    format: str
    version: int
    experts: dict[str, Any]
    device: dict[str, Any]
    types: dict[str, Any]
    arrivals: dict[str, Any]
    radio: dict[str, Any]
    prices: dict[str, Any]
    drift: dict[str, Any] | None = None
    name: str = ""
    meta: dict[str, Any] = {}
    episode: dict[str, Any] | None = None


def load(path: str | os.PathLike[str]) -> Scenario | Episode:
    """Read a scenario, or the episode if the file holds one.

    Raises
    ------
    InputError
        One line that names file, field, index, value and what is allowed.
    """
    content = files.read(path)
    try:
        formats.check_header(content, OFFLOAD)
        return _data_of(formats.decode(content, Document))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def from_fields(given: dict[str, Any]) -> Scenario | Episode:
    """A scenario or an episode from the fields of its file; `format` and `version` may be left out.

    Raises
    ------
    InputError
        One line that names field, index, value and what is allowed.
    """
    header = {"format": OFFLOAD, "version": formats.VERSION}
    content = msgspec.json.encode(header | given, enc_hook=_listed)
    formats.check_header(content, OFFLOAD)
    return _data_of(formats.decode(content, Document))


def _listed(value: Any) -> Any:
    return value.tolist()


def _data_of(document: Document) -> Scenario | Episode:
    given = {part: getattr(document, part) for part in PARTS}
    parts = {
        part: _build(PARTS[part], part, content)
        for part, content in given.items()
        if content is not None
    }
    scenario = Scenario(**parts, name=document.name, meta=document.meta)
    if document.episode is None:
        return scenario
    episode: Episode = _build(Episode, "episode", document.episode, scenario=scenario)
    return episode


def _build(kind: Any, part: str, given: dict[str, Any], **others: Any) -> Any:
    """One part of the format as its dataclass, whose fields are the fields of the format.

    `others` are fields of the dataclass that the part does not hold.
    """
    of_format = [field for field in fields(kind) if field.name not in others]
    names = [field.name for field in of_format]
    for name in given:
        if name not in names:
            shown = " ".join(name.split())[:60]
            raise InputError(f"{part}.{shown} is unknown; allowed: only the fields of the format")
    for field in of_format:
        if field.default is MISSING and field.name not in given:
            raise InputError(f"{part}.{field.name} is missing; allowed: it must be given")
    return kind(**given, **others)


def save(data: Scenario | Episode, path: str | os.PathLike[str]) -> None:
    """Write a scenario or an episode, bit-exact and atomically."""
    files.write(path, as_bytes(data))


def as_bytes(data: Scenario | Episode) -> bytes:
    """The file of a scenario or an episode."""
    scenario = scenario_of(data)
    document = {"format": OFFLOAD, "version": formats.VERSION, **scenarios.as_fields(scenario)}
    if isinstance(data, Episode):
        document["episode"] = episodes.as_fields(data)
    return msgspec.json.encode(document, enc_hook=np.ndarray.tolist) + b"\n"
