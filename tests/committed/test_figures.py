"""Pictures of README and the pages are those that one command draws."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "tests" / "benchmarks").glob("*.md"),
    *(ROOT / "instances").glob("*.md"),
]
SHOWN = re.compile(r"!\[(.*?)\]\((.*?\.png)\)", re.DOTALL)
MOST_APART = 0.5
"""Mean difference of the colours of two pictures, of 255: one line that moved is more."""


def shown() -> dict[Path, str]:
    """Every picture that a page shows, below the checkout, and what is said of it."""
    return {
        (page.parent / place).resolve().relative_to(ROOT.resolve()): words
        for page in PAGES
        for words, place in SHOWN.findall(page.read_text(encoding="utf-8"))
    }


def test_every_picture_is_drawn_by_one_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`docs/make_figures.py` draws all that the pages show, as it is committed."""
    monkeypatch.setattr(sys, "path", [str(ROOT / "docs"), *sys.path])
    import make_figures

    drawn = make_figures.main(tmp_path)
    assert set(drawn) == set(shown())
    for path in drawn:
        with Image.open(tmp_path / path) as new, Image.open(ROOT / path) as committed:
            assert new.size == committed.size, path
            colours = [np.asarray(image.convert("RGB"), dtype=float) for image in (new, committed)]
        assert np.abs(colours[0] - colours[1]).mean() < MOST_APART, path


def test_every_picture_says_what_it_shows() -> None:
    """To those who cannot see it."""
    assert all(len(words) > 10 for words in shown().values())
