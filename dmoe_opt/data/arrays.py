"""Arrays of files that people have: numpy, MATLAB, safetensors, CSV."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data import formats, matlab, unpacking
from dmoe_opt.data.complaints import one_lined
from dmoe_opt.data.reading import read
from dmoe_opt.data.safetensors import is_safetensors, read_tensors
from dmoe_opt.data.tables import array_of, read_table
from dmoe_opt.errors import InputError, MissingExtraError

UNNAMED = "array"
READ = ".npy, .npz, .mat, .safetensors, or CSV, also as .gz or .zst"


def read_array(source: str | os.PathLike[str], name: str | None = None) -> NDArray[Any]:
    """An array of numbers from a file: numpy, MATLAB 5 to 7.2, safetensors or CSV, by its content.

    Parameters
    ----------
    source
        The path, or PATH:NAME.
    name
        The variable of a file that holds several, or the column of a CSV table. A CSV table with
        columns that say where its entries stand (`from`, `to`, `subcarrier`, `token`, `expert`,
        `layer`) becomes an array with these axes.

    Raises
    ------
    InputError
        One line that names the file, and what is allowed; for a file of another kind, what it is
        and the line that converts it. Nothing is unpickled.

    Examples
    --------
    >>> import numpy as np
    >>> import dmoe_opt
    >>> np.savez("channel.npz", H=np.ones((2, 2, 3)), noise=1e-9)
    >>> dmoe_opt.read_array("channel.npz:H").shape
    (2, 2, 3)
    """
    path, name = split_name(source, name)
    content = read(path)
    try:
        return array_in(unpacking.unpack(content), name)
    except (InputError, MissingExtraError) as error:
        raise type(error)(f"{path}: {error}") from None


def split_name(source: str | os.PathLike[str], name: str | None) -> tuple[str, str | None]:
    """Path and name of PATH:NAME."""
    text = os.fspath(source)
    head, colon, tail = text.rpartition(":")
    if name is None and colon and len(head) > 1 and tail and not Path(text).exists():
        return head, tail
    return text, name


def array_in(content: bytes, name: str | None = None) -> NDArray[Any]:
    """As `read_array`, from the content of a file."""
    arrays = arrays_in(content, READ)
    if arrays is None:
        return array_of(read_table(content), name)
    return one_of(arrays, name)


def one_of(arrays: dict[str, Any], name: str | None) -> NDArray[Any]:
    """The only array of a file, or the one of this name; raises `InputError` as `read_array`."""
    if name is None and len(arrays) == 1:
        return _numeric(*next(iter(arrays.items())))
    if name is not None and name in arrays:
        return _numeric(name, arrays[name])
    shapes = [f"{key} ({' x '.join(map(str, np.shape(a)))})" for key, a in arrays.items()]
    have = ", ".join(shapes) or "no array of numbers"
    wanted = f'"{name}" is missing' if name is not None else "the variable is not named"
    raise InputError(f"{wanted}; allowed: one of {have}, as FILE:NAME")


def _numeric(name: str, array: Any) -> NDArray[Any]:
    numbers = np.asarray(array)
    if numbers.dtype.kind not in "biufc":
        raise InputError(f"{name} has entries of the kind {numbers.dtype}; allowed: numbers")
    return numbers


def arrays_in(content: bytes, allowed: str) -> dict[str, Any] | None:
    """The arrays of a file by name, `UNNAMED` for that of a .npy file; None for text.

    Raises
    ------
    InputError
        If the file is damaged, or of another kind, which is named; `allowed` are the kinds that
        are read, in words.
    """
    if content.startswith(unpacking.NPY):
        return {UNNAMED: _npy(content)}
    if formats.is_archive(content) and not unpacking.is_torch(content):
        return formats.read_arrays(content)
    if content.startswith(matlab.MAGIC):
        return dict(matlab.read_matlab(content))
    if is_safetensors(content):
        return dict(read_tensors(content))
    kinds = tuple(first for first, _, _ in unpacking.UNREAD)
    if not content.strip() or content.startswith((b"\x80", unpacking.ZIP, *kinds)):
        raise unpacking.unread(content, allowed)
    if b"\0" in content[:1000]:
        raise unpacking.unread(content, allowed)
    return None


def _npy(content: bytes) -> NDArray[Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.asarray(np.load(io.BytesIO(content), allow_pickle=False))
    except Exception as error:  # numpy raises many kinds on damaged files
        reason = one_lined(str(error))[:120] or type(error).__name__
        raise InputError(f"is not a readable .npy file: {reason}") from None
