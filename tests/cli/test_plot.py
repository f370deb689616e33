"""The command `plot`: the files and tables that it writes."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.drawn import Ended
from helpers.jobs import line, powers, write

from dmoe_opt import MissingExtraError
from dmoe_opt.cli.plot import plot
from dmoe_opt.comparing.rows import as_csv
from dmoe_opt.comparing.schedulers import FrontierPoint

Typed = Callable[..., Ended]


def point(scheduler: str, energy: float, accuracy: float) -> FrontierPoint:
    return FrontierPoint(scheduler, 1.0, 0.5, 2, 3, accuracy, 0.01, 0.5, energy, 0.0, 1e-3)


def test_plot_writes_figures_and_tables(typed: Typed, tmp_path: Path) -> None:
    """A PNG and a CSV of the same stem for everything there is, and notes on what there is not."""
    rows = powers("des", 1.0, (2, 4, 8)) + powers(
        "topk", 0.5, (2, 4, 8), status="feasible", objective_j=2.0, bound_j=0.5
    )
    write(
        tmp_path, [*rows, line("bcd", problem="jesa"), line("exact", 0, "failed", problem="jesa")]
    )
    (tmp_path / "frontier.csv").write_text(
        as_csv([point("jesa", 1e-5, 0.8), point("topk", 2e-5, 0.9)], FrontierPoint)
    )
    done = typed("plot", ".", "-o", "out", "--json")
    assert done.returncode == 0, done.stderr
    stems = {f"{n}-selection" for n in ("profile", "gaps", "scaling", "savings")} | {
        "profile-jesa",
        "gaps-jesa",
        "fronts",
    }
    pictures = stems - {"savings-selection"} | {"savings-selection-topk"}
    wanted = {f"{s}.csv" for s in stems} | {f"{s}.png" for s in pictures}
    assert {p.name for p in (tmp_path / "out").iterdir()} == wanted
    assert all((tmp_path / "out" / f"{s}.png").read_bytes()[:4] == b"\x89PNG" for s in pictures)
    with (tmp_path / "out" / "profile-selection.csv").open() as file:
        assert {row["method"] for row in csv.DictReader(file)} == {"des", "topk"}
    document = json.loads(done.stdout)
    assert "scaling: no figure of jesa, since a fit needs three sizes" in str(document["notes"])
    assert {name: len(found) for name, found in document.items()} == {
        "profile": 8,
        "gaps": 4,
        "scaling": 2,
        "savings": 1,
        "rules": 0,
        "fronts": 2,
        "notes": 2,
    }


def test_plot_of_one_file(typed: Typed, tmp_path: Path) -> None:
    """A folder with a frontier alone is fine, one with neither file is one complaint."""
    neither = typed("plot", ".")
    assert (neither.returncode, neither.stdout) == (2, "")
    assert neither.stderr.count("\n") == 1
    assert "holds neither results.jsonl nor frontier.csv" in neither.stderr
    (tmp_path / "frontier.csv").write_text(as_csv([point("jesa", 1e-5, 0.8)], FrontierPoint))
    drawn = typed("plot", ".")
    assert drawn.returncode == 0
    assert "wrote fronts.png" in drawn.stderr
    assert drawn.stdout.startswith("fronts: ")
    assert {p.name for p in tmp_path.iterdir()} == {"frontier.csv", "fronts.csv", "fronts.png"}


@pytest.mark.parametrize("package", ["matplotlib", "moocore", "perfprof"])
def test_a_missing_extra_is_one_complaint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    """Whichever package of the extra is missing, the text says how to install it."""
    for name in list(sys.modules):
        if name.startswith(("dmoe_opt.plot", "dmoe_opt.comparing.fronts")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    write(tmp_path, [line("des")])
    with pytest.raises(MissingExtraError, match=r'pip install "dmoe-opt\[plot\]"') as complaint:
        plot.callback(str(tmp_path), None, form="text", as_json=False)
    assert complaint.value.exit_code == 2
    assert package in str(complaint.value)
