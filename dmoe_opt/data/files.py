"""Read and write instances and solutions (docs/files.md), and find the committed instances by name.

JSON and .npz hold the same fields. The content tells the format of a file that is read, the suffix
that of a file to write.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Container
from itertools import chain, count
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from dmoe_opt.data import formats
from dmoe_opt.data.formats import (
    ROUND,
    SELECTION,
    SOLUTION,
    VERSION,
    RadioFields,
    Solution,
    read_fields,
)
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.data.radio import DEAD_LINK_J, Radio
from dmoe_opt.data.reading import read as read  # also a name of this module, beside `write`
from dmoe_opt.data.validate import fail
from dmoe_opt.data.writing import is_stdout as is_stdout
from dmoe_opt.data.writing import write as write
from dmoe_opt.data.writing import writing as writing
from dmoe_opt.errors import InputError

MOST_OF_A_STEM = 80  # characters


def instances_folder() -> Path:
    """The folder of the committed instances: in the installed package, or beside a checkout's."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "instances"
    return inside if inside.is_dir() else package.parent / "instances"


def instance_files() -> dict[str, Path]:
    """Committed instances by name."""
    folder = instances_folder()
    paths = sorted([*folder.glob("*/*.json"), *folder.glob("*/*.npz")])
    return {path.stem: path for path in paths}


def resolve(path_or_name: str | os.PathLike[str]) -> Path:
    """A path as it is if something is there, else the committed instance of that name.

    Raises
    ------
    InputError
        If it is neither a string nor a path.
    """
    try:
        path = Path(path_or_name)
        exists = path.exists()
    except TypeError:
        allowed = "the path of a file, or the name of a committed instance"
        raise fail("path", path_or_name, allowed) from None
    except (OSError, ValueError):  # a name that no file can have
        exists = False
    if exists:
        return path
    return instance_files().get(str(path_or_name), path)


def load(path_or_name: str | os.PathLike[str]) -> Instance | SelectionProblem:
    """Read an instance from a file, or a committed one by its name.

    Raises
    ------
    InputError
        One line naming file, field, index, value and what is allowed.

    Examples
    --------
    >>> import dmoe_opt
    >>> dmoe_opt.load("tiny-s1")
    <Instance tiny-s1: 6 tokens, 3 experts, 6 subcarriers>
    """
    data = _read(resolve(path_or_name))
    if isinstance(data, Solution):
        raise InputError(
            f'{path_or_name}: format = "{SOLUTION}"; allowed: "{ROUND}" or "{SELECTION}"'
        )
    return data


def load_solution(path: str | os.PathLike[str]) -> Solution:
    """Read a solution file; raises `InputError` as `load` does."""
    data = _read(Path(path))
    if not isinstance(data, Solution):
        raise InputError(f'{path}: holds an instance; allowed: format "{SOLUTION}"')
    return data


def is_instance(path: Path) -> bool:
    """Whether a file says that it is an instance; `InputError` if it cannot be read."""
    return path.is_file() and formats.is_instance(read(path))


def is_solution(path: str | os.PathLike[str]) -> bool:
    """Whether a file says that it is a solution; `InputError` if it cannot be read."""
    return formats.is_solution(read(path))


def save(data: Instance | SelectionProblem | Any, path: str | os.PathLike[str]) -> None:
    """Write an instance or a result, bit-exact, whole or not at all.

    An instance becomes .npz if the suffix says so, and JSON otherwise; a result becomes JSON.

    Raises
    ------
    InputError
        If the file cannot be written; a file that was there before is then left as it was.

    Examples
    --------
    >>> import os, tempfile
    >>> import dmoe_opt
    >>> round_ = dmoe_opt.generate("tiny", seed=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "round.npz")
    ...     dmoe_opt.save(round_, path)
    ...     dmoe_opt.load(path).sha256 == round_.sha256
    True
    """
    if isinstance(data, Instance | SelectionProblem):
        if Path(path).suffix == ".npz":
            with writing(path) as file:  # without a copy of large gains in between
                np.savez(file, **_flat(_fields_of(data)))
        else:
            write(path, as_json(data))
    elif isinstance(data, Solution) or hasattr(data, "solution"):
        solution = data if isinstance(data, Solution) else data.solution()
        write(path, msgspec.json.encode(solution) + b"\n")
    else:
        raise fail("data", data, "an Instance, a SelectionProblem or a Result")


def require_place(path: str | os.PathLike[str]) -> None:
    """Raise `InputError` if a file cannot be put there, before the work that fills it begins."""
    reason = _obstacle(path)
    if reason:
        raise InputError(f"{path}: cannot be written: {reason}")


