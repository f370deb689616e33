"""Checks of single fields. Every failure is an `InputError` of one line: field, index, value, what is allowed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.errors import InputError


def _shorten(value: object, most: int = 60) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= most else text[: most - 3] + "..."


def fail(field: str, value: object, allowed: str) -> InputError:
    """The one sentence every complaint about a value has."""
    return InputError(f"{field} = {_shorten(value)}; allowed: {allowed}")


def _place(index: tuple[Any, ...]) -> str:
    return "".join(f"[{int(i)}]" for i in index)


def _as_array(field: str, value: object, kinds: str, wanted: str) -> NDArray[Any]:
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError):
        raise _ragged(field, value) or fail(field, value, wanted) from None
    if array.dtype.kind not in kinds and (array.size or array.dtype.kind not in "f"):
        raise fail(field, value, wanted)
    return array


def _ragged(field: str, value: object) -> InputError | None:
    """Name the first row whose length differs from its neighbours'."""
    if not isinstance(value, list | tuple) or len(field) > 200:
        return None
    lengths = [len(row) if isinstance(row, list | tuple) else -1 for row in value]
    for i, length in enumerate(lengths):
        if length != lengths[0]:
            have = f"{length} entries" if length >= 0 else "a single value"
            return InputError(
                f"{field}[{i}] has {have}; allowed: as many as {field}[0], which has {lengths[0]}"
            )
    for i, row in enumerate(value):
        if (error := _ragged(f"{field}[{i}]", row)) is not None:
            return error
    return next(
        (
            InputError(
                f"{field}[{i}] has {len(row)} rows of another length than {field}[0]; allowed: a full array"
            )
            for i, row in enumerate(value)
            if np.shape(row) != np.shape(value[0])
        ),
        None,
    )


def frozen(array: NDArray[Any], dtype: type) -> NDArray[Any]:
    """A read-only contiguous array; an array that is already both is shared, anything else is copied."""
    if array.dtype == dtype and array.flags.c_contiguous and not array.flags.writeable:
        return array
    array = np.array(array, dtype=dtype, order="C")
    array.flags.writeable = False
    return array


def _shaped(field: str, array: NDArray[Any], shape: tuple[int | None, ...]) -> NDArray[Any]:
    if array.size == 0 and array.ndim < len(shape):  # [] stands for an array without rows
        array = array.reshape(tuple(0 if n is None else n for n in (0, *shape[1:])))
    fits = array.ndim == len(shape) and all(
        n is None or n == have for n, have in zip(shape, array.shape, strict=True)
    )
    if not fits:
        wanted = " x ".join("any" if n is None else str(n) for n in shape)
        have = " x ".join(map(str, array.shape)) or "a single value"
        raise InputError(f"{field} has shape {have}; allowed: {wanted}")
    return array


def real_array(
    field: str,
    value: object,
    shape: tuple[int | None, ...],
    most: float = math.inf,
    least: float = 0.0,
) -> NDArray[np.float64]:
    """A read-only float64 array of finite numbers in [least, most]; None in `shape` leaves that length free."""
    allowed = (
        f"finite numbers >= {least:g}"
        if most == math.inf
        else f"finite numbers in [{least:g}, {most:g}]"
    )
    array = _shaped(field, _as_array(field, value, "fiu", allowed), shape)
    with np.errstate(over="ignore"):
        array = frozen(array, np.float64)
    bad = ~(np.isfinite(array) & (array >= least) & (array <= most))
    if bad.any():
        index = tuple(np.argwhere(bad)[0])
        raise fail(field + _place(index), float(array[index]), allowed)
    return array


def whole_array(
    field: str, value: object, shape: tuple[int | None, ...], below: int
) -> NDArray[np.int64]:
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
    """A string, one of `allowed` if given; surrogates cannot be written as UTF-8 and are refused."""
    if not isinstance(value, str) or (allowed is not None and value not in allowed):
        raise fail(field, value, " or ".join(f'"{a}"' for a in allowed) if allowed else "a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise fail(field, value, "a string of valid Unicode") from None
    return value


def plain(field: str, value: object, depth: int = 0) -> Any:
    """JSON-like data (`meta`): mappings with string keys, sequences, strings, finite numbers, booleans, None."""
    if depth > 50:
        raise fail(field, value, "at most 50 levels of nesting")
    if isinstance(value, dict):
        return {
            word(f"{field} key", k): plain(f"{field}.{k}", v, depth + 1) for k, v in value.items()
        }
    if isinstance(value, list | tuple):
        return [plain(f"{field}[{i}]", v, depth + 1) for i, v in enumerate(value)]
    if isinstance(value, str):
        return word(field, value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise fail(field, value, "text, finite numbers, true, false, null, lists and objects of them")
