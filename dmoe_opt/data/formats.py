"""The fields of the file formats (docs/files.md).

Bytes become fields, or one line of complaint. JSON and .npz hold the same fields; in an .npz file
the fields of `tokens` and `radio` have names with a dot, and `meta` is text in JSON.
"""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from typing import Any, TypeVar

import msgspec
import numpy as np

from dmoe_opt.data.rankings import RankedRound, RankedSelection
from dmoe_opt.data.reading import MOST_BYTES, read
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
    placement: list[int] | None = None


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
    """A solution file: the answer of a method, and the claims about it."""

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
    token_ranking: list[list[RankedSelection]] | msgspec.UnsetType = msgspec.UNSET
    round_ranking: list[RankedRound] | msgspec.UnsetType = msgspec.UNSET


KINDS: dict[str, type[_Fields]] = {ROUND: _Round, SELECTION: _Selection, SOLUTION: Solution}


PARTS: dict[str, type[_Fields]] = {"tokens": _Tokens, "radio": RadioFields}
"""Fields that have fields of their own."""
_Meta: Any = dict[str, Any]


def read_fields(content: bytes) -> dict[str, Any] | Solution:
    """The fields of an instance, JSON or .npz, nested as in the format; or a solution.

    Raises
    ------
    InputError
        One line that names field, index, value and what is allowed.
    """
    return _unpack(content) if is_archive(content) else _parse(content)


def is_solution(content: bytes) -> bool:
    """Whether the format that a file names is that of solutions; the rest is not looked at."""
    try:
        return decode(content, _Header).format == SOLUTION
    except InputError:
        return False


def is_instance(content: bytes) -> bool:
    """Whether a file says that it is an instance, even if it is damaged elsewhere."""
    if is_archive(content):
        return b"format.npy" in content
    try:
        return decode(content, _Header).format in (ROUND, SELECTION)
    except InputError:
        return any(name.encode() in content for name in (ROUND, SELECTION))


def unknown(field: str, allowed: str = "only the fields of the format") -> InputError:
    """The complaint about a field that a file may not have; its name may hold anything."""
    return InputError(f"{_one_line(field)} is unknown; allowed: {allowed}")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _missing(path: str) -> InputError:
    return InputError(f"{path} is missing; allowed: it must be given")


def _inside(path: str, field: str) -> str:
    return f"{path}.{field}" if path else field


def _kind(format_name: object, version: object) -> type[_Fields]:
    if not isinstance(format_name, str) or format_name not in KINDS:
        raise fail("format", format_name, " or ".join(f'"{name}"' for name in KINDS))
    if not isinstance(version, int) or version != VERSION or isinstance(version, bool):
        raise fail("version", version, f"{VERSION} (a newer file needs a newer dmoe-opt)")
    return KINDS[format_name]


def _parse(content: bytes) -> dict[str, Any] | Solution:
    header = decode(content, _Header)
    document = decode(content, _kind(header.format, header.version))
    if isinstance(document, Solution):
        return document
    fields = msgspec.structs.asdict(document)
    for name in PARTS:
        if isinstance(fields.get(name), _Fields):
            fields[name] = msgspec.structs.asdict(fields[name])
    return fields


def decode(content: bytes, kind: type[S]) -> S:
    """JSON as a struct; raises `InputError` as `read_fields` does."""
    try:
        return msgspec.json.decode(content, type=kind)
    except RecursionError:
        raise InputError("is nested too deeply; allowed: the fields of the format") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        # Keys of the document stand in the complaint, and may hold line breaks.
        raise InputError(_one_line(_explain(content, str(error)))) from None


def _explain(content: bytes, complaint: str) -> str:
    """Turn a decoder's complaint into field, index, value and what is allowed."""
    what, _, where = complaint.partition(" - at `$")
    path = where.rstrip("`").lstrip(".")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return f"is not valid JSON: {what}"
    odd = _not_finite(document)
    if odd is not None:
        return f"{odd[0]} = {odd[1]!r}; allowed: finite numbers"
    if match := re.match(r"Object missing required field `(.*)`", what):
        return str(_missing(_inside(path, match[1])))
    if match := re.match(r"Object contains unknown field `(.*)`", what, re.DOTALL):
        return str(unknown(_inside(path, match[1])))
    return _explain_value(document, path, what)


def _explain_value(document: Any, path: str, what: str) -> str:
    """The complaint about the value at a path such as `tokens.scores[1][0]`."""
    place = path or "the document"
    value = document
    try:
        for key in re.findall(r"[^.\[\]]+", path):
            value = value[int(key)] if isinstance(value, list) else value[key]
    except (KeyError, IndexError, ValueError, TypeError):
        return f"{place}: {what}"
    expected = re.sub(r"Expected (.*?)(, got.*)?$", r"\1", what)
    return str(fail(place, value, expected.replace("`", "")))


