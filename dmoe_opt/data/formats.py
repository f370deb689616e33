"""The fields of the file formats, and how bytes become fields or one line of complaint.

docs/files.md describes the formats.
"""

from __future__ import annotations

import io
import json
import re
from typing import Any, TypeVar

import msgspec
import numpy as np

from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError

VERSION = 1
ROUND, SELECTION, SOLUTION = "dmoe-opt/round", "dmoe-opt/selection", "dmoe-opt/solution"
S = TypeVar("S", bound=msgspec.Struct)


class _Fields(msgspec.Struct, forbid_unknown_fields=True):
    pass


class _Header(msgspec.Struct):
    format: str
    version: int


class _Tokens(_Fields):
    source: list[int]
    scores: list[list[float]]
    threshold: float | list[float]


class RadioFields(_Fields):
    """The radio of a round."""

    bandwidth_hz: float
    power_w: float
    noise_w: float
    payload_bits: float
    gains: list[list[list[float]]]
    round_trip: bool = False


class _Round(_Fields):
    format: str
    version: int
    max_experts: int
    tokens: _Tokens
    compute_energy: list[float]
    radio: RadioFields | None = None
    link_energy: list[list[list[float]]] | None = None
    on_shortfall: str = "top_d"
    name: str = ""
    meta: dict[str, Any] = {}


class _Selection(_Fields):
    format: str
    version: int
    max_experts: int
    scores: list[list[float]]
    cost: list[list[float]]
    threshold: float | list[float]
    usable: list[list[bool]] | None = None
    on_shortfall: str = "top_d"
    name: str = ""
    meta: dict[str, Any] = {}


class Solution(_Fields):
    """A solution file: what a method answered, and what it claims of its answer."""

    format: str
    version: int
    instance: str
    instance_sha256: str
    problem: str
    method: str
    status: str
    objective_j: float | None
    bound_j: float | None
    gap: float | None
    selection: list[list[int]] | None
    allocation: list[list[int]] | None
    shortfall: list[int]
    wall_s: float
    stats: dict[str, Any] = {}
    message: str = ""


KINDS: dict[str, type[_Fields]] = {ROUND: _Round, SELECTION: _Selection, SOLUTION: Solution}


def read_fields(content: bytes) -> dict[str, Any] | Solution:
    """The fields of an instance, JSON or .npz, nested as in the format; or a solution.

    Raises
    ------
    InputError
        One line that names field, index, value and what is allowed.
    """
    return _unpack(content) if is_archive(content) else _parse(content)


def _kind(format_name: object, version: object) -> type[_Fields]:
    if not isinstance(format_name, str) or format_name not in KINDS:
        raise fail("format", format_name, " or ".join(f'"{name}"' for name in KINDS))
    if not isinstance(version, int) or version != VERSION or isinstance(version, bool):
        raise fail("version", version, f"{VERSION} (a newer file needs a newer dmoe-opt)")
    return KINDS[format_name]


def _parse(content: bytes) -> dict[str, Any] | Solution:
    header = decode(content, _Header)
    fields = decode(content, _kind(header.format, header.version))
    return fields if isinstance(fields, Solution) else _nested(fields)


def _nested(fields: _Fields) -> dict[str, Any]:
    """Structs as dictionaries, one level deep."""
    nested: dict[str, Any] = {}
    for name in fields.__struct_fields__:
        value = getattr(fields, name)
        nested[name] = _nested(value) if isinstance(value, _Fields) else value
    return nested


def decode(content: bytes, kind: type[S]) -> S:
    """JSON as a struct; raises `InputError` as `read_fields` does."""
    try:
        return msgspec.json.decode(content, type=kind)
    except RecursionError:
        raise InputError("is nested too deeply; allowed: the fields of the format") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(_explain(content, str(error))) from None


