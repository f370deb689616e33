"""Checks of single fields.

Every failure is an `InputError` of one line: field, index, value, what is allowed. Arrays and
numbers enter the package here, so this is also where -0.0 becomes 0.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import fields
from functools import cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.errors import InputError

T = TypeVar("T")
Shape = tuple[int | None, ...]
MOST_DEPTH = 50
"""Levels of lists and objects in `meta`."""
LONGEST_PLACE = 200
"""Characters of a field with its indices; longer ones are not searched for uneven rows."""
LARGEST = float(np.finfo(np.float64).max)


def _shorten(value: object, most: int = 60) -> str:
    try:
        text = " ".join(repr(value).split())
    except (RecursionError, ValueError):  # nested without end, a number of thousands of digits
        text = f"<{type(value).__name__}>"
    return text if len(text) <= most else text[: most - 3] + "..."


def fail(field: str, value: object, allowed: str) -> InputError:
    """The one sentence of every complaint about a value."""
    place = " ".join(field.split())  # keys of `meta` may hold line breaks
    return InputError(f"{place} = {_shorten(value)}; allowed: {allowed}")


def _place(index: tuple[Any, ...]) -> str:
    return "".join(f"[{int(i)}]" for i in index)


def _as_array(field: str, value: object, kinds: str, wanted: str) -> NDArray[Any]:
    """The value as an array of one of the dtype kinds; lists, arrays and tensors are taken."""
    if _is_masked(value):
        raise InputError(f"{field} has masked entries; allowed: {wanted}, every entry given")
    try:
        array = np.asarray(detached(value))
        if array.dtype.kind in "OV" and "f" in kinds:
            array = _of_numbers(array)
    except Exception:  # every library's arrays raise kinds of their own
        raise _uneven(field, value) or fail(field, value, wanted) from None
    kind = array.dtype.kind
    if kind == "c":
        how = "a power gain is the squared magnitude, abs(h) ** 2"
        raise InputError(f"{field} has complex numbers; allowed: {wanted}; {how}")
    if kind not in kinds and (array.size or kind != "f"):  # numpy makes floats of []
        raise fail(field, value, wanted)
    return array


def _is_masked(value: object) -> bool:
    """Whether an array has masked entries; numpy imports masked arrays when they are first used."""
    return "numpy.ma" in sys.modules and bool(np.ma.is_masked(value))


def detached(value: Any) -> Any:
    """The value, or the numbers of a tensor of torch that may carry a gradient."""
    if not hasattr(value, "detach"):
        return value
    tensor = value.detach().cpu()
    return tensor.float() if "bfloat16" in str(getattr(tensor, "dtype", "")) else tensor


def _of_numbers(array: NDArray[Any]) -> NDArray[Any]:
    """Python's numbers, some past 64 bits, and bfloat16 as float64; others stay as they are.

    pandas hands out its columns that may have gaps as objects, and numpy knows no bfloat16.
    """
    if array.dtype.name == "bfloat16":
        return array.astype(np.float64)
    if array.dtype.kind == "O" and all(
        isinstance(entry, int | float) and not isinstance(entry, bool) for entry in array.flat
    ):
        return array.astype(np.float64)
    return array


def _uneven(field: str, value: object) -> InputError | None:
    """A complaint that names the first row of another length than its neighbours."""
    if not isinstance(value, list | tuple) or len(field) > LONGEST_PLACE:
        return None
    return (
        _uneven_length(field, value) or _uneven_inside(field, value) or _uneven_shape(field, value)
    )


def _uneven_length(field: str, rows: Sequence[object]) -> InputError | None:
    lengths = [_length(row) for row in rows]
    for i, length in enumerate(lengths):
        if length != lengths[0]:
            entries = "a single value" if length is None else f"{length} entries"
            first = "a single value" if lengths[0] is None else lengths[0]
            allowed = f"as many as {field}[0], which has {first}"
            return InputError(f"{field}[{i}] has {entries}; allowed: {allowed}")
    return None


def _length(row: object) -> int | None:
    """Number of entries of a row, None for a single value."""
    if isinstance(row, np.ndarray):
        return len(row) if row.ndim else None
    return len(row) if isinstance(row, list | tuple) else None


def _uneven_inside(field: str, rows: Sequence[object]) -> InputError | None:
    for i, row in enumerate(rows):
        error = _uneven(f"{field}[{i}]", row)
        if error is not None:
            return error
    return None


def _uneven_shape(field: str, rows: Sequence[Any]) -> InputError | None:
    """Rows that are even in themselves, and yet do not fit each other."""
    for i, row in enumerate(rows):
        if _shape(row) != _shape(rows[0]):
            return InputError(
                f"{field}[{i}] has {len(row)} rows of another length than {field}[0]; "
                "allowed: a full array"
            )
    return None


def _shape(row: Any) -> tuple[int, ...] | None:
    """Lengths of a row as an array, None if it is uneven or nested deeper than arrays can be."""
    try:
        return tuple(np.shape(row))
    except ValueError:
        return None


def frozen(array: NDArray[Any], dtype: type) -> NDArray[Any]:
    """A read-only contiguous array.

    An array that is already both is shared, anything else is copied.
    """
    if array.dtype == dtype and array.flags.c_contiguous and not array.flags.writeable:
        return array
    array = np.array(array, dtype=dtype, order="C")
    array.flags.writeable = False
    return array


def all_true(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """A read-only table of True, which need not be copied to be frozen."""
    table = np.ones(shape, dtype=np.bool_)
    table.flags.writeable = False
    return table


def rebuild(kind: type[T], given: dict[str, Any]) -> T:
    """Make a frozen value from its fields again: copies and unpickled values are checked too."""
    return kind(**given)


def reduced(value: Any) -> tuple[Any, ...]:
    """`__reduce__` of a frozen value: a copy is made of its fields, and keeps nothing else."""
    return rebuild, (type(value), {one.name: getattr(value, one.name) for one in fields(value)})


def _shaped(field: str, array: NDArray[Any], shape: Shape) -> NDArray[Any]:
    """The array, if its shape is the wanted one; None leaves a length free."""
    if array.size == 0 and array.ndim < len(shape):  # [] stands for an array without rows
        array = array.reshape(tuple(n or 0 for n in (0, *shape[1:])))
    if not _fits(array.shape, shape):
        wanted = " x ".join("any" if n is None else str(n) for n in shape)
        have = " x ".join(map(str, array.shape)) or "a single value"
        raise InputError(f"{field} has shape {have}; allowed: {wanted}")
    return array


def _fits(have: tuple[int, ...], wanted: Shape) -> bool:
    if have == wanted or len(have) != len(wanted):
        return have == wanted
    return all(want in (None, length) for length, want in zip(have, wanted, strict=True))


def numbers(field: str, value: object) -> NDArray[Any]:
    """An array of real numbers of any shape, with NaN and infinities if it has some."""
    return _as_array(field, value, "fiu", "numbers")


def real_array(
    field: str, value: object, shape: Shape, most: float = math.inf, least: float = 0.0
) -> NDArray[np.float64]:
    """A read-only float64 array of finite numbers in [least, most].

    None in `shape` leaves that length free.
    """
    allowed = _finite_numbers(least, most)
    array = _shaped(field, _as_array(field, value, "fiu", allowed), shape)
    if array.dtype == np.float64:
        array = frozen(array, np.float64)
    else:
        with np.errstate(over="ignore", invalid="ignore"):  # signalling NaNs are refused below
            array = frozen(array, np.float64)
    top = min(most, LARGEST)
    if not array.size or (least == 0 and _are_from_zero_to(top, array)):
        return array
    low = array.min()
    if not (low >= least and array.max() <= top):  # nan fails both
        index = tuple(np.argwhere(~((array >= least) & (array <= top)))[0])
        raise fail(field + _place(index), float(array[index]), allowed)
    return array if low > 0 else _without_negative_zeros(array)


@cache
def _finite_numbers(least: float, most: float) -> str:
    """The numbers of [least, most] in words."""
    if most < math.inf:
        return f"finite numbers in [{least:g}, {most:g}]"
    return f"finite numbers >= {least:g}"


def _are_from_zero_to(top: float, array: NDArray[np.float64]) -> bool:
    """Whether all numbers lie in [0, top] and none is -0.0, in one pass.

    The bits of numbers >= 0 are in the order of the numbers, below those of NaN and with a sign.
    """
    return bool(array.view(np.uint64).max() <= np.float64(top).view(np.uint64))


def _without_negative_zeros(array: NDArray[np.float64]) -> NDArray[np.float64]:
    """-0.0 becomes 0, since 1 / -0.0 is -inf and the bytes of the two differ."""
    if array.view(np.int64).min() >= 0:  # no sign is set
        return array
    array = np.where(array == 0, 0.0, array)
    array.flags.writeable = False
    return array


def whole_array(field: str, value: object, shape: Shape, below: int) -> NDArray[np.int64]:
    """A read-only int64 array of whole numbers in 0..below-1."""
    allowed = f"whole numbers in 0..{below - 1}"
    array = _shaped(field, _as_array(field, value, "iu", allowed), shape)
    bad = (array < 0) | (array >= below)
    if bad.any():
        index = tuple(np.argwhere(bad)[0])
        raise fail(field + _place(index), array[index].item(), allowed)
    return frozen(array, np.int64)


def flags(field: str, value: object, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """A read-only array of booleans."""
    array = _shaped(field, _as_array(field, value, "b", "true or false"), shape)
    return frozen(array, np.bool_)


def scalar(value: object) -> object:
    """A single value of another library, such as a tensor or array of one entry, as Python's."""
    shape = getattr(value, "shape", None)
    if shape is not None and tuple(shape) == () and hasattr(value, "item"):
        return value.item()
    return value