def _not_finite(document: object) -> tuple[str, float] | None:
    """Path and value of the first number that is not finite."""
    # A stack in place of recursion: a document may be nested deeper than Python may call.
    waiting: list[tuple[str, object]] = [("", document)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, float) and not np.isfinite(value):
            return path, value
        waiting += reversed(_entries(path, value))
    return None


def _entries(path: str, value: object) -> list[tuple[str, object]]:
    if isinstance(value, dict):
        return [(_inside(path, str(key)), inner) for key, inner in value.items()]
    if isinstance(value, list):
        return [(f"{path}[{i}]", inner) for i, inner in enumerate(value)]
    return []


def is_archive(content: bytes) -> bool:
    """True for a .npz file, told by its first bytes."""
    return content[:4] == b"PK\x03\x04"


def read_arrays(source: bytes | str | os.PathLike[str]) -> dict[str, Any]:
    """The arrays of an .npz file by name; nothing is unpickled.

    Every reader of .npz files uses it: instances, traces, networks, agents. A reader checks the
    names, shapes and values itself. An array without dimensions comes as the Python value in it,
    so use `np.asarray(value, dtype=...)` where an array must be.

    Parameters
    ----------
    source
        A path; or the content of a file that has been read already, for readers that look at it
        first or name the file in their own errors.

    Raises
    ------
    InputError
        If the file cannot be read, is damaged, or holds Python objects. The line starts with the
        path if one is given.

    Examples
    --------
    >>> import io
    >>> import numpy as np
    >>> from dmoe_opt.data.formats import read_arrays
    >>> buffer = io.BytesIO()
    >>> np.savez(buffer, weights=np.zeros((2, 3)), layers=4)
    >>> arrays = read_arrays(buffer.getvalue())
    >>> arrays["weights"].shape, arrays["layers"]
    ((2, 3), 4)
    """
    if isinstance(source, bytes):
        return _arrays_of(source)
    content = read(source)
    try:
        return _arrays_of(content)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None


def _arrays_of(content: bytes) -> dict[str, Any]:
    try:
        _check_size(content)
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: np.asarray(archive[name]) for name in archive.files}
    except InputError:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise many kinds on damaged archives
        reason = _one_line(str(error))[:120] or type(error).__name__
        raise InputError(f"is not a readable .npz file: {reason}") from None
    return {name: array.item() if array.ndim == 0 else array for name, array in arrays.items()}


def _check_size(content: bytes) -> None:
    """Refuse archives whose arrays would be larger than any file that is read."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        unpacked = sum(part.file_size for part in archive.infolist())
    if unpacked > MOST_BYTES:
        raise InputError(f"its arrays have {unpacked:,} bytes; allowed: at most {MOST_BYTES:,}")


def _unpack(content: bytes) -> dict[str, Any]:
    """The fields of an instance in an .npz file, nested as in JSON."""
    arrays = read_arrays(content)
    for array in (value for value in arrays.values() if isinstance(value, np.ndarray)):
        array.flags.writeable = False  # so that the instance shares it and makes no copy
    kind = _kind(arrays.get("format"), arrays.get("version"))
    if kind is Solution:
        raise InputError("holds a solution; allowed: solutions are JSON")
    fields = _nested(arrays, kind)
    _check_required("", kind, fields)
    for part in PARTS:
        if part in fields:
            _check_required(part, PARTS[part], fields[part])
    if "meta" in fields:
        fields["meta"] = decode(str(fields["meta"]).encode(errors="surrogatepass"), _Meta)
    return fields


def _nested(arrays: dict[str, Any], kind: type[_Fields]) -> dict[str, Any]:
    """Put `tokens.scores` as `scores` into `tokens`, and so on; refuse unknown names."""
    fields: dict[str, Any] = {}
    for name, value in arrays.items():
        if not _is_field(name, kind):
            raise unknown(name)
        part, dot, field = name.partition(".")
        if dot:
            fields.setdefault(part, {})[field] = value
        else:
            fields[name] = value
    return fields


def _is_field(name: str, kind: type[_Fields]) -> bool:
    part, dot, field = name.partition(".")
    if part not in kind.__struct_fields__:
        return False
    if part in PARTS:
        return field in PARTS[part].__struct_fields__
    return not dot


def _check_required(path: str, kind: type[_Fields], fields: dict[str, Any]) -> None:
    for field in msgspec.structs.fields(kind):
        if field.required and field.name not in fields:
            raise _missing(_inside(path, field.name))
