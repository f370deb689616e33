"""Answers made elsewhere stand in a comparison as rows, checked and judged like the others."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.drawn import Ended

import dmoe_opt
from dmoe_opt import InputError
from dmoe_opt.comparing.methods import compare
from dmoe_opt.data.files import load_solution


@pytest.fixture
def theirs() -> dmoe_opt.Result:
    """The answer of Top-k to a round, as if another program had made it."""
    result = dmoe_opt.solve(dmoe_opt.load("tiny-s1"), "jesa", "topk")
    return replace(result, method="theirs", wall_s=12.5)


def test_results_solutions_and_files(theirs: dmoe_opt.Result, tmp_path: Path) -> None:
    """They are the same row, with the time that they claim and a gap to the best bound."""
    dmoe_opt.save(theirs, tmp_path / "s.json")
    for given in (theirs, [theirs.solution()], tmp_path / "s.json", str(tmp_path)):
        exact, row = compare("tiny-s1", "jesa", ["exact"], solutions=given).rows
        assert (row.method, row.status, row.wall_s) == ("theirs", "feasible", 12.5)
        assert row.energy_j == theirs.objective_j
        assert row.gap == pytest.approx(1 - exact.bound_j / row.energy_j)


def test_names_are_kept_apart(tmp_path: Path) -> None:
    """A name that a method of the comparison has is told apart by the file, or by a number."""
    result = dmoe_opt.solve(dmoe_opt.load("tiny-s1"), method="topk")
    dmoe_opt.save(result, tmp_path / "old.json")
    given = [tmp_path / "old.json", result, result]
    rows = compare("tiny-s1", methods=["topk"], solutions=given).rows
    assert [row.method for row in rows] == ["topk", "topk (old)", "topk (2)", "topk (3)"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            {"objective_j": 1e-9, "gap": 0.0},
            "the objective is 0.0042278",
        ),
        ({"selection": [[]] * 6}, "token 0 (C1): relevance 0 is below 0.694961548"),
        ({"bound_j": 0.00422, "gap": None}, "the gap is"),
    ],
)
def test_false_claims_are_told(
    theirs: dmoe_opt.Result,
    change: dict[str, Any],
    complaint: str,
    typed: Callable[..., Ended],
    tmp_path: Path,
) -> None:
    """The row has the energy as recomputed, and the bound counts for nobody."""
    dmoe_opt.save(theirs, tmp_path / "s.json")
    forged = json.loads((tmp_path / "s.json").read_text()) | change
    (tmp_path / "s.json").write_text(json.dumps(forged))
    comparison = compare("tiny-s1", "jesa", ["exact"], solutions=tmp_path / "s.json")
    exact, row = comparison.rows
    assert (row.status, exact.gap) == ("false claim", 0.0)
    assert row.message.startswith(complaint)
    assert row.energy_j in (None, theirs.objective_j)
    assert comparison.wrong == [row]
    shown = typed(
        "compare", "tiny-s1", "--problem", "jesa", "--methods", "exact", "--solution", "s.json"
    )
    assert shown.returncode == 1
    assert complaint in " ".join(shown.stdout.split())


def test_infeasibility_is_challenged() -> None:
    """A solution that says infeasible is refuted by the answer of a method."""
    absent = dmoe_opt.solve(dmoe_opt.load("scarce-8x36-s1"), "jesa", "bcd").solution()
    _, row = compare("scarce-8x36-s1", "jesa", ["topk"], solutions=absent).rows
    assert (row.status, row.method) == ("infeasible", "bcd")
    sha = dmoe_opt.load("tiny-s1").sha256
    absent.instance_sha256 = sha
    rows = compare("tiny-s1", "jesa", ["topk"], solutions=absent).rows
    assert rows[1].status == "false claim"
    assert "an answer of" in rows[1].message


def test_solutions_of_others_are_refused(theirs: dmoe_opt.Result, tmp_path: Path) -> None:
    """A solution of another instance or problem, or no solution, is told before anything runs."""
    with pytest.raises(
        InputError, match=r"solution: is of another instance \(tiny-s1\); allowed: "
    ):
        compare("digits-l4", "jesa", ["exact"], solutions=theirs)
    with pytest.raises(InputError, match='problem = "jesa"; allowed: "selection"'):
        compare("tiny-s1", "selection", ["des"], solutions=theirs)
    with pytest.raises(InputError, match="holds no solution"):
        compare("tiny-s1", methods=["des"], solutions=tmp_path)


def test_an_allocation_of_other_experts_is_refused() -> None:
    """Energies of different experts say nothing of the subcarriers."""
    round_ = dmoe_opt.load("tiny-s1")
    topk = dmoe_opt.solve(round_, "jesa", "topk").selection
    other = dmoe_opt.solve(round_, "allocation", selection=topk)
    rows = compare(round_, "allocation", ["networkx"], solutions=other).rows
    assert [row.status for row in rows] == ["optimal", "refused"]


def test_solutions_beside_instances_are_passed_over(tmp_path: Path) -> None:
    """A folder may hold both; a solution that is named itself is no instance."""
    round_ = dmoe_opt.load("tiny-s1")
    dmoe_opt.save(round_, tmp_path / "round.json")
    dmoe_opt.save(dmoe_opt.solve(round_), tmp_path / "a-solution.json")
    rows = compare(tmp_path, methods=["topk"], solutions=tmp_path).rows
    assert [(row.instance, row.method) for row in rows] == [("tiny-s1", "topk"), ("tiny-s1", "des")]
    with pytest.raises(InputError, match=r'"dmoe-opt/solution"; allowed: "dmoe-opt/round"'):
        compare(tmp_path / "a-solution.json")
    assert load_solution(tmp_path / "a-solution.json").method == "des"
