"""The offloading commands as one would type them."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.drawn import Ended

Typed = Callable[..., Ended]


def test_commands(typed: Typed, tmp_path: Path) -> None:
    """Generate, evaluate and compare as one would type them."""
    assert "images that come later are lost" in typed("offload", "generate", "--list").stdout
    assert typed("offload", "generate", "light").stdout == "offload-light.json\n"
    assert typed("offload", "generate", "light", "--seed", "3", "-o", "e.json").stdout == "e.json\n"
    played = typed("offload", "evaluate", "e.json", "-o", "out", "--json")
    total = json.loads(played.stdout)
    assert total == json.loads(
        typed("offload", "evaluate", "light", "--seed", "3", "--json").stdout
    )
    rows = list(csv.DictReader((tmp_path / "out" / "subtasks.csv").read_text().splitlines()))
    assert len(rows) == total["subtasks"] == total["served"] + total["local"] + total["lost"]
    assert (tmp_path / "out" / "load.png").read_bytes()[:4] == b"\x89PNG"
    best = json.loads(
        typed("offload", "evaluate", "e.json", "--policy", "optimum", "--json").stdout
    )
    assert best["return"] >= total["return"]

    few = ("--episodes", "2")
    ended = typed(
        *("offload", "compare", "--preset", "light", "--seed", "5", *few),
        *("--policies", "greedy,local", "--json"),
    )
    rows = json.loads(ended.stdout)["rows"]
    assert [row["policy"] for row in rows] == ["greedy", "local"]
    assert {"return_mean", "return_ci95", "optimum_share", "lost", "energy_j"} <= set(rows[0])
    ended = typed(
        *("offload", "compare", "busy", "--policies", "price,sac,greedy", "--episodes", "1"),
        *("--fitted-on", "light,drifting", "--format", "csv", "--time-limit", "1"),
    )
    names = [row["policy"] for row in csv.DictReader(ended.stdout.splitlines())]
    assert names == [
        *("price", "sac", "greedy", "price@light", "sac@light", "price@drifting", "optimum")
    ]
    shown = typed(
        *("offload", "compare", "offload-light.json", *few, "--policies", "greedy", "-o", "cmp")
    )
    assert "the optimum is proven in 2 of 2" in shown.stdout
    assert {p.name for p in (tmp_path / "cmp").iterdir()} == {
        *("comparison.csv", "gaps.png", "shares.png")
    }


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["generate", "heavy"],
            "heavy: cannot be read: No such file or directory; "
            "presets are light, busy, fading, mixed",
        ),
        (["generate"], "PRESET is missing"),
        (["evaluate", "light", "--policy", "best"], "policy = 'best'; allowed: random"),
        (["evaluate", "nowhere.json"], "nowhere.json: cannot be read"),
        (["compare"], "give PRESET_OR_FILE or --preset NAME"),
        (
            ["compare", "busy", "--policies", "sac", "--agent", "none.npz"],
            "none.npz: cannot be read",
        ),
        (["compare", "busy", "--policies", ""], "policy = ''"),
        (["compare", "busy", "--fitted-on", "heavy"], "fitted-on = 'heavy'; allowed: light, busy"),
        (["compare", "busy", "--episodes", "0"], "0 is not in the range"),
    ],
)
def test_bad_commands_are_one_line(typed: Typed, arguments: list[str], complaint: str) -> None:
    """Exit code 2 and one line on stderr."""
    ended = typed("offload", *arguments)
    assert ended.returncode == 2
    assert complaint in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert ended.stdout == ""


def test_any_limit_has_a_schedule(typed: Typed) -> None:
    """Whatever the limit, there is a schedule better than `greedy`, and the bound on all others."""
    ended = typed("offload", "evaluate", "busy", "--policy", "optimum", "--time-limit", "1e-6")
    assert ended.returncode == 0
    greedy = typed("offload", "evaluate", "busy", "--policy", "greedy")
    *_, best, _, bound = ended.stdout.split()
    assert float(greedy.stdout.split()[-1]) < float(best) <= float(bound)


def test_training_without_torch(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that says how to install it."""
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "dmoe_opt.offload.training", raising=False)
    ended = typed("offload", "train", "light", "-o", "out")
    assert ended.returncode == 2
    assert 'pip install "dmoe-opt[drl]"' in ended.stderr
    assert ended.stderr.count("\n") == 1
