"""Numeric arrays of MATLAB files, version 5 to 7.2.

scipy.io reads them too, but a damaged file makes it write past its memory and end the process.
The format is that of MathWorks' "MAT-File Format": a header, then one element per variable, each
a tag of type and length before its data.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data.reading import MOST_BYTES
from dmoe_opt.errors import InputError

MAGIC = b"MATLAB 5.0 MAT-file"
HEADER_BYTES = 128
MATRIX, COMPRESSED = 14, 15
DTYPES = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
"""Types of data by their number."""
_IN_ORDER = ("f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")
CLASSES = dict(enumerate(_IN_ORDER, start=6))
"""Classes of full numeric arrays; cells, structures, text and sparse arrays have other numbers."""
COMPLEX = 0x0800


class _Element(NamedTuple):
    kind: int
    data: memoryview


def read_matlab(content: bytes) -> dict[str, NDArray[Any]]:
    """The full numeric arrays of a file by name; other variables are left out.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    order = {b"IM": "<", b"MI": ">"}.get(content[126:HEADER_BYTES])
    if order is None:
        raise InputError("is a damaged MATLAB file: no mark of its byte order")
    arrays = {}
    for element in _elements(memoryview(content)[HEADER_BYTES:], order):
        for matrix in _unpacked(element, order):
            named = _array_of(matrix, order)
            if named is not None:
                arrays[named[0]] = named[1]
    return arrays


def _elements(data: memoryview, order: str) -> Iterator[_Element]:
    """Elements one after the other, each filled up to 8 bytes unless it is compressed."""
    while len(data) >= 8:
        first, second = (int(n) for n in np.frombuffer(data[:8], f"{order}u4"))
        if first >> 16:  # up to 4 bytes of data in the tag itself
            start, length, kind = 4, first >> 16, first & 0xFFFF
            end = 8
        else:
            start, length, kind = 8, second, first
            end = 8 + length + (-length % 8 if kind != COMPRESSED else 0)
        if start + length > min(len(data), max(end, 8)):
            raise InputError(f"is a damaged MATLAB file: {length:,} bytes are not there")
        yield _Element(kind, data[start : start + length])
        data = data[end:]


def _unpacked(element: _Element, order: str) -> Iterator[_Element]:
    """The matrices of an element, which may be compressed."""
    if element.kind == MATRIX:
        yield element
    if element.kind != COMPRESSED:
        return
    try:
        inflater = zlib.decompressobj()
        content = inflater.decompress(element.data, MOST_BYTES)
    except zlib.error as error:
        raise InputError(f"is a damaged MATLAB file: {error}") from None
    yield from (inner for inner in _elements(memoryview(content), order) if inner.kind == MATRIX)


def _array_of(matrix: _Element, order: str) -> tuple[str, NDArray[Any]] | None:
    """Name and numbers of a variable; None if it is no full array of numbers."""
    parts = _elements(matrix.data, order)
    flags, dims, name = (next(parts, None) for _ in range(3))
    if flags is None or dims is None or name is None or len(flags.data) < 4:
        return None
    bits = int(np.frombuffer(flags.data[:4], f"{order}u4")[0])
    if bits & 0xFF not in CLASSES or len(dims.data) % 4:
        return None
    shape = tuple(int(n) for n in np.frombuffer(dims.data, f"{order}i4"))
    text = bytes(name.data).decode("latin-1")
    array = _numbers(text, next(parts, None), shape, order)
    if bits & COMPLEX:
        return text, array + 1j * _numbers(text, next(parts, None), shape, order)
    with np.errstate(invalid="ignore", over="ignore"):
        return text, array.astype(CLASSES[bits & 0xFF])


def _numbers(
    name: str, element: _Element | None, shape: tuple[int, ...], order: str
) -> NDArray[Any]:
    """The numbers of a part, stored column by column and often in a smaller type."""
    size = math.prod(shape)
    dtype = None if element is None else DTYPES.get(element.kind)
    wanted = 0 if dtype is None else size * np.dtype(dtype).itemsize
    if element is None or dtype is None or min(shape, default=0) < 0 or len(element.data) != wanted:
        size_of = " x ".join(map(str, shape))
        raise InputError(f"is a damaged MATLAB file: {name} has no numbers for {size_of}")
    return np.frombuffer(element.data, order + dtype).reshape(shape, order="F")
