"""The built documentation in a real browser; `SITE` names its folder, as `.ci/run` does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from helpers.browser import CHROMIUM, browser

SITE = os.environ.get("SITE", "")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.skipif(not SITE, reason="SITE names no built documentation"),
]
# Not the page that leads to the start page at once: what it shows depends on when one looks.
PAGES = (
    "README.html",
    "docs/index.html",
    "docs/installing.html",
    "docs/explore.html",
    "docs/which-method.html",
    "docs/problems/joint.html",
    "docs/api/index.html",
    "notebooks/01-problem.html",
)
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
UNTOLD = "[...document.images].filter((image) => !image.alt).map((image) => image.src)"
BROKEN = "[...document.images].filter((i) => i.complete && !i.naturalWidth).map((i) => i.src)"
ORDERED = "[...document.querySelectorAll('[tabindex]')].filter((e) => e.tabIndex > 0).length"
UNREACHED = """[...document.querySelectorAll("*")].filter((e) => e.tabIndex < 0
  && e.scrollWidth > e.clientWidth && getComputedStyle(e).overflowX === "auto"
  && !e.querySelector("a, button, input, summary")).map((e) => e.className || e.tagName)"""
UNNAMED = """[...document.querySelectorAll("th, aside, [role=heading]")].filter((e) =>
  e.matches("th") ? !e.innerText.trim() : !e.ariaLabel && !e.ariaLevel).length"""
FOCUSED = "document.activeElement.textContent.trim()"
IN_CARDS = "!!document.activeElement.closest('.cards') && document.activeElement.textContent.trim()"


@pytest.mark.parametrize("width", [390, 1200])
def test_pages_are_whole(width: int, tmp_path: Path) -> None:
    """Nothing is cut at the side, pictures load and say what they show, the console is silent.

    The keyboard reaches what scrolls; columns, sidebars and headings have names and levels.
    """
    with browser(tmp_path) as chromium:
        for page in PAGES:
            chromium.open((Path(SITE) / page).absolute().as_uri(), width)
            assert chromium.value(WIDER) <= 0, page
            assert chromium.value(UNTOLD) == [], page
            assert chromium.value(BROKEN) == [], page
            assert chromium.value(ORDERED) == 0, page
            assert chromium.value(UNREACHED) == [], page
            assert chromium.value(UNNAMED) == 0, page
        assert chromium.complaints == []


def test_tab_reaches_the_cards_of_the_start_page(tmp_path: Path) -> None:
    """In the order in which they stand, and the first stop skips the menu."""
    with browser(tmp_path) as chromium:
        chromium.open((Path(SITE) / "docs/index.html").absolute().as_uri())
        chromium.press("Tab")
        assert chromium.value(FOCUSED) == "Skip to content"
        stops = []
        for _ in range(80):
            chromium.press("Tab")
            stops.append(chromium.value(IN_CARDS))
    cards = [text for text in stops if text]
    assert cards[:3] == ["Install", "Look and move", "Learn"]
    assert "The problem" in cards
