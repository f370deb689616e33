"""Files about placements (docs/files.md): the memory of nodes, and the nodes of experts."""

from __future__ import annotations

import os
from typing import TypeVar

import msgspec

from dmoe_opt.data.formats import VERSION, check_header, decode
from dmoe_opt.data.reading import read
from dmoe_opt.data.validate import fail, real_array
from dmoe_opt.errors import InputError

F = TypeVar("F", "Memory", "PlacementFile")
MEMORY, PLACEMENT = "dmoe-opt/memory", "dmoe-opt/placement"


class Memory(msgspec.Struct, forbid_unknown_fields=True):
    """What nodes hold and what experts need, in one unit of your choice, such as bytes.

    A number counts for all. `compute_factor` is the energy of computing on every node, relative to
    that of the rounds.
    """

    format: str
    version: int
    memory: float | list[float]
    size: float | list[float] = 1.0
    compute_factor: list[float] | None = None


class PlacedLayer(msgspec.Struct, forbid_unknown_fields=True):
    """The nodes of every expert of one layer; of all layers if `layer` is null."""

    layer: int | None
    placement: list[list[int]]


class PlacementFile(msgspec.Struct, forbid_unknown_fields=True):
    """Where the experts are."""

    format: str
    version: int
    nodes: int
    layers: list[PlacedLayer]


def read_memory(path: str | os.PathLike[str], nodes: int, experts: int) -> Memory:
    """Read what so many nodes hold, and the sizes of so many experts.

    It raises `InputError` of one line that names file and field.
    """
    document = _read(path, Memory, MEMORY)
    for field, length in {"memory": nodes, "size": experts, "compute_factor": nodes}.items():
        value = getattr(document, field)
        try:
            if isinstance(value, list):
                real_array(field, value, (length,))
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
    return document


def read_placement(path: str | os.PathLike[str]) -> PlacementFile:
    """Read where experts are; raises `InputError` of one line that names file and field.

    Nodes are whole numbers below `nodes`, and an expert has each of its copies on a node of its
    own.
    """
    document = _read(path, PlacementFile, PLACEMENT)
    for i, layer in enumerate(document.layers):
        for j, held in enumerate(layer.placement):
            try:
                _check_nodes(f"layers[{i}].placement[{j}]", held, document.nodes)
            except InputError as error:
                raise InputError(f"{path}: {error}") from None
    return document


def _read(path: str | os.PathLike[str], kind: type[F], format_name: str) -> F:
    try:
        content = read(path)
        check_header(content, format_name)
        document = decode(content, kind)
    except InputError as error:
        named = str(error).startswith(str(path))
        raise InputError(str(error) if named else f"{path}: {error}") from None
    return document


def _check_nodes(field: str, held: list[int], nodes: int) -> None:
    if not held:
        raise InputError(f"{field} names no node; allowed: at least one")
    for place, n in enumerate(held):
        if not 0 <= n < nodes:
            raise fail(f"{field}[{place}]", n, f"whole numbers in 0..{nodes - 1}")
        if n in held[:place]:
            raise fail(f"{field}[{place}]", n, f"one copy on a node; node {n} has one already")


def placement_json(nodes: int, layers: list[PlacedLayer]) -> bytes:
    """A placement as its file."""
    return msgspec.json.encode(PlacementFile(PLACEMENT, VERSION, nodes, layers)) + b"\n"
