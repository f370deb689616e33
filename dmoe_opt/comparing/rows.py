"""A row of a comparison, and rows as text and in groups."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import asdict, fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit  # scipy.stats takes a second to import

from dmoe_opt.errors import printable

FORMULA = ("=", "+", "-", "@", "\t", "\n")
"""Characters with which a formula begins in a spreadsheet."""
NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]+)?", re.IGNORECASE)
"""A number with a sign is no formula."""
K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


def as_csv(rows: Sequence[Any], kind: type) -> str:
    """Rows of the dataclass `kind` as comma-separated text; without rows, the header alone.

    Text that a spreadsheet would take for a formula gets a quote in front. Control characters are
    spelt out.
    """
    text = io.StringIO()
    names = [field.name for field in fields(kind)]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _as_cell(value) for name, value in asdict(row).items()})
    return text.getvalue()


def _as_cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    # The writer puts no quotes around a lone carriage return, after which a row would begin.
    text = printable(value)
    is_formula = text.startswith(FORMULA) and not NUMBER.fullmatch(text)
    return f"'{text}" if is_formula else text


def grouped(items: Iterable[tuple[K, V]]) -> dict[K, list[V]]:
    """Values by key, in order of appearance."""
    groups: dict[K, list[V]] = {}
    for key, value in items:
        groups.setdefault(key, []).append(value)
    return groups


def half_width(values: NDArray[np.float64]) -> float | None:
    """Half the width of the 95 % confidence interval of a mean (Student's t).

    Of n values with standard deviation s it is t_(0.975, n - 1) s / sqrt(n). It is None for fewer
    than two values, which say nothing of their spread.
    """
    number = len(values)
    if number < 2:
        return None
    return float(stdtrit(number - 1, 0.975) * values.std(ddof=1) / np.sqrt(number))
