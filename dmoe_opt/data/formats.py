"""The fields of the file formats (docs/files.md).

Bytes become fields, or one line of complaint. JSON and .npz hold the same fields; in an .npz file
the fields of `tokens` and `radio` have names with a dot, and `meta` is text in JSON.
"""

from __future__ import annotations

import io
import os
import zipfile
from typing import Any, TypeVar

import msgspec
import numpy as np

from dmoe_opt.data.complaints import explain, inside, missing, one_lined
from dmoe_opt.data.complaints import unknown as unknown  # also a name of this module
from dmoe_opt.data.rankings import RankedRound, RankedSelection
from dmoe_opt.data.reading import MOST_BYTES, read
from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError

VERSION = 1
NEWER = f"{VERSION} (a newer file needs a newer dmoe-opt)"
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
    drop_price: float | list[float] | None = None
    capacity: list[int] | None = None
    wake_energy: list[float] | None = None
    air_deadline_s: float | None = None
    send_once: bool = False


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
    placement: list[int] | None = None
    node_cost: list[list[float]] | None = None


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
    return _format_in(content) == SOLUTION


def is_instance(content: bytes) -> bool:
    """Whether a file says that it is an instance, even if it is damaged elsewhere."""
    if is_archive(content):
        return b"format.npy" in content
    name = _format_in(content)
    if name is None:
        return any(kind.encode() in content for kind in (ROUND, SELECTION))
    return name in (ROUND, SELECTION)


def _format_in(content: bytes) -> str | None:
    try:
        return decode(content, _Header).format
    except InputError:
        return None


def check_header(content: bytes, wanted: str) -> None:
    """Raise `InputError` unless a JSON document is of the wanted format and of this version.

    That comes before its fields, which another format or version may lack or have more of.
    """
    header = decode(content, _Header)
    if header.format != wanted:
        raise fail("format", header.format, f'"{wanted}"')
    if header.version != VERSION:
        raise fail("version", header.version, NEWER)


def _kind(format_name: object, version: object) -> type[_Fields]:
    if not isinstance(format_name, str) or format_name not in KINDS:
        raise fail("format", format_name, " or ".join(f'"{name}"' for name in KINDS))
    if not isinstance(version, int) or version != VERSION or isinstance(version, bool):
        raise fail("version", version, NEWER)
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
        raise InputError(one_lined(explain(content, error))) from None


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
        reason = one_lined(str(error))[:120] or type(error).__name__
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
            raise missing(inside(path, field.name))
