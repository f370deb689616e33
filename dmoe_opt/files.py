"""Read and write instances and solutions (MODEL.md section 4), and find the committed instances by name.

JSON and .npz hold the same fields; what a file holds is told by its content, what is written by the suffix.
"""

from __future__ import annotations

import difflib
import io
import json
import os
import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from dmoe_opt.instance import Instance, SelectionProblem
from dmoe_opt.radio import Radio
from dmoe_opt.validate import InputError, fail

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


class _Radio(_Fields):
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
    radio: _Radio | None = None
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


_KINDS: dict[str, type[_Fields]] = {ROUND: _Round, SELECTION: _Selection, SOLUTION: Solution}


def instances_folder() -> Path:
    """The folder of the committed instances: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "instances"
    return inside if inside.is_dir() else package.parent / "instances"


def instance_files() -> dict[str, Path]:
    """Committed instances by name."""
    folder = instances_folder()
    return {p.stem: p for p in sorted([*folder.glob("*/*.json"), *folder.glob("*/*.npz")])}


def resolve(path_or_name: str | os.PathLike[str]) -> Path:
    """A path as it is if something is there, else the committed instance of that name."""
    path = Path(path_or_name)
    known = instance_files()
    if path.exists() or str(path_or_name) not in known:
        return path
    return known[str(path_or_name)]


def load(path_or_name: str | os.PathLike[str]) -> Instance | SelectionProblem:
    """Read an instance from a file, or a committed one by its name.

    Raises
    ------
    InputError
        One line naming file, field, index, value and what is allowed.
    """
    data = _read(resolve(path_or_name))
    if isinstance(data, Solution):
        raise InputError(f'{path_or_name}: format = "{SOLUTION}"; allowed: "{ROUND}" or "{SELECTION}"')
    return data


def load_solution(path: str | os.PathLike[str]) -> Solution:
    """Read a solution file; raises `InputError` as `load` does."""
    data = _read(Path(path))
    if not isinstance(data, Solution):
        raise InputError(f'{path}: holds an instance; allowed: format "{SOLUTION}"')
    return data


def save(data: Instance | SelectionProblem | Any, path: str | os.PathLike[str]) -> None:
    """Write an instance (.npz, or JSON for any other suffix) or a result (JSON), bit-exact and atomically.

    Raises
    ------
    InputError
        If the file cannot be written; a file that was there before is then left as it was.
    """
    if isinstance(data, Instance | SelectionProblem):
        fields = _fields_of(data)
        write(path, _npz(fields) if Path(path).suffix == ".npz" else msgspec.json.encode(fields, enc_hook=_listed) + b"\n")
    else:
        solution = data if isinstance(data, Solution) else data.solution()
        write(path, msgspec.json.encode(solution) + b"\n")


def write(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file whole or not at all."""
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name[:100]}.{os.getpid()}.tmp")
    try:
        if target.exists() and not target.is_file():  # a pipe or device cannot be replaced
            target.write_bytes(content)
            return
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(f"{path}: cannot be written: {reason}") from None
    finally:
        temporary.unlink(missing_ok=True)


