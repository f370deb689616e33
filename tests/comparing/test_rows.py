"""Rows as text and in groups, and intervals of means."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

import numpy as np
import pytest

from dmoe_opt.comparing.rows import as_csv, grouped, half_width


@dataclass
class Row:
    """A row to write."""

    name: str
    value: float | None


def test_csv() -> None:
    """A header, then a line for each row; None is an empty cell."""
    assert as_csv([Row("a", 0.5), Row("b, c", None)], Row) == 'name,value\na,0.5\n"b, c",\n'
    assert as_csv([], Row) == "name,value\n"


@pytest.mark.parametrize("name", ["=1", "\t=1", "\r=1", "\n=1", "a\r=1,2", "\x1b[2J", 'a"\r\n=1'])
def test_names_are_data_in_csv(name: str) -> None:
    """No cell begins a formula, no name a row, and none acts on a terminal that shows the file."""
    written = as_csv([Row(name, 0.5)], Row)
    assert not {"\r", "\x1b"} & set(written)
    _, (cell, value) = csv.reader(io.StringIO(written, newline=""))
    assert value == "0.5"
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\n"))


@pytest.mark.parametrize("number", ["-10", "+0.5", "-1e-9", "-.5", "+3."])
def test_numbers_are_no_formulas_in_csv(number: str) -> None:
    """A number with a sign stays one; what only begins like a number does not."""
    assert as_csv([Row(number, None)], Row) == f"name,value\n{number},\n"
    assert as_csv([Row(f"{number}+A1", None)], Row) == f"name,value\n'{number}+A1,\n"


def test_groups() -> None:
    """Keys and values in order of appearance."""
    assert list(grouped([("b", 1), ("a", 2), ("b", 3)]).items()) == [("b", [1, 3]), ("a", [2])]


def test_half_width() -> None:
    """Student's t with 2 degrees of freedom is 4.3027 at 97.5 %."""
    assert half_width(np.array([1.0, 2.0, 3.0])) == pytest.approx(4.302653 / 3**0.5)
    assert half_width(np.array([1.0])) is None
    assert half_width(np.array([])) is None
