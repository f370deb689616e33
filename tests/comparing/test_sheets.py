"""Tables as text: nothing breaks inside a word, and nothing in a cell is a command."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dmoe_opt
from dmoe_opt.comparing.sheets import Sheet, rounded


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_rounded_numbers_are_close_and_short(value: float) -> None:
    """Four digits are right, and no number is longer than its column."""
    text = rounded(value)
    assert float(text) == pytest.approx(value, rel=6e-4, abs=0)
    assert len(text) <= 10


SHEET = Sheet(
    ("method", "what it does", "energy J"),
    ("energy J",),
    [
        ("topk", "the best scores, whatever they cost", "1.5"),
        ("a_b & 50 %", "x|y\x1b[31m", "2e-07"),
    ],
)


@pytest.mark.parametrize("width", [200, 40, 30, 5])
def test_lines_break_between_words(width: int) -> None:
    """All words are whole at any width; a line is longer than that only if words do not fit."""
    text = SHEET.text(width)
    for word in ("whatever", "energy", "method", "a_b", "2e-07", r"x|y\x1b[31m"):
        assert word in text.split()
    if width >= 40:
        assert max(map(len, text.splitlines())) <= width


def test_markdown_and_latex_escape_what_is_special() -> None:
    """Bars, line breaks, control characters, and the special characters of TeX."""
    *_, last = SHEET.markdown().splitlines()
    assert last == r"| a_b & 50 % | x\|y\x1b\[31m | 2e-07 |"
    tagged = Sheet(["name"])
    tagged.add_row("<script> ![x](http://x)")
    assert r"| &lt;script> !\[x](http://x) |" in tagged.markdown()
    latex = SHEET.latex()
    assert r"a\_b \& 50 \% & x|y\textbackslash{}x1b[31m & $2 \times 10^{-7}$ \\" in latex
    assert latex.startswith(r"\begin{tabular}{llr}")


def test_a_comparison_in_every_form() -> None:
    """The instance stands once, and a line separates instances."""
    comparison = dmoe_opt.compare(["tiny-s1", "digits-l4"], methods=["des", "topk"])
    lines = comparison.latex().splitlines()
    assert [line.split(" & ")[:2] for line in lines if " & " in line] == [
        ["instance", "method"],
        ["tiny-s1", "des"],
        ["", "topk"],
        ["digits-l4", "des"],
        ["", "topk"],
    ]
    assert lines.count(r"\midrule") == 2
    assert len(comparison.markdown().splitlines()) == 6
