"""Checks of single fields.

Every failure is an `InputError` of one line: field, index, value, what is allowed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.errors import InputError

MOST_NESTING = 50
"""Levels of lists and objects in `meta`."""
LONGEST_PLACE = 200
"""Characters of a field with its indices; longer ones are not searched for uneven rows."""
Shape = tuple[int | None, ...]
"""Lengths of an array; None leaves a length free."""


def _shorten(value: object, most: int = 60) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= most else text[: most - 3] + "..."


def fail(field: str, value: object, allowed: str) -> InputError:
    """The one sentence of every complaint about a value."""
    place = " ".join(field.split())  # keys of `meta` may hold line breaks
    return InputError(f"{place} = {_shorten(value)}; allowed: {allowed}")


def _fail_first(field: str, array: NDArray[Any], bad: NDArray[np.bool_], allowed: str) -> None:
    """Raise for the first entry that `bad` marks, if there is one."""
    if not bad.any():
        return
    index = tuple(np.argwhere(bad)[0])
    place = "".join(f"[{int(i)}]" for i in index)
    raise fail(field + place, array[index].item(), allowed)


def _as_array(field: str, value: object, kinds: str, wanted: str) -> NDArray[Any]:
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError):
        raise _uneven(field, value) or fail(field, value, wanted) from None
    kind = array.dtype.kind
    empty = not array.size and kind == "f"  # numpy makes floats of []
    if kind not in kinds and not empty:
        raise fail(field, value, wanted)
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
    """A read-only contiguous array of a type.

    An array that is all this already is shared; any other is copied.
    """
    if array.dtype == dtype and array.flags.c_contiguous and not array.flags.writeable:
        return array
    array = np.array(array, dtype=dtype, order="C")
    array.flags.writeable = False
    return array


def _shaped(field: str, array: NDArray[Any], shape: Shape) -> NDArray[Any]:
    if array.size == 0 and array.ndim < len(shape):  # [] stands for an array without rows
        array = array.reshape(0, *(length or 0 for length in shape[1:]))
    if not _fits(array.shape, shape):
        wanted = " x ".join("any" if length is None else str(length) for length in shape)
        given = " x ".join(map(str, array.shape)) or "a single value"
        raise InputError(f"{field} has shape {given}; allowed: {wanted}")
    return array


def _fits(lengths: tuple[int, ...], shape: Shape) -> bool:
    if len(lengths) != len(shape):
        return False
    pairs = zip(lengths, shape, strict=True)
    return all(wanted is None or length == wanted for length, wanted in pairs)


def real_array(
    field: str,
    value: object,
    shape: Shape,
    most: float = math.inf,
    least: float = 0.0,
) -> NDArray[np.float64]:
    """A read-only float64 array of finite numbers in [least, most]; None leaves a length free."""
    bounds = f">= {least:g}" if most == math.inf else f"in [{least:g}, {most:g}]"
    allowed = f"finite numbers {bounds}"
    array = _shaped(field, _as_array(field, value, "fiu", allowed), shape)
    with np.errstate(over="ignore"):
        array = frozen(array, np.float64)
    bad = ~(np.isfinite(array) & (array >= least) & (array <= most))
    _fail_first(field, array, bad, allowed)
    return array


def whole_array(field: str, value: object, shape: Shape, below: int) -> NDArray[np.int64]:
    """A read-only int64 array of whole numbers in 0..below-1; None leaves a length free."""
    allowed = f"whole numbers in 0..{below - 1}"
    array = _shaped(field, _as_array(field, value, "iu", allowed), shape)
    _fail_first(field, array, (array < 0) | (array >= below), allowed)
    return frozen(array, np.int64)


def flags(field: str, value: object, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """A read-only array of booleans."""
    array = _shaped(field, _as_array(field, value, "b", "true or false"), shape)
    return frozen(array, np.bool_)


def real(field: str, value: object, positive: bool = True) -> float:
    """A finite number, > 0 or >= 0."""
    allowed = "a finite number > 0" if positive else "a finite number >= 0"
    if isinstance(value, bool | np.bool_) or not isinstance(
        value, int | float | np.integer | np.floating
    ):
        raise fail(field, value, allowed)
    try:
        number = float(value)
    except OverflowError:
        raise fail(field, value, allowed) from None
    if not math.isfinite(number) or number < 0 or (positive and number == 0):
        raise fail(field, number, allowed)
    return number


def whole(field: str, value: object, least: int = 1) -> int:
    """A whole number from `least` to 2^31."""
    allowed = f"a whole number from {least} to 2^31"
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise fail(field, value, allowed)
    if not least <= int(value) <= 2**31:
        raise fail(field, value, allowed)
    return int(value)


def flag(field: str, value: object) -> bool:
    """True or False."""
    if not isinstance(value, bool | np.bool_):
        raise fail(field, value, "true or false")
    return bool(value)


def word(field: str, value: object, allowed: tuple[str, ...] | None = None) -> str:
    """A string, one of `allowed` if given.

    Surrogates are refused, since they cannot be written as UTF-8.
    """
    if not isinstance(value, str) or (allowed is not None and value not in allowed):
        words = " or ".join(f'"{choice}"' for choice in allowed or ())
        raise fail(field, value, words or "a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise fail(field, value, "a string of valid Unicode") from None
    return value


def plain(field: str, value: object, depth: int = 0) -> Any:
    """A copy of JSON-like data (`meta`).

    Allowed are mappings with string keys, sequences, strings, finite numbers, booleans and None.
    Sequences become lists.
    """
    if depth > MOST_NESTING:
        raise fail(field, value, f"at most {MOST_NESTING} levels of nesting")
    if isinstance(value, dict):
        copy = {}
        for key, inner in value.items():
            name = word(f"{field} key", key)
            copy[name] = plain(f"{field}.{name}", inner, depth + 1)
        return copy
    if isinstance(value, list | tuple):
        return [plain(f"{field}[{i}]", inner, depth + 1) for i, inner in enumerate(value)]
    if isinstance(value, str):
        return word(field, value)
    if not _is_plain_number(value):
        allowed = "text, finite numbers, true, false, null, lists and objects of them"
        raise fail(field, value, allowed)
    return value


def _is_plain_number(value: object) -> bool:
    """True for numbers that a file can hold, and for True, False and None."""
    if value is None or isinstance(value, bool):
        return True
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return isinstance(value, float) and math.isfinite(value)
