"""Pages in a real browser: headless Chromium moves the sliders. Skipped where there is none."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import dmoe_opt
from dmoe_opt.exploring import grid

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
DRIVER = """
<script>
const seen = [];
window.addEventListener("error", (event) => seen.push({ error: event.message }));
for (const stands of SETTINGS) {
  for (const [name, k] of Object.entries(stands)) {
    slider(name).value = k;
    slider(name).dispatchEvent(new Event("input"));
  }
  const { energyJ, boundJ, status } = document.getElementById("answer").dataset;
  const bars = [...document.querySelectorAll("#bars text")].map((text) => text.textContent);
  const covering = document.getElementById("covering-says").textContent;
  const wide = document.documentElement.scrollWidth - window.innerWidth;
  seen.push({ energyJ, boundJ, status, bars, covering, wide });
}
const unnamed = [...document.querySelectorAll("svg:not([aria-label]), input:not([id])")].length;
const told = parent.document.createElement("pre");
told.textContent = JSON.stringify({ seen, unnamed });
parent.document.body.replaceChildren(told);
</script>
"""


def moved(page: dmoe_opt.Page, settings: list[dict[str, int]], folder: Path, width: int) -> Any:
    """What the page shows after each setting of its sliders, in a frame of so many pixels.

    Windows of Chromium are never narrower than 500 pixels; frames are, and notebooks use them.
    """
    driver = DRIVER.replace("SETTINGS", json.dumps(settings))
    text = html.escape(page.text.replace("</body>", driver + "</body>"))
    path = folder / "page.html"
    path.write_text(f'<iframe style="width: {width}px; height: 900px" srcdoc="{text}"></iframe>')
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += ["--window-size=1400,1000", f"--user-data-dir={folder / 'profile'}"]
    command += ["--virtual-time-budget=10000", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    found = re.search("<pre>(.*?)</pre>", done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    return json.loads(html.unescape(found[1]))


def one_power(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the thresholds as they are, where other sliders are tried."""
    for name in ("SCALES", "LAYERS", "POWERS"):
        monkeypatch.setattr(grid, name, range(1))


@pytest.mark.parametrize("width", [390, 1200])
def test_a_deadline_can_be_moved(
    monkeypatch: pytest.MonkeyPatch, width: int, tmp_path: Path
) -> None:
    """Energy and status are those of `solve` for each deadline; the spectrum stays whole."""
    one_power(monkeypatch)
    data = dmoe_opt.generate("deadline-8x64", 1, num_experts=3, num_subcarriers=8, num_tokens=9)
    deadlines = grid.axes_of(data).deadlines
    stands = [{"deadline": k, "cap": 1} for k in range(len(deadlines))]
    shown = moved(dmoe_opt.explore(data), stands, tmp_path, width)
    assert len(shown["seen"]) == len(deadlines)
    for deadline_s, seen in zip(deadlines, shown["seen"], strict=True):
        result = dmoe_opt.solve(data.replace(air_deadline_s=deadline_s), "jesa", "exact")
        assert seen["status"] == result.status
        shows = None if seen["energyJ"] == "null" else float(seen["energyJ"])
        assert shows == (result.objective_j and pytest.approx(result.objective_j, rel=1e-6))
        assert seen["wide"] <= 0


@pytest.mark.parametrize(("name", "width"), [("tiny-s1", 390), ("weakly-correlated-s1", 1200)])
def test_numbers_shown_are_those_of_solve(name: str, width: int, tmp_path: Path) -> None:
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
    shown = moved(dmoe_opt.explore(data), stands, tmp_path, width)
    assert shown["unnamed"] == 0
    assert len(shown["seen"]) == len(stands)
    for stand, seen in zip(stands, shown["seen"], strict=True):
        power = grid.SCALES[stand["scale"]] + grid.LAYERS[stand["layer"]]
        number = axes.subcarriers[stand["subcarriers"]] if axes.subcarriers else None
        result = grid.exact(
            grid.variant(data, grid.Setting(power, axes.caps[stand["cap"]], number)), 60
        )
        assert seen["status"] == result.status
        shows = None if seen["energyJ"] == "null" else float(seen["energyJ"])
        assert shows == (result.objective_j and pytest.approx(result.objective_j, rel=1e-6))
        assert seen["covering"].startswith(f"Token {stand['token']}")
        assert seen["wide"] <= 0  # nothing to be scrolled sideways
