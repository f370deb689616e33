"""Complaints about JSON: what a decoder says becomes field, index, value and what is allowed."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import numpy as np

from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError


def unknown(field: str, allowed: str = "only the fields of the format") -> InputError:
    """The complaint about a field that a file may not have; its name may hold anything."""
    return InputError(f"{one_lined(field)} is unknown; allowed: {allowed}")


def one_lined(text: str) -> str:
    """Text without line breaks."""
    return " ".join(text.split())


def missing(path: str) -> InputError:
    """The complaint about a field that a file must have."""
    return InputError(f"{path} is missing; allowed: it must be given")


def inside(path: str, field: str) -> str:
    """The path of a field inside another."""
    return f"{path}.{field}" if path else field


def explain(content: bytes, error: Exception) -> str:
    """Turn a decoder's complaint into field, index, value and what is allowed."""
    what, _, where = str(error).partition(" - at `$")
    path = where.rstrip("`").lstrip(".")
    if content[:2] in (b"{\0", b"\0{"):
        return "is text in UTF-16; allowed: UTF-8"
    try:
        document = json.loads(content.decode())
    except (ValueError, RecursionError):
        return f"is not valid JSON: {what}"
    odd = _not_finite(document)
    if odd is not None:
        return f"{odd[0]} = {odd[1]!r}; allowed: finite numbers"
    if not isinstance(error, msgspec.ValidationError):
        return "is not valid JSON: a text holds half of a surrogate pair, such as \\ud800"
    if match := re.match(r"Object missing required field `(.*)`", what):
        return str(missing(inside(path, match[1])))
    if match := re.match(r"Object contains unknown field `(.*)`", what, re.DOTALL):
        return str(unknown(inside(path, match[1])))
    return _explain_value(document, path, what)


def _explain_value(document: Any, path: str, what: str) -> str:
    """The complaint about the value at a path such as `tokens.scores[1][0]`."""
    place = path or "the document"
    value = document
    try:
        for key in re.findall(r"[^.\[\]]+", path):
            value = value[int(key)] if isinstance(value, list) else value[key]
    except (KeyError, IndexError, ValueError, TypeError):
        return f"{place}: {what}"
    expected = re.sub(r"Expected (.*?)(, got.*)?$", r"\1", what)
    return str(fail(place, value, expected.replace("`", "")))


def _not_finite(document: object) -> tuple[str, float] | None:
    """Path and value of the first number that is not finite."""
    # A stack in place of recursion: a document may be nested deeper than Python may call.
    waiting: list[tuple[str, object]] = [("", document)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, float) and not np.isfinite(value):
            return path, value
        waiting += reversed(_entries(path, value))
    return None


def _entries(path: str, value: object) -> list[tuple[str, object]]:
    if isinstance(value, dict):
        return [(inside(path, str(key)), inner) for key, inner in value.items()]
    if isinstance(value, list):
        return [(f"{path}[{i}]", inner) for i, inner in enumerate(value)]
    return []
