"""Numbers of a text table (CSV): a matrix, a column, or a list of entries with their places."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError

PLACES = ("layer", "token", "from", "to", "expert", "subcarrier")
"""Columns that say where a value stands, in the order of the axes."""
MOST_ENTRIES = 2**28
COMPLEX = "a power gain is the squared magnitude, abs(h) ** 2"


@dataclass(frozen=True)
class Table:
    """A text table: names of the columns, if the first line has them, and the numbers.

    `values` has shape (rows, columns).
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]

    def column(self, name: str) -> NDArray[np.float64]:
        """The numbers of a column, shape (rows,)."""
        if name not in self.names:
            have = ", ".join(self.names) or "none: the first line holds numbers"
            raise InputError(f'column "{name}" is missing; allowed: {have}')
        return self.values[:, self.names.index(name)]

    def places(self, names: tuple[str, ...]) -> list[NDArray[np.int64]]:
        """Columns of whole numbers from 0, each of shape (rows,)."""
        columns = []
        for name in names:
            column = self.column(name)
            whole = column == np.floor(column)
            bad = np.flatnonzero(~(whole & (column >= 0) & (column < MOST_ENTRIES)))
            if len(bad):
                place = f"{name}[{bad[0]}]"
                raise fail(place, float(column[bad[0]]), "whole numbers from 0")
            columns.append(column.astype(np.int64))
        return columns


def read_table(content: bytes) -> Table:
    """A table of numbers with commas, semicolons, tabs or blanks between them.

    Blank lines and lines that begin with # are left out. If a cell of the first line is no number,
    this line names the columns; a first column without a name holds the numbers of the rows, as
    pandas writes it, and is left out.

    Raises
    ------
    InputError
        If the text is not UTF-8, a cell is no number, or the rows have different lengths.
    """
    rows = _rows(content)
    if not rows:
        raise InputError("is empty; allowed: rows of numbers")
    _, first = rows[0]
    names: tuple[str, ...] = ()
    if not all(_is_number(cell) for cell in first):
        names = tuple(cell.strip() for cell in first)
        rows = rows[1:]
        if not rows:
            shown = ", ".join(names)[:60]
            raise InputError(f"has no number: its only line is {shown!r}; allowed: rows of numbers")
    numbers = [_numbers(line, row, len(first)) for line, row in rows]
    values = np.array(numbers, dtype=np.float64).reshape(len(numbers), len(first))
    if names and not names[0]:
        names, values = names[1:], values[:, 1:]
    return Table(names, values)


def _rows(content: bytes) -> list[tuple[int, list[str]]]:
    """The cells of every row, with the number of its line."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise InputError(f"is not text in UTF-8: byte {error.start}") from None
    lines = [
        (number, line)
        for number, line in enumerate(io.StringIO(text, newline=None), 1)
        if line.strip() and not line.startswith("#")
    ]
    if not lines:
        return []
    first = lines[0][1]
    delimiter = next((sign for sign in ("\t", ";", ",") if sign in first), None)
    if delimiter is None:
        return [(number, line.split()) for number, line in lines]
    try:
        return [
            (number, next(csv.reader([line], delimiter=delimiter, strict=True)))
            for number, line in lines
        ]
    except (csv.Error, StopIteration) as error:
        raise InputError(f"is not a table: {error}") from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _numbers(line: int, row: list[str], wanted: int) -> list[float]:
    if len(row) != wanted:
        raise InputError(f"line {line} has {len(row)} cells; allowed: {wanted}, as in the first")
    try:
        return [float(cell) for cell in row]
    except ValueError:
        pass
    column, cell = next((i, cell) for i, cell in enumerate(row) if not _is_number(cell))
    hint = f"; {COMPLEX}" if cell.strip()[-1:] in ("i", "j") else ""
    raise fail(f"line {line}, cell {column + 1}", cell, f"numbers{hint}")


def array_of(table: Table, name: str | None) -> NDArray[np.float64]:
    """The numbers of a table as an array.

    Without column names, or with names that are no places, it is the matrix; of a table with the
    places of its entries (`PLACES`) an array with one axis per place. `name` chooses a column.

    Raises
    ------
    InputError
        If a column is missing, must be named, or an entry is given twice or not at all. Only
        entries whose `from` equals `to` may be missing, and are 0.
    """
    places = tuple(place for place in PLACES if place in table.names)
    others = [column for column in table.names if column not in places]
    if not places or name in places:
        if name is not None:
            return table.column(name)
        return table.values[:, 0] if table.values.shape[1] == 1 else table.values
    if name is None and len(others) != 1:
        raise InputError(f"has the columns {', '.join(others)}; allowed: name one, as FILE:COLUMN")
    return _spread(table, places, table.column(name or others[0]))


def _spread(
    table: Table, places: tuple[str, ...], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Entries put where their places say."""
    where = dict(zip(places, table.places(places), strict=True))
    shape = {place: int(column.max()) + 1 for place, column in where.items()}
    if "from" in shape and "to" in shape:
        shape["from"] = shape["to"] = max(shape["from"], shape["to"])
    if math.prod(shape.values()) > min(MOST_ENTRIES, 64 * len(values) + 4096):
        size = " x ".join(map(str, shape.values()))
        raise InputError(f"has {len(values)} rows for {size}; allowed: one for each combination")
    array = np.full(tuple(shape.values()), np.nan)
    index = tuple(where.values())
    array[index] = values
    given = np.zeros(array.shape, dtype=np.int64)
    np.add.at(given, index, 1)
    _check_once(given, places)
    return np.where(given == 0, 0.0, array)


def _check_once(given: NDArray[np.int64], places: tuple[str, ...]) -> None:
    """Every combination once; those of a node with itself may be missing."""
    wrong = given != 1
    if "from" in places and "to" in places:
        own = np.indices(given.shape)[places.index("from")]
        own = own == np.indices(given.shape)[places.index("to")]
        wrong &= ~(own & (given == 0))
    bad = np.argwhere(wrong)
    if len(bad):
        at = ", ".join(f"{place} {i}" for place, i in zip(places, bad[0], strict=True))
        how = "is missing" if given[tuple(bad[0])] == 0 else "is there twice"
        raise InputError(f"the entry of {at} {how}; allowed: each once")
