"""Tables as text: on a terminal, in Markdown and in LaTeX, with rounded numbers.

Printed numbers have three or four significant digits; CSV and JSON have all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from rich.cells import cell_len

from dmoe_opt.errors import printable

DIGITS = 4
GAP = 2
"""Blanks between columns."""
ROUNDING = 1e-9
"""Gaps below this say nothing: energies are sums of floats."""
PLAIN_TO = 1e6
"""Numbers from here on are printed with a power of ten."""
LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
}
EXPONENT = re.compile(r"^(-?[\d.]+)e([+-]\d+)$")


def rounded(value: float | None, digits: int = DIGITS) -> str:
    """A number with so many significant digits; nothing for None.

    Examples
    --------
    >>> from dmoe_opt.comparing.sheets import rounded
    >>> [rounded(x) for x in (0.00264341, 0.5, 5267.1, 52671.3, 0.0, 1.23456e-9, None)]
    ['0.002643', '0.5000', '5267', '52670', '0', '1.235e-09', '']
    """
    if value is None:
        return ""
    short = float(f"{value:.{digits - 1}e}")
    if short == 0:
        return "0"
    if 10**digits <= abs(short) < PLAIN_TO:
        return f"{short:.0f}"
    return f"{short:#.{digits}g}".removesuffix(".")


def gap_percent(gap: float | None) -> str:
    """A relative gap in percent; what is left of one by rounding is 0.

    Examples
    --------
    >>> from dmoe_opt.comparing.sheets import gap_percent
    >>> [gap_percent(gap) for gap in (0.0123456, 2e-14, None)]
    ['1.23', '0', '']
    """
    if gap is None:
        return ""
    return rounded(0.0 if abs(gap) < ROUNDING else 100 * gap, 3)


@dataclass
class Sheet:
    """A table: columns, rows of cells, and the columns whose cells are numbers.

    `breaks` has the rows before which there is a line.
    """

    columns: Sequence[str]
    numbers: Sequence[str] = ()
    rows: list[Sequence[str]] = field(default_factory=list)
    breaks: set[int] = field(default_factory=set)

    def add_row(self, *cells: str) -> None:
        """Add a row, one cell for each column."""
        self.rows.append(cells)

    def add_section(self) -> None:
        """Draw a line below the rows so far."""
        self.breaks.add(len(self.rows))

    def text(self, width: int) -> str:
        """The table for a terminal of so many columns; lines break between words only.

        Where the words themselves do not fit, a line is longer than the terminal.
        """
        cells = [[" ".join(printable(cell).split()) for cell in row] for row in self.rows]
        widths = _widths([self.columns, *cells], width - GAP * (len(self.columns) - 1))
        rule = "-" * (sum(widths) + GAP * (len(widths) - 1))
        lines = [*self._lines(self.columns, widths), rule]
        for number, row in enumerate(cells):
            if number and number in self.breaks:
                lines.append("")
            lines += self._lines(row, widths)
        return "".join(f"{line.rstrip()}\n" for line in lines)

    def _lines(self, row: Sequence[str], widths: Sequence[int]) -> list[str]:
        """A row, in as many lines as its longest cell has."""
        parts = [_wrapped(cell, width) for cell, width in zip(row, widths, strict=True)]
        lines = []
        for texts in zip_longest(*parts, fillvalue=""):
            padded = []
            for name, text, width in zip(self.columns, texts, widths, strict=True):
                room = " " * (width - cell_len(text))
                padded.append(room + text if name in self.numbers else text + room)
            lines.append((" " * GAP).join(padded))
        return lines

    def markdown(self) -> str:
        """The table in Markdown; cells that hold | or line breaks stay whole."""
        dashes = ["---:" if name in self.numbers else "---" for name in self.columns]
        lines = [self.columns, dashes, *self.rows]
        return "".join(f"| {' | '.join(map(_markdown, line))} |\n" for line in lines)

    def latex(self) -> str:
        """The table in LaTeX, for the package booktabs; special characters are escaped."""
        letters = "".join("r" if name in self.numbers else "l" for name in self.columns)
        lines = [rf"\begin{{tabular}}{{{letters}}}", r"\toprule", _latex_line(self.columns)]
        lines.append(r"\midrule")
        for number, row in enumerate(self.rows):
            if number and number in self.breaks:
                lines.append(r"\midrule")
            lines.append(_latex_line(row))
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _widths(rows: Sequence[Sequence[str]], room: int) -> list[int]:
    """Widths of the columns; the widest give way, as far as their longest words allow."""
    columns = list(zip(*rows, strict=True))
    widths = [max(map(cell_len, column)) for column in columns]
    least = [max(map(cell_len, " ".join(column).split()), default=0) for column in columns]
    while sum(widths) > room:
        spare = [width - word for width, word in zip(widths, least, strict=True)]
        if not any(spare):
            break
        widths[spare.index(max(spare))] -= 1
    return widths


def _wrapped(text: str, width: int) -> list[str]:
    """Lines of at most so many columns, broken between words."""
    lines: list[str] = []
    for word in text.split():
        if lines and cell_len(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _markdown(cell: str) -> str:
    text = " ".join(printable(cell).split())
    for special, escaped in (("|", r"\|"), ("<", "&lt;"), ("[", r"\[")):  # no tags, no links
        text = text.replace(special, escaped)
    return text


def _latex_line(cells: Sequence[str]) -> str:
    return " & ".join(map(_latex, cells)) + r" \\"


def _latex(cell: str) -> str:
    """A cell for LaTeX: a power of ten as one, and nothing that would be a command."""
    if match := EXPONENT.match(cell):
        return rf"${match[1]} \times 10^{{{int(match[2])}}}$"
    return "".join(LATEX.get(letter, letter) for letter in " ".join(printable(cell).split()))
