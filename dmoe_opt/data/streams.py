"""Selection problems in .npz files that are larger than memory, block of tokens by block."""

from __future__ import annotations

import contextlib
import os
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from dmoe_opt.data import formats, reading
from dmoe_opt.data.complaints import one_lined
from dmoe_opt.data.problem import SelectionProblem, digest_head, digest_start
from dmoe_opt.errors import InputError

ENTRIES = 2**21
"""Scores of a block: with the costs it is 32 MiB, so that a few fit into any memory."""
TABLES = ("scores", "cost", "usable")
PLACE = re.compile(r"^(scores|cost|usable|threshold)\[(\d+)\]|^token (\d+)")


@dataclass(frozen=True)
class Header:
    """What a file holds besides the tables: sizes, rules, and the name."""

    num_tokens: int
    num_experts: int
    max_experts: int
    on_shortfall: str
    name: str
    threshold: float | None
    has_usable: bool


def entries_in(path: str | os.PathLike[str]) -> int | None:
    """Number of scores of a file that can be streamed; None for any other file."""
    try:
        header = read_header(path)
    except InputError:
        return None
    return header.num_tokens * header.num_experts


def read_header(path: str | os.PathLike[str]) -> Header:
    """The header of a file.

    Raises
    ------
    InputError
        If it is no .npz file of a selection problem whose tables are stored row by row.
    """
    with _opened(path) as archive:
        names = {name.removesuffix(".npy") for name in archive.namelist()}
        small = {name: _small(archive, name) for name in names - {*TABLES, "threshold"}}
        kind = small.get("format")
        if kind != formats.SELECTION or small.get("version") != formats.VERSION:
            wanted = f'"{formats.SELECTION}", version {formats.VERSION}'
            raise InputError(f"format = {kind!r}; allowed for a stream: {wanted}")
        for name in names - set(formats.KINDS[formats.SELECTION].__struct_fields__):
            raise formats.unknown(name)
        for name in ("scores", "cost", "threshold", "max_experts"):
            if name not in names:
                raise InputError(f"{name} is missing; allowed: it must be given")
        shape = _Rows(archive, "scores", None).shape
        one = not _Rows(archive, "threshold", None).shape
        return Header(
            num_tokens=shape[0],
            num_experts=shape[1] if len(shape) == 2 else 0,
            max_experts=small["max_experts"],
            on_shortfall=small.get("on_shortfall", "top_d"),
            name=small.get("name", ""),
            threshold=float(_small(archive, "threshold")) if one else None,
            has_usable="usable" in names,
        )