def _obstacle(path: str | os.PathLike[str]) -> str | None:
    if is_stdout(path):
        return None
    if not str(path):
        return "the name is empty"
    try:
        target = Path(os.path.realpath(path))
        if target.is_dir():
            return "it is a folder"
        if not target.parent.is_dir():
            return "No such file or directory"
    except (OSError, ValueError) as error:
        return str(error)
    return None


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Make a folder and the folders above it, unless it exists.

    Raises
    ------
    InputError
        If it cannot be made.
    """
    if is_stdout(path):
        raise InputError(f"{path}: is standard output; allowed: a folder")
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be made: {reason}") from None
    return Path(path)


def write_all(folder: str | os.PathLike[str], contents: dict[str, bytes]) -> list[Path]:
    """Write files by name into a folder, each whole or not at all, and return their paths.

    The folder is made if need be.

    Raises
    ------
    InputError
        If the folder cannot be made, or a file not be written.
    """
    path = make_folder(folder)
    for name, content in contents.items():
        write(path / name, content)
    return [path / name for name in contents]


def stem_of(name: str) -> str:
    """The name of an instance as that of a file: all but letters, digits, - and . become -.

    Examples
    --------
    >>> from dmoe_opt.data.files import stem_of
    >>> stem_of("../layer 3"), stem_of("edge-8x64-s1")
    ('layer-3', 'edge-8x64-s1')
    """
    return re.sub(r"[^\w.-]+", "-", name).strip(".-")[:MOST_OF_A_STEM] or "unnamed"


def unused_name(name: str, taken: Container[str]) -> str:
    """A name for the JSON file of an instance, with a number where others are `taken`.

    Examples
    --------
    >>> from dmoe_opt.data.files import unused_name
    >>> unused_name("layer 3", []), unused_name("up", ["up.json", "up-1.json"])
    ('layer-3.json', 'up-2.json')
    """
    stem = stem_of(name)
    numbered = (f"{stem}-{n}.json" for n in count(1))
    return next(one for one in chain([f"{stem}.json"], numbered) if one not in taken)


def as_json(data: Instance | SelectionProblem) -> bytes:
    """An instance as its JSON file."""
    return _json(_fields_of(data))


def _listed(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(type(value))


def _json(fields: dict[str, Any]) -> bytes:
    return msgspec.json.encode(fields, enc_hook=_listed) + b"\n"


def _fields_of(data: Instance | SelectionProblem) -> dict[str, Any]:
    common = {
        "name": data.name,
        "meta": data.meta,
        "max_experts": data.max_experts,
        "on_shortfall": data.on_shortfall,
    }
    if isinstance(data, SelectionProblem):
        arrays: dict[str, Any] = {
            "scores": data.scores,
            "cost": data.cost,
            "threshold": data.threshold,
        }
        if not data.usable.all():
            arrays["usable"] = data.usable
        if data.node_cost is not None:
            arrays |= {"placement": data.placement, "node_cost": data.node_cost}
        return {"format": SELECTION, "version": VERSION, **common, **arrays}
    tokens = {"source": data.source, "scores": data.scores, "threshold": data.threshold}
    fields = {
        "format": ROUND,
        "version": VERSION,
        **common,
        "tokens": tokens,
        "compute_energy": data.compute_energy,
    }
    if data.placement is not None:
        fields["placement"] = data.placement
    fields |= {name: getattr(data, name) for name in data.optional_rules}
    if data.radio is None:
        # Inside, a dead link has infinite energy, which JSON cannot hold.
        return fields | {"link_energy": np.minimum(data.link_energy, 10 * DEAD_LINK_J)}
    radio = {name: getattr(data.radio, name) for name in RadioFields.__struct_fields__}
    return fields | {"radio": radio}


def _flat(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields as .npz has them: nested ones with a dot, and `meta` as text."""
    flat: dict[str, Any] = {}
    for name, value in fields.items():
        if name == "meta":
            flat[name] = json.dumps(value)
        elif isinstance(value, dict):
            flat.update({f"{name}.{part}": inner for part, inner in value.items()})
        else:
            flat[name] = value
    return flat


def _read(path: Path) -> Instance | SelectionProblem | Solution:
    try:
        content = read(path)
    except InputError as error:
        near = difflib.get_close_matches(str(path), instance_files(), n=1)
        if not near:
            raise
        hint = f'did you mean the committed instance "{near[0]}"?'
        raise InputError(f"{error}; {hint}") from None
    try:
        fields = read_fields(content)
        del content  # large gains are in memory once more, as energies, but not three times
        return _build(fields)
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
    links = None if radio is None else Radio(**radio)
    return Instance(radio=links, **fields.pop("tokens"), **fields)
