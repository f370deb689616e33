"""Draw every picture of README and of the pages again: `python docs/make_figures.py`.

Nothing is measured here. The numbers are in `docs/figures` and `tests/benchmarks`, as these
commands wrote them; some take an hour:

- `comparison.csv`: `dmoe-opt compare instances --time-limit 2 -o results`
- `digits`, `domains`: `dmoe-opt frontier digits --seeds 10 -o digits`, and with domains
- `busy.json`: `dmoe-opt offload compare busy --time-limit 3 --json`
- `fading`: `dmoe-opt offload train fading --seed 0 -o fading --json > fading/learned.json`; the
  rules with prices were played later on the same validation episodes
- `methods`: `dmoe-opt sweep tests/benchmarks/methods.toml -o methods`
- `paying.csv` of the benchmarks: `tests/benchmarks/paying.py`; and the tables of their page
"""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

import dmoe_opt
from dmoe_opt import plot
from dmoe_opt.comparing.fronts import read_frontier
from dmoe_opt.comparing.judged import MethodRow
from dmoe_opt.comparing.policies import OffloadComparison
from dmoe_opt.plot import comparison, offload, profiles, protocol
from dmoe_opt.plot.styling import COLOURS, png, tidy
from dmoe_opt.sweep.judging import judge, read_jobs
from dmoe_opt.sweep.profiles import profile_rows

ROOT = Path(__file__).parents[1]
DATA = ROOT / "docs" / "figures"
IMAGES = Path("notebooks/images")
CARDS = Path("docs/figures/cards")
BENCHMARKS = Path("tests/benchmarks")
MOST_BYTES = 200_000
CARD_PX = 480
"""Width of the pictures of the gallery."""


def rows_of(path: Path, kind: type) -> list[Any]:
    """Rows of a CSV file as dataclasses; an empty cell is None where the type allows it."""
    with path.open(encoding="utf-8") as file:
        rows = [{k: v or None for k, v in row.items()} for row in csv.DictReader(file)]
    texts = {name for name, of in kind.__annotations__.items() if of == "str"}
    filled = [{k: "" if v is None and k in texts else v for k, v in row.items()} for row in rows]
    return [msgspec.convert(row, kind, strict=False) for row in filled]


def problem() -> bytes:
    """The round of three nodes as a network with the links of its optimum, and two bars."""
    round_ = dmoe_opt.load("tiny-s1")
    assert isinstance(round_, dmoe_opt.Instance)
    figure = Figure(figsize=(11.0, 5.4), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 1.3))
    best = dmoe_opt.solve(round_, "jesa", "exact")
    plot.network(round_, best, axes=left)
    left.set_title("the optimum: who computes, over which links")
    answers = {"Top-k": dmoe_opt.solve(round_, "jesa", "topk"), "optimum": best}
    _bars(right, answers)
    return png(figure)


def _bars(axes: Axes, answers: dict[str, Any]) -> None:
    """Energy of computing and of sending, a bar for each answer."""
    bills = [answer.decision.bill for answer in answers.values()]
    computing = 1e3 * np.array([bill.computing_j for bill in bills])
    sending = 1e3 * np.array([bill.sending_j for bill in bills])
    axes.bar(list(answers), computing, color=COLOURS[1], label="computing", width=0.6)
    axes.bar(list(answers), sending, bottom=computing, color=COLOURS[0], label="sending", width=0.6)
    for place, total in enumerate(computing + sending):
        axes.text(place, total, f"{total:.2f} mJ", ha="center", va="bottom")
    axes.set(ylabel="energy, mJ", title="for at least the same relevance")
    axes.set_ylim(0, 1.35 * max(computing + sending))
    axes.legend(frameon=False, loc="upper right")
    tidy(axes, None)


def results() -> Iterator[tuple[Path, bytes]]:
    """The pictures of results, sweeps and offloading."""
    rows = rows_of(DATA / "comparison.csv", MethodRow)
    yield IMAGES / "comparison.png", comparison.comparison(rows)["energy_gap.png"]
    for task in ("digits", "domains"):
        drawn = protocol.of_frontier(read_frontier(DATA / task), task)
        yield IMAGES / f"accuracy-energy-{task}.png", drawn["accuracy_energy.png"]
    busy = msgspec.json.decode((DATA / "busy.json").read_bytes(), type=OffloadComparison)
    drawn = offload.of_comparison(busy)
    yield IMAGES / "offload-shares-busy.png", drawn["shares.png"]
    yield IMAGES / "offload-gaps-busy.png", drawn["gaps.png"]
    yield IMAGES / "offload-learning-fading.png", learning()
    ratios = profile_rows(judge(read_jobs(DATA / "methods")))
    yield IMAGES / "profile-jesa.png", profiles.of_profiles(ratios)["profile-jesa.png"]


def learning() -> bytes:
    """Returns on the validation episodes as the agent of `fading` was trained."""
    with (DATA / "fading" / "learning.csv").open(encoding="utf-8") as file:
        checks = list(csv.DictReader(file))
    steps = [int(check["step"]) for check in checks]
    returns = [float(check["return_mean"]) for check in checks]
    learned = json.loads((DATA / "fading" / "learned.json").read_text())
    drawn = offload.of_learning(steps, returns, learned["optimum_mean"], learned["rules"])
    return drawn["learning.png"]


def benchmarks(root: Path) -> list[Path]:
    """The pictures of the benchmarks, drawn by their scripts from the tables of their page."""
    sys.path.insert(0, str(ROOT / BENCHMARKS))
    import asymptotics
    import joint
    import paying

    page = (ROOT / BENCHMARKS / "README.md").read_text(encoding="utf-8")
    paths = [BENCHMARKS / "bcd-time.png", BENCHMARKS / "asymptotics.png"]
    paths.append(IMAGES / "where-it-pays.png")
    joint.draw(str(root / paths[0]), growth(page))
    asymptotics.draw(str(root / paths[1]), shares_proven(page))
    paying.draw_all(rows_of(ROOT / BENCHMARKS / "paying.csv", paying.Row), root / paths[2])
    return paths


def growth(page: str) -> dict[str, tuple[list[float], list[float], float]]:
    """Sizes, times in ms and exponent of `bcd`, by what grows, from the page of the benchmarks."""
    section = _section(page, "Joint allocation")
    found = {}
    for what in ("tokens", "experts", "subcarriers"):
        cells = _cells(re.findall(rf"^\| {what} \| [\d, ]+ \|.*$", section, re.MULTILINE)[0])
        found[what] = (_numbers(cells[1]), _numbers(cells[2]), float(cells[3]))
    return found


def shares_proven(page: str) -> dict[str, list[tuple[float, ...]]]:
    """Share of rounds proven, its interval and the product, by channel and subcarriers."""
    section = _section(page, "How often distinct best subcarriers prove the optimum")
    found: dict[str, list[tuple[float, ...]]] = {}
    for line in re.findall(r"^\| (?:independent|16 taps|4 taps) \|.*$", section, re.MULTILINE):
        cells = _cells(line)
        percent = [*map(float, re.findall(r"[\d.]+", cells[5])), float(cells[6])]
        found.setdefault(cells[0], []).append(tuple(value / 100 for value in percent))
    return found


def _section(page: str, title: str) -> str:
    """The text under a heading: tables of other sections may have rows of the same name."""
    return page.split(f"\n## {title}\n")[1].split("\n## ")[0]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def _numbers(cell: str) -> list[float]:
    return [json.loads(number.replace(",", "")) for number in cell.split(", ")]


def cards() -> Iterator[tuple[Path, bytes]]:
    """For the gallery, the last picture of every notebook, small."""
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        pictures = re.findall(r'"image/png": "([^"]+)"', notebook.read_text(encoding="utf-8"))
        image = Image.open(io.BytesIO(base64.b64decode(pictures[-1].replace("\\n", ""))))
        image = image.convert("RGB")
        image.thumbnail((CARD_PX, CARD_PX))
        buffer = io.BytesIO()
        image.save(buffer, "PNG", optimize=True)
        yield CARDS / f"{notebook.stem}.png", buffer.getvalue()


def main(root: Path = ROOT) -> list[Path]:
    """Write the pictures below a folder, and refuse those that are too large for a page."""
    for folder in (IMAGES, CARDS, BENCHMARKS):
        (root / folder).mkdir(parents=True, exist_ok=True)
    drawn = {IMAGES / "problem.png": problem()} | dict(results()) | dict(cards())
    for path, content in drawn.items():
        (root / path).write_bytes(content)
    written = [*drawn, *benchmarks(root)]
    for path in written:
        size = (root / path).stat().st_size
        print(f"{size:8,} {path}")
        if size > MOST_BYTES:
            sys.exit(f"{path}: more than {MOST_BYTES:,} bytes")
    return written


if __name__ == "__main__":
    main()
