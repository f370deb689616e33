"""Pages in a real browser: headless Chromium moves the sliders. Skipped where there is none."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.browser import CHROMIUM, Browser, browser

import dmoe_opt
from dmoe_opt.exploring import grid

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
MOVE = """
(() => {
  for (const [name, k] of Object.entries(STAND)) {
    slider(name).value = k;
    slider(name).dispatchEvent(new Event("input"));
  }
  const { energyJ, boundJ, status } = document.getElementById("answer").dataset;
  const covering = document.getElementById("covering-says").textContent;
  const wide = document.documentElement.scrollWidth - window.innerWidth;
  return { energyJ, boundJ, status, covering, wide };
})()
"""
UNNAMED = "document.querySelectorAll('svg:not([aria-label]), input:not([id])').length"
PAYS = """
data.scores.map((_, t) => {
  slider("token").value = t;
  slider("token").dispatchEvent(new Event("input"));
  const price = prices(itemsOf(t, pointAt(powerNow())), data.threshold[t], data.max_experts);
  return [document.getElementById("covering-says").textContent, price.bound];
})
"""
SAYS = "['answer', 'covering'].map((id) => document.getElementById(id).outerHTML).join()"
FOCUSED = "document.activeElement.id || document.activeElement.tagName.toLowerCase()"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests."""
    with browser(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


def shown(page: dmoe_opt.Page, folder: Path) -> str:
    """Address of a page in a file."""
    page.save(folder / "page.html")
    return (folder / "page.html").as_uri()


def moved(chromium: Browser, stands: list[dict[str, int]]) -> list[Any]:
    """What the open page shows after each setting of its sliders."""
    return [chromium.value(MOVE.replace("STAND", json.dumps(stand))) for stand in stands]


def one_power(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the thresholds as they are, where other sliders are tried."""
    for name in ("SCALES", "LAYERS", "POWERS"):
        monkeypatch.setattr(grid, name, range(1))


def agrees(seen: Any, result: dmoe_opt.Result) -> bool:
    """Whether a page shows status and energy of a result, and need not be scrolled sideways."""
    shows = None if seen["energyJ"] == "null" else float(seen["energyJ"])
    energy = result.objective_j and pytest.approx(result.objective_j, rel=1e-6)
    return bool(seen["status"] == result.status and shows == energy and seen["wide"] <= 0)


def nodes_of(result: dmoe_opt.Result) -> list[list[int]]:
    """The nodes of each token's experts, of which three are on a node."""
    return [[j // 3 for j in row.nonzero()[0]] for row in result.selection]


@pytest.mark.parametrize("width", [390, 1200])
def test_a_deadline_can_be_moved(
    monkeypatch: pytest.MonkeyPatch, width: int, tmp_path: Path, chromium: Browser
) -> None:
    """Energy and status are those of `solve` for each deadline; the spectrum stays whole."""
    one_power(monkeypatch)
    data = dmoe_opt.generate("deadline-8x64", 1, num_experts=3, num_subcarriers=8, num_tokens=9)
    deadlines = grid.axes_of(data).deadlines
    chromium.open(shown(dmoe_opt.explore(data), tmp_path), width)
    stands = [{"deadline": k, "cap": 1} for k in range(len(deadlines))]
    for deadline_s, seen in zip(deadlines, moved(chromium, stands), strict=True):
        assert agrees(
            seen, dmoe_opt.solve(data.replace(air_deadline_s=deadline_s), "jesa", "exact")
        )


@pytest.mark.parametrize(("name", "width"), [("tiny-s1", 390), ("weakly-correlated-s1", 1200)])
def test_numbers_shown_are_those_of_solve(
    name: str, width: int, tmp_path: Path, chromium: Browser
) -> None:
    """Wherever the sliders stand, energy and status are what `solve` says of that instance."""
    data = dmoe_opt.load(name)
    axes = grid.axes_of(data)
    stands = [
        {"scale": scale, "layer": layer, "cap": cap, "token": layer}
        for scale, layer, cap in [(4, 0, 0), (0, 0, 1), (8, 5, 1), (2, 3, 2)]
    ]
    spectra = range(len(axes.subcarriers))
    stands = [
        s | ({"subcarriers": m} if axes.subcarriers else {})
        for s in stands
        for m in [*spectra] or [0]
    ]
    chromium.open(shown(dmoe_opt.explore(data), tmp_path), width)
    assert chromium.value(UNNAMED) == 0
    for stand, seen in zip(stands, moved(chromium, stands), strict=True):
        power = grid.SCALES[stand["scale"]] + grid.LAYERS[stand["layer"]]
        number = axes.subcarriers[stand["subcarriers"]] if axes.subcarriers else None
        setting = grid.Setting(power, axes.caps[stand["cap"]], number)
        assert agrees(seen, grid.exact(grid.variant(data, setting), 60))
        assert seen["covering"].startswith(f"Token {stand['token']}")


@pytest.mark.parametrize("send_once", [False, True])
def test_tokens_pay_the_energy_of_the_answer(
    send_once: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, chromium: Browser
) -> None:
    """What the page says of each token adds up, and no token pays less than its relaxation says."""
    one_power(monkeypatch)
    sizes = {"num_experts": 6, "experts_per_node": 3, "num_tokens": 8, "num_subcarriers": 8}
    drawn = dmoe_opt.generate(
        "edge-8x64", 3, send_once=send_once, share=0.9, max_experts=3, **sizes
    )
    for data in (drawn, drawn.selection_problem()):
        page = dmoe_opt.explore(data)
        chromium.open(shown(page, tmp_path))
        paid_j = []
        for says, bound_j in chromium.value(PAYS):
            number, unit = re.findall(r"reach(?:es)? [\d.]+ for ([\d.]+) (\w+)", says)[0]
            paid_j.append(float(number) * {"J": 1, "mJ": 1e-3, "uJ": 1e-6}[unit])
            assert bound_j <= paid_j[-1] * 1.001
        result = grid.exact(data, 60)
        assert sum(paid_j) == pytest.approx(result.objective_j, rel=1e-3)
        if send_once:
            assert any(len(set(row)) < len(row) for row in nodes_of(result))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_page_is_used_by_keyboard(theme: str, tmp_path: Path, chromium: Browser) -> None:
    """Tab goes through the page from top to bottom, arrows move sliders, the console is silent."""
    chromium.complaints.clear()
    chromium.open(shown(dmoe_opt.explore(dmoe_opt.load("tiny-s1")), tmp_path), 390, theme)
    stops = ["theme", "scale", "layer", "cap", "subcarriers", "summary", "token"]
    seen = []
    for _ in stops:
        chromium.press("Tab")
        seen.append(chromium.value(FOCUSED))
        place, before = chromium.value("document.activeElement.value"), chromium.value(SAYS)
        chromium.press("ArrowLeft" if seen[-1] == "subcarriers" else "ArrowRight")
        if seen[-1] not in ("theme", "summary"):
            assert chromium.value("document.activeElement.value") != place
            assert chromium.value(SAYS) != before
    assert seen == stops
    assert chromium.complaints == []


def test_a_page_of_a_large_round_is_small() -> None:
    """Less than 2 MB for 8 experts and 128 tokens, and nothing is loaded from elsewhere."""
    data = dmoe_opt.generate("deadline-8x64", 1, num_experts=8, num_tokens=128)
    page = dmoe_opt.explore(data, time_limit=0.2)
    assert len(page.text.encode()) < 2_000_000
    assert not re.search(r"""(src|href)=["'](?!data:)""", page.text)
