"""The commands `solve` and `check`: logs, exit codes, selections of other files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.drawn import Ended

from dmoe_opt import SelectionProblem, generate, save

Typed = Callable[..., Ended]


def test_log_is_on_stderr(typed: Typed) -> None:
    """Rows of a search close at what the answer says; --json stays one document."""
    result = typed(
        "solve", "scarce-8x36-s0", "--problem", "jesa", "--method", "exact", "--log", "--json"
    )
    document = json.loads(result.stdout)
    rows = [line.split() for line in result.stderr.splitlines()]
    assert rows[0] == ["time", "s", "energy", "J", "bound", "J", "gap", "%"]
    assert len(rows) > 2
    assert float(rows[-1][1]) == pytest.approx(document["objective_j"], rel=1e-8)
    assert float(rows[-1][3]) <= 1e-4


def test_allocation_of_a_solution(typed: Typed, tmp_path: Path) -> None:
    """Experts of one solution file get subcarriers in another, which passes its check.

    Files that do not fit are refused.
    """
    assert typed("solve", "tiny-s1", "--method", "topk", "-o", "s.json").returncode == 0
    allocate = ("solve", "tiny-s1", "--problem", "allocation", "--selection")
    solved = typed(*allocate, "s.json", "-o", "a.json", "--json")
    assert (solved.returncode, solved.stderr) == (0, "")
    document = json.loads(solved.stdout)
    assert (document["problem"], document["method"], document["status"]) == (
        "allocation",
        "assignment",
        "optimal",
    )
    assert document["selection"] == json.loads((tmp_path / "s.json").read_text())["selection"]
    assert typed("check", "tiny-s1", "a.json").returncode == 0
    forged = json.loads((tmp_path / "a.json").read_text())
    forged["allocation"][0][2] = forged["allocation"][1][2]
    (tmp_path / "forged.json").write_text(json.dumps(forged))
    judged = typed("check", "tiny-s1", "forged.json")
    assert judged.returncode == 1
    assert "(C3)" in judged.stdout
    for change, message in (
        ({"selection": None}, "selection = None; allowed: a solution that has one"),
        (
            {"selection": [[99]] * len(forged["selection"])},
            "selection: token 0: there is no expert 99",
        ),
        ({"selection": [[]] * len(forged["selection"])}, "selection: token 0 (C1)"),
        (
            {"instance_sha256": "0"},
            "instance_sha256 = '0'; allowed: a solution of this instance (tiny-s1)",
        ),
    ):
        (tmp_path / "other.json").write_text(json.dumps(forged | change))
        refused = typed(*allocate, "other.json")
        assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
        assert message in refused.stderr
    assert (
        "option selection is unknown to method des"
        in typed("solve", "tiny-s1", "--selection", "s.json").stderr
    )


def test_exit_codes_without_an_answer(typed: Typed, tmp_path: Path) -> None:
    """3 is proven infeasible with a reason, 4 is a limit without an answer."""
    strict = SelectionProblem(
        scores=[[0.5]], cost=[[1.0]], threshold=0.75, max_experts=1, on_shortfall="infeasible"
    )  # type: ignore[arg-type]
    save(strict, tmp_path / "strict.json")
    result = typed("solve", "strict.json")
    assert result.returncode == 3
    assert "token 0 cannot reach the threshold" in result.stdout
    save(generate("edge-8x64", 1, num_subcarriers=6), tmp_path / "scarce.json")
    scarce = typed("solve", "scarce.json", "--problem", "allocation")
    assert scarce.returncode == 3
    assert "links are active and 6 subcarriers exist" in scarce.stdout
    for method in ("bcd", "lagrangian", "exact"):
        refuted = typed(
            "solve",
            "scarce-8x36-s1",
            "--problem",
            "jesa",
            "--method",
            method,
            *(["--log"] if method == "exact" else []),
        )
        assert refuted.returncode == 3
        assert "at least 40 links must be active (4 from node 0, " in refuted.stdout
    save(generate("inverse-strongly-correlated", 1, num_tokens=2), tmp_path / "hard.json")
    limited = typed("solve", "hard.json", "--method", "cvxpy", "--time-limit", "1e-9", "--json")
    assert limited.returncode == 4
    document = json.loads(limited.stdout)
    assert (document["status"], document["objective_j"], document["selection"]) == (
        "no_solution",
        None,
        None,
    )


def test_what_cannot_be_tried_is_told(typed: Typed, tmp_path: Path) -> None:
    """An allocation without an answer names its experts; what names none cannot be tried."""
    solve = ("solve", "scarce-8x36-s1", "--problem", "allocation", "-o", "solution.json")
    assert typed(*solve).returncode == 3
    checked = typed("check", "scarce-8x36-s1", "solution.json")
    assert (checked.returncode, "not refuted within a second" in checked.stdout) == (0, True)
    unnamed = json.loads((tmp_path / "solution.json").read_text()) | {"selection": None}
    (tmp_path / "solution.json").write_text(json.dumps(unnamed))
    checked = typed("check", "scarce-8x36-s1", "solution.json")
    assert checked.returncode == 0
    assert "told by assignment, not verified: that the experts" in checked.stdout
