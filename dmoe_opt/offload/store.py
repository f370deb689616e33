"""Scenario and episode files, format `dmoe-opt/offload`: JSON, an episode being a scenario with its arrays in `episode`."""

from __future__ import annotations

import os
from dataclasses import MISSING, fields
from typing import Any

import msgspec
import numpy as np

from dmoe_opt.data import files, formats
from dmoe_opt.data.validate import fail
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
    name: str = ""
    meta: dict[str, Any] = {}
    episode: dict[str, Any] | None = None


class _Header(msgspec.Struct):
    format: str
    version: int


def load(path: str | os.PathLike[str]) -> Scenario | Episode:
    """Read a scenario, or the episode if the file holds one.

    Raises
    ------
    InputError
        One line naming file, field, index, value and what is allowed.
    """
    content = files.read(path)
    try:
        header = formats.decode(content, _Header)
        if header.format != OFFLOAD:
            raise fail("format", header.format, f'"{OFFLOAD}"')
        if header.version != formats.VERSION:
            raise fail(
                "version",
                header.version,
                f"{formats.VERSION} (a newer file needs a newer dmoe-opt)",
            )
        document = formats.decode(content, Document)
        parts = {part: _build(kind, part, getattr(document, part)) for part, kind in PARTS.items()}
        scenario = Scenario(**parts, name=document.name, meta=document.meta)
        if document.episode is None:
            return scenario
        episode: Episode = _build(Episode, "episode", document.episode, scenario=scenario)
        return episode
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _build(kind: Any, part: str, given: dict[str, Any], **known: Any) -> Any:
    """One part of the format as its dataclass, whose fields are the fields of the format."""
    wanted = {f.name: f.default is MISSING for f in fields(kind) if f.name not in known}
    for name in given:
        if name not in wanted:
            shown = " ".join(name.split())[:60]
            raise InputError(f"{part}.{shown} is unknown; allowed: only the fields of the format")
    for name, required in wanted.items():
        if required and name not in given:
            raise InputError(f"{part}.{name} is missing; allowed: it must be given")
    return kind(**given, **known)


def save(data: Scenario | Episode, path: str | os.PathLike[str]) -> None:
    """Write a scenario or an episode, bit-exact and atomically."""
    scenario = scenario_of(data)
    document = {"format": OFFLOAD, "version": formats.VERSION, **scenarios.as_fields(scenario)}
    if isinstance(data, Episode):
        document["episode"] = episodes.as_fields(data)
    files.write(path, msgspec.json.encode(document, enc_hook=np.ndarray.tolist) + b"\n")
