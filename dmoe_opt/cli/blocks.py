"""A comparison as it goes: a block of rows for each instance, as soon as it is done.

The instance stands on a line of its own, so that 80 columns hold the rows.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence

from rich.cells import cell_len

from dmoe_opt.cli.console import Bar
from dmoe_opt.cli.tables import width
from dmoe_opt.comparing.judged import FALSE_CLAIM, WRONG_BOUND, MethodRow
from dmoe_opt.comparing.methods import COLUMNS, cells
from dmoe_opt.errors import printable

WIDTHS = (15, 11, 10, 9, 9, 9, 9)
"""Widths of the columns method, status, energy, gap, relevance, time and nodes."""
LEFT = 2
"""Columns flushed left."""


class Printer:
    """Prints the rows of each instance below one header, while a bar is hidden."""

    def __init__(self, bar: Bar) -> None:
        self.bar = bar
        self.begun = False

    def __call__(self, rows: Sequence[MethodRow]) -> None:
        """Print the rows of one instance, and what they say in words."""
        with self.bar.hidden():
            if not self.begun:
                line = _line(COLUMNS[1:])
                print(f"{line}\n{'-' * len(line)}")
            self.begun = True
            print_rows(rows)


def print_rows(rows: Sequence[MethodRow]) -> None:
    """Print the rows of one instance below its name, and what they say in words."""
    print(printable(rows[0].instance or "unnamed"))
    for row in rows:
        print(_line([printable(cell) for cell in cells(row)[1:]]))
    for row in rows:
        if row.message:
            print(_wrapped(printable(f"{row.method}: {row.message}")))
    if rows[0].certified_j is not None:
        print(_wrapped(f"certified: at least {rows[0].certified_j:.9g} J; {_claimed(rows)}"))
    sys.stdout.flush()


def _claimed(rows: Sequence[MethodRow]) -> str:
    """The greatest bound that a method claims and no answer refutes, in print."""
    sound = [row for row in rows if row.status not in (WRONG_BOUND, FALSE_CLAIM)]
    bounds_j = [row.bound_j for row in sound if row.bound_j is not None]
    return f"claimed: {max(bounds_j):.9g} J" if bounds_j else "claimed: nothing"


def _line(row: Sequence[str]) -> str:
    """Cells in columns; a method whose name is too long for its column has a line of its own."""
    name, *others = row
    above = ""
    if cell_len(name) > WIDTHS[0]:
        above, name = f"  {name}\n", ""
    padded = [
        _padded(cell, room_for, left=column < LEFT)
        for column, (cell, room_for) in enumerate(zip([name, *others], WIDTHS, strict=True))
    ]
    return f"{above}  {' '.join(padded)}".rstrip()


def _padded(cell: str, room_for: int, *, left: bool) -> str:
    room = " " * (room_for - cell_len(cell))
    return cell + room if left else room + cell


def _wrapped(text: str) -> str:
    """Text in lines as wide as the terminal, broken between words."""
    return textwrap.fill(
        text,
        width(),
        initial_indent="  ",
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )
