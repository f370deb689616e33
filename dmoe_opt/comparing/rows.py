"""A row of a comparison, and rows as text and in groups."""

from __future__ import annotations

import csv
import io
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True)
class Row:
    """One method on one instance.

    `gap` is to the best bound proven by any method of the comparison, None without objective or bound; `relevance`
    is the mean over tokens of the chosen scores' sum; `status` "refused" is a method that does not take the instance.
    """

    instance: str
    tokens: int
    experts: int
    max_experts: int
    method: str
    status: str
    energy_j: float | None
    bound_j: float | None
    gap: float | None
    relevance: float | None
    shortfall: int
    wall_s: float | None
    nodes: int | None
    message: str


def as_csv(rows: Sequence[Any]) -> str:
    """Rows of one dataclass as comma-separated text with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [f.name for f in fields(rows[0] if rows else Row)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue()


def grouped(items: Iterable[tuple[K, V]]) -> dict[K, list[V]]:
    """Values by key, in order of appearance."""
    groups: dict[K, list[V]] = {}
    for key, value in items:
        groups.setdefault(key, []).append(value)
    return groups