def _explain(content: bytes, complaint: str) -> str:
    """Turn a decoder's complaint into field, index, value and what is allowed."""
    what, _, where = complaint.partition(" - at ")
    path = where.strip("`").removeprefix("$").lstrip(".")
    try:
        document = json.loads(content)
        not_finite = _not_finite(document)
    except (ValueError, RecursionError):
        return f"is not valid JSON: {what}"
    if not_finite is not None:
        return f"{not_finite[0]} = {not_finite[1]!r}; allowed: finite numbers"
    inside = f"{path}." if path else ""
    if match := re.match(r"Object missing required field `(.*)`", what):
        return f"{inside}{match[1]} is missing; allowed: it must be given"
    if match := re.match(r"Object contains unknown field `(.*)`", what, re.DOTALL):
        name = " ".join(match[1].split())
        return f"{inside}{name} is unknown; allowed: only the fields of the format"
    try:
        value = _value_at(document, path)
    except (KeyError, IndexError, ValueError, TypeError):
        return f"{path or 'the document'}: {what}"
    allowed = re.sub(r"Expected (.*?)(, got.*)?$", r"\1", what).replace("`", "")
    return str(fail(path or "the document", value, allowed))


def _value_at(document: Any, path: str) -> Any:
    """The value at a path such as tokens.scores[3][0]."""
    value = document
    for key in re.findall(r"[^.\[\]]+", path):
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


def _not_finite(value: object, path: str = "") -> tuple[str, float] | None:
    """Path and value of the first number that is nan or infinite."""
    if isinstance(value, float):
        return None if np.isfinite(value) else (path, value)
    items: list[tuple[str, object]] = []
    if isinstance(value, dict):
        items = [(f"{path}.{key}" if path else str(key), inner) for key, inner in value.items()]
    elif isinstance(value, list):
        items = [(f"{path}[{i}]", inner) for i, inner in enumerate(value)]
    for place, inner in items:
        if (first := _not_finite(inner, place)) is not None:
            return first
    return None


def is_archive(content: bytes) -> bool:
    """True for a .npz file, told by its first bytes."""
    return content[:4] == b"PK\x03\x04"


def read_arrays(content: bytes) -> dict[str, Any]:
    """The arrays of a .npz file by name, single values as Python has them; nothing is unpickled.

    Raises
    ------
    InputError
        If the file is damaged, or holds Python objects.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            flat = {name: np.asarray(archive[name]) for name in archive.files}
    except Exception as error:  # zipfile, zlib and numpy raise many kinds on damaged archives
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(f"is not a readable .npz file: {reason}") from None
    return {name: array.item() if array.ndim == 0 else array for name, array in flat.items()}


_PARTS: dict[str, type[_Fields]] = {"tokens": _Tokens, "radio": RadioFields}
"""Fields that hold fields; in an archive their names are joined by a dot."""
_Meta: Any = dict[str, Any]


def _unpack(content: bytes) -> dict[str, Any]:
    """The fields of an archive, nested as in JSON."""
    arrays = read_arrays(content)
    kind = _kind(arrays.get("format"), arrays.get("version"))
    if kind is Solution:
        raise InputError("holds a solution; allowed: solutions are JSON")
    fields: dict[str, Any] = {}
    for name, value in arrays.items():
        if not _is_field(kind, name):
            raise InputError(f"{name} is unknown; allowed: only the fields of the format")
        head, _, tail = name.partition(".")
        if tail:
            fields.setdefault(head, {})[tail] = value
        else:
            fields[name] = value
    _require_all("", kind, fields)
    for head, part in _PARTS.items():
        if head in fields:
            _require_all(f"{head}.", part, fields[head])
    if "meta" in fields:
        fields["meta"] = decode(str(fields["meta"]).encode(errors="surrogatepass"), _Meta)
    return fields


def _is_field(kind: type[_Fields], name: str) -> bool:
    """Whether a format has a field of this name, as archives spell it."""
    head, dot, tail = name.partition(".")
    if head not in kind.__struct_fields__:
        return False
    if head in _PARTS:
        return tail in _PARTS[head].__struct_fields__
    return not dot


def _require_all(prefix: str, part: type[_Fields], given: dict[str, Any]) -> None:
    """Raise `InputError` if a field that a struct requires is not given."""
    for field in msgspec.structs.fields(part):
        if field.required and field.name not in given:
            raise InputError(f"{prefix}{field.name} is missing; allowed: it must be given")