def blocks(
    path: str | os.PathLike[str], header: Header, entries: int = ENTRIES
) -> Iterator[tuple[int, dict[str, Any]]]:
    """First token and fields of each block, to be made a problem by `problem_of_block`.

    Raises
    ------
    InputError
        If the file is damaged, or its tables do not have the same number of rows.
    """
    size = max(entries // max(header.num_experts, 1), 1)
    with _opened(path) as archive:
        rows = (header.num_tokens, header.num_experts)
        tables: dict[str, tuple[int, ...]] = {"scores": rows, "cost": rows}
        if header.threshold is None:
            tables["threshold"] = rows[:1]
        if header.has_usable:
            tables["usable"] = rows
        readers = {name: _Rows(archive, name, shape) for name, shape in tables.items()}
        common = {"max_experts": header.max_experts, "on_shortfall": header.on_shortfall}
        for first in range(0, header.num_tokens, size):
            number = min(size, header.num_tokens - first)
            fields = {name: reader.take(number) for name, reader in readers.items()}
            yield first, {"threshold": header.threshold} | common | fields


def problem_of_block(first: int, fields: dict[str, Any]) -> SelectionProblem:
    """The problem of a block; a complaint names tokens as they are numbered in the file."""
    try:
        return SelectionProblem(**fields)
    except InputError as error:
        raise InputError(PLACE.sub(lambda match: _moved(match, first), str(error))) from None


def _moved(match: re.Match[str], first: int) -> str:
    if match[3] is not None:
        return f"token {int(match[3]) + first}"
    return f"{match[1]}[{int(match[2]) + first}]"


def sha256_of(path: str | os.PathLike[str], header: Header) -> str:
    """The digest that the problem would have in memory, one table after the other."""
    digest = digest_start("SelectionProblem", header.max_experts, header.on_shortfall)
    shape = (header.num_tokens, header.num_experts)
    for name in ("scores", "cost", "threshold", "usable"):
        of_table = shape[:1] if name == "threshold" else shape
        dtype = np.dtype(bool if name == "usable" else np.float64)
        digest_head(digest, dtype, of_table)
        for block in _table(path, header, name):
            digest.update(_plain(block, dtype).data)
    return digest.hexdigest()


def _plain(block: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """A block as an instance holds it: of its own type, and without -0.0."""
    array = np.ascontiguousarray(block, dtype=dtype)
    return array if dtype.kind == "b" else np.asarray(array + 0.0)


def _table(path: str | os.PathLike[str], header: Header, name: str) -> Iterator[NDArray[Any]]:
    """The blocks of one table; those of a field that is not in the file are made."""
    tokens, experts = header.num_tokens, header.num_experts
    size = max(ENTRIES // max(experts, 1), 1)
    numbers = [min(size, tokens - first) for first in range(0, tokens, size)]
    if name == "threshold" and header.threshold is not None:
        yield from (np.full(number, header.threshold) for number in numbers)
    elif name == "usable" and not header.has_usable:
        yield from (np.ones((number, experts), dtype=bool) for number in numbers)
    else:
        with _opened(path) as archive:
            reader = _Rows(archive, name, None)
            yield from (reader.take(number) for number in numbers)


class _Rows:
    """Rows of one array of an archive, read one after the other."""

    def __init__(self, archive: zipfile.ZipFile, name: str, shape: tuple[int, ...] | None) -> None:
        self.name = name
        self.file: IO[bytes] = archive.open(f"{name}.npy")
        self.shape, columns_first, self.dtype = _header(self.file)
        if self.dtype.kind not in ("b" if name == "usable" else "fiu"):
            raise InputError(f"{name} has entries of type {self.dtype}; allowed: numbers")
        if columns_first and len(self.shape) > 1:
            raise InputError(f"{name} is stored column by column; allowed: row by row (C order)")
        if shape is not None and self.shape != shape:
            have, wanted = (" x ".join(map(str, sizes)) for sizes in (self.shape, shape))
            raise InputError(f"{name} has shape {have}; allowed: {wanted}")

    def take(self, rows: int) -> NDArray[Any]:
        """The next rows."""
        shape = (rows, *self.shape[1:])
        size = int(np.prod(shape)) * self.dtype.itemsize
        content = self.file.read(size)
        if len(content) != size:
            raise InputError(f"{self.name} ends early; allowed: a whole file")
        return np.frombuffer(content, self.dtype).reshape(shape)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, columns_first, dtype = read(file)
    return shape, columns_first, dtype


def _small(archive: zipfile.ZipFile, name: str) -> Any:
    with archive.open(f"{name}.npy") as file:
        return npy.read_array(file, allow_pickle=False).item()


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[zipfile.ZipFile]:
    """An archive; whatever is wrong with it becomes one line that starts with the path."""
    reading.bytes_of(path)
    try:
        # Closed here, and not when the last member is forgotten, as an archive would do it.
        with Path(path).open("rb") as file, zipfile.ZipFile(file) as archive:
            yield archive
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (GeneratorExit, KeyboardInterrupt):
        raise
    except Exception as error:  # zipfile, zlib and numpy raise many kinds on damaged archives
        reason = one_lined(str(error))[:120] or type(error).__name__
        raise InputError(f"{path}: is not a readable .npz file: {reason}") from None
