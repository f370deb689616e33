"""What a person sees on a terminal of 80 columns."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

import pytest
from helpers.drawn import Ended


@pytest.mark.parametrize(
    "line",
    [
        "methods",
        "generate --list",
        "info tiny-s1",
        "explain scarce-8x36-s1",
        "solve scarce-8x36-s1 --problem jesa",
        "compare tiny-s1 scarce-8x36-s1 --problem jesa --methods bcd,topk",
        "savings tiny --shares 0.5,0.9 --samples 2",
        "offload compare light --episodes 2 --policies greedy,local",
    ],
)
def test_lines_break_between_words(
    typed: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    """No line is longer, and every word of the output for a pipe is whole."""
    piped = typed(*line.split()).stdout
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    shown = typed(*line.split()).stdout
    assert max(map(len, shown.splitlines())) <= 80
    assert words(shown) == words(piped)


def words(text: str) -> set[str]:
    """The words without digits, which may be times, and without rules."""
    return {word for word in text.split() if not re.search(r"\d|--", word)}
