"""Tensors of a .safetensors file: a header in JSON, then raw numbers."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError

LENGTH_BYTES = 8
MOST_HEADER_BYTES = 100_000_000
"""As the format allows."""
_WORDS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "BOOL": "?"}
DTYPES = (
    _WORDS
    | {f"I{8 * size}": f"<i{size}" for size in (1, 2, 4, 8)}
    | {f"U{8 * size}": f"<u{size}" for size in (1, 2, 4, 8)}
)
"""Kinds of numbers that are read; numpy has no bfloat16, which is the upper half of a float32."""


class _Tensor(msgspec.Struct):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


def is_safetensors(content: bytes) -> bool:
    """Whether the file begins with the length of a header and the header."""
    length = int.from_bytes(content[:LENGTH_BYTES], "little")
    return content[LENGTH_BYTES : LENGTH_BYTES + 1] == b"{" and length <= MOST_HEADER_BYTES


def read_tensors(content: bytes) -> dict[str, NDArray[Any]]:
    """The tensors of a .safetensors file by name; bfloat16 comes as float32.

    Raises
    ------
    InputError
        If the header is damaged, or does not fit the bytes of the file.
    """
    end = LENGTH_BYTES + int.from_bytes(content[:LENGTH_BYTES], "little")
    try:
        header = msgspec.json.decode(content[LENGTH_BYTES:end], type=dict[str, msgspec.Raw])
        header.pop("__metadata__", None)
        tensors = {name: msgspec.json.decode(raw, type=_Tensor) for name, raw in header.items()}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"has a damaged header of safetensors: {error}") from None
    return {name: _array_of(name, tensor, content[end:]) for name, tensor in tensors.items()}


def _array_of(name: str, tensor: _Tensor, data: bytes) -> NDArray[Any]:
    if tensor.dtype not in DTYPES:
        raise fail(f"{name}.dtype", tensor.dtype, ", ".join(DTYPES))
    dtype = np.dtype(DTYPES[tensor.dtype])
    first, last = tensor.data_offsets
    wanted = math.prod(tensor.shape) * dtype.itemsize
    if min(tensor.shape, default=0) < 0 or first < 0 or last > len(data) or last - first != wanted:
        allowed = f"{wanted} bytes for its shape, inside the file"
        raise fail(f"{name}.data_offsets", list(tensor.data_offsets), allowed)
    array = np.frombuffer(data[first:last], dtype).reshape(tensor.shape)
    if tensor.dtype == "BF16":
        return (array.astype("<u4") << 16).view("<f4")
    return array