def _listed(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(type(value))


def _fields_of(data: Instance | SelectionProblem) -> dict[str, Any]:
    common = {"name": data.name, "meta": data.meta, "max_experts": data.max_experts, "on_shortfall": data.on_shortfall}
    if isinstance(data, SelectionProblem):
        arrays = {"scores": data.scores, "cost": data.cost, "threshold": data.threshold}
        if not data.usable.all():
            arrays["usable"] = data.usable  # type: ignore[assignment]
        return {"format": SELECTION, "version": VERSION, **common, **arrays}
    tokens = {"source": data.source, "scores": data.scores, "threshold": data.threshold}
    fields = {"format": ROUND, "version": VERSION, **common, "tokens": tokens, "compute_energy": data.compute_energy}
    if data.radio is None:
        return fields | {"link_energy": data.link_energy}
    return fields | {"radio": {name: getattr(data.radio, name) for name in _Radio.__struct_fields__}}


def _npz(fields: dict[str, Any]) -> bytes:
    flat: dict[str, Any] = {}
    for name, value in fields.items():
        if name == "meta":
            flat[name] = json.dumps(value)
        elif isinstance(value, dict):
            flat.update({f"{name}.{part}": inner for part, inner in value.items()})
        else:
            flat[name] = value
    buffer = io.BytesIO()
    np.savez(buffer, **flat)
    return buffer.getvalue()


def _read(path: Path) -> Instance | SelectionProblem | Solution:
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        near = difflib.get_close_matches(str(path), instance_files(), n=1)
        hint = f'; did you mean the committed instance "{near[0]}"?' if near else ""
        raise InputError(f"{path}: cannot be read: {reason}{hint}") from None
    try:
        if content[:4] == b"PK\x03\x04":
            return _build(_unpack(content))
        return _build(_parse(content))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _build(fields: dict[str, Any] | Solution) -> Instance | SelectionProblem | Solution:
    if isinstance(fields, Solution):
        return fields
    kind = fields.pop("format")
    fields.pop("version")
    if kind == SELECTION:
        return SelectionProblem(**fields)
    radio = fields.pop("radio", None)
    if (radio is None) == (fields.get("link_energy") is None):
        raise InputError("has radio and link_energy both or neither; allowed: exactly one of them")
    return Instance(radio=None if radio is None else Radio(**radio), **fields.pop("tokens"), **fields)


def _kind(format_name: object, version: object) -> type[_Fields]:
    if not isinstance(format_name, str) or format_name not in _KINDS:
        raise fail("format", format_name, " or ".join(f'"{name}"' for name in _KINDS))
    if version != VERSION or isinstance(version, bool):
        raise fail("version", version, f"{VERSION} (a newer file needs a newer dmoe-opt)")
    return _KINDS[format_name]


def _parse(content: bytes) -> dict[str, Any] | Solution:
    header = _decode(content, _Header)
    fields = _decode(content, _kind(header.format, header.version))
    if isinstance(fields, Solution):
        return fields
    return {
        name: ({n: getattr(value, n) for n in value.__struct_fields__} if isinstance(value, _Fields) else value)
        for name in fields.__struct_fields__
        for value in (getattr(fields, name),)
    }


def _decode(content: bytes, kind: type[S]) -> S:
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
    return str(fail(path or "the document", value, re.sub(r"Expected (.*?)(, got.*)?$", r"\1", what).replace("`", "")))


def _not_finite(value: object, path: str = "") -> tuple[str, float] | None:
    if isinstance(value, float) and not np.isfinite(value):
        return path, value
    if isinstance(value, dict):
        items: list[tuple[str, object]] = [(f"{path}.{k}" if path else str(k), v) for k, v in value.items()]
    elif isinstance(value, list):
        items = [(f"{path}[{i}]", v) for i, v in enumerate(value)]
    else:
        return None
    return next((found for p, v in items if (found := _not_finite(v, p)) is not None), None)


def _unpack(content: bytes) -> dict[str, Any]:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            flat = {name: archive[name] for name in archive.files}
    except Exception as error:  # zipfile, zlib and numpy raise many kinds on damaged archives
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(f"is not a readable .npz file: {reason}") from None
    loose = {name: array.item() if array.ndim == 0 else array for name, array in flat.items()}
    kind = _kind(loose.get("format"), loose.get("version"))
    if kind is Solution:
        raise InputError("holds a solution; allowed: solutions are JSON")
    parts: dict[str, type[_Fields]] = {"tokens": _Tokens, "radio": _Radio}
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
    given: list[tuple[str, type[_Fields]]] = [("", kind), *((h, p) for h, p in parts.items() if h in fields)]
    for head, part in given:
        have = fields[head] if head else fields
        missing = next((n for n in _required(part) if n not in have), None)
        if missing:
            raise InputError(f"{head + '.' if head else ''}{missing} is missing; allowed: it must be given")
    if "meta" in fields:
        fields["meta"] = _decode(str(fields["meta"]).encode(errors="surrogatepass"), _Meta)
    return fields


_Meta: Any = dict[str, Any]


def _required(part: type[msgspec.Struct]) -> list[str]:
    return [f.name for f in msgspec.structs.fields(part) if f.required]