def real(field: str, value: object, positive: bool = True) -> float:
    """A finite number, > 0 or >= 0."""
    allowed = "a finite number > 0" if positive else "a finite number >= 0"
    value = scalar(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise fail(field, value, allowed)
    try:
        number = float(value)
    except OverflowError:
        raise fail(field, value, allowed) from None
    if not math.isfinite(number) or number < 0 or (positive and number == 0):
        raise fail(field, number, allowed)
    return number + 0.0  # -0.0 becomes 0


def whole(field: str, value: object, least: int = 1) -> int:
    """A whole number from `least` to 2^31."""
    allowed = f"a whole number from {least} to 2^31"
    value = scalar(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise fail(field, value, allowed)
    if not least <= value <= 2**31:
        raise fail(field, value, allowed)
    return value


def flag(field: str, value: object) -> bool:
    """True or False."""
    value = scalar(value)
    if not isinstance(value, bool):
        raise fail(field, value, "true or false")
    return value


def word(field: str, value: object, allowed: tuple[str, ...] | None = None) -> str:
    """A string, one of `allowed` if given.

    Surrogates cannot be written as UTF-8 and are refused.
    """
    if not isinstance(value, str) or (allowed is not None and value not in allowed):
        raise fail(field, value, " or ".join(f'"{a}"' for a in allowed) if allowed else "a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise fail(field, value, "a string of valid Unicode") from None
    return value


def plain(field: str, value: object, depth: int = 0) -> Any:
    """JSON-like notes (`meta`).

    They are mappings with string keys, sequences, strings, finite numbers, booleans and None.
    """
    if isinstance(value, str):
        return word(field, value)
    if _is_plain(value):
        return value
    if depth >= MOST_DEPTH:
        raise fail(field, value, f"at most {MOST_DEPTH} levels of nesting")
    if isinstance(value, dict):
        keys = f"{field} key"
        return {
            word(keys, key): note if _is_plain(note) else plain(f"{field}.{key}", note, depth + 1)
            for key, note in value.items()
        }
    if isinstance(value, list | tuple):
        return [plain(f"{field}[{i}]", inner, depth + 1) for i, inner in enumerate(value)]
    raise fail(field, value, "text, finite numbers, true, false, null, lists and objects of them")


def _is_plain(value: object) -> bool:
    """Whether JSON has the value: ASCII text, null, true, false, a number of 64 bits."""
    if isinstance(value, str):
        return value.isascii()
    if isinstance(value, int):  # true and false are 1 and 0
        return -(2**63) <= value < 2**63
    return value is None or (isinstance(value, float) and math.isfinite(value))
