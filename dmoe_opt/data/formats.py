"""The fields of the file formats (docs/files.md), and how bytes become fields or one line of complaint."""

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
    if isinstance(fields, Solution):
        return fields
    return {
        name: (
            {n: getattr(value, n) for n in value.__struct_fields__}
            if isinstance(value, _Fields)
            else value
        )
        for name in fields.__struct_fields__
        for value in (getattr(fields, name),)
    }


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
    except (ValueError, RecursionError):
        return f"is not valid JSON: {what}"
    if (place := _not_finite(document)) is not None:
        return f"{place[0]} = {place[1]!r}; allowed: finite numbers"
    if match := re.match(r"Object missing required field `(.*)`", what):
        return f"{path + '.' if path else ''}{match[1]} is missing; allowed: it must be given"
    if match := re.match(r"Object contains unknown field `(.*)`", what, re.DOTALL):
        return f"{path + '.' if path else ''}{' '.join(match[1].split())} is unknown; allowed: only the fields of the format"
    value: Any = document
    try:
        for key in re.findall(r"[^.\[\]]+", path):
            value = value[int(key)] if isinstance(value, list) else value[key]
    except (KeyError, IndexError, ValueError, TypeError):
        return f"{path or 'the document'}: {what}"
    return str(
        fail(
            path or "the document",
            value,
            re.sub(r"Expected (.*?)(, got.*)?$", r"\1", what).replace("`", ""),
        )
    )


def _not_finite(value: object, path: str = "") -> tuple[str, float] | None:
    if isinstance(value, float) and not np.isfinite(value):
        return path, value
    if isinstance(value, dict):
        items: list[tuple[str, object]] = [
            (f"{path}.{k}" if path else str(k), v) for k, v in value.items()
        ]
    elif isinstance(value, list):
        items = [(f"{path}[{i}]", v) for i, v in enumerate(value)]
    else:
        return None
    return next((found for p, v in items if (found := _not_finite(v, p)) is not None), None)


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


def _unpack(content: bytes) -> dict[str, Any]:
    loose = read_arrays(content)
    kind = _kind(loose.get("format"), loose.get("version"))
    if kind is Solution:
        raise InputError("holds a solution; allowed: solutions are JSON")
    parts: dict[str, type[_Fields]] = {"tokens": _Tokens, "radio": RadioFields}
    fields: dict[str, Any] = {}
    for name, value in loose.items():
        head, _, tail = name.partition(".")
        known = tail in parts[head].__struct_fields__ if head in parts else not tail
        if head not in kind.__struct_fields__ or not known:
            raise InputError(f"{name} is unknown; allowed: only the fields of the format")
        if tail:
            fields.setdefault(head, {})[tail] = value
        else:
            fields[name] = value
    given: list[tuple[str, type[_Fields]]] = [
        ("", kind),
        *((h, p) for h, p in parts.items() if h in fields),
    ]
    for head, part in given:
        have = fields[head] if head else fields
        missing = next((n for n in _required(part) if n not in have), None)
        if missing:
            raise InputError(
                f"{head + '.' if head else ''}{missing} is missing; allowed: it must be given"
            )
    if "meta" in fields:
        fields["meta"] = decode(str(fields["meta"]).encode(errors="surrogatepass"), _Meta)
    return fields


_Meta: Any = dict[str, Any]


def _required(part: type[msgspec.Struct]) -> list[str]:
    return [f.name for f in msgspec.structs.fields(part) if f.required]
