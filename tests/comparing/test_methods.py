"""Comparisons: one row for each method, gaps to the best bound, and what is refused."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

import dmoe_opt
from dmoe_opt import InputError, MissingExtraError, SelectionProblem
from dmoe_opt.answer.result import infeasible
from dmoe_opt.comparing import methods as comparing
from dmoe_opt.comparing.judged import Entry, rows_of
from dmoe_opt.comparing.methods import compare, default_methods, instances_in, sorted_out
from dmoe_opt.data.files import instances_folder


def test_gaps_are_to_the_best_bound(hand: SelectionProblem) -> None:
    """Top-2 costs 11 J and DES proves 5 J, so the gap of Top-2 is 6/11."""
    comparison = compare(hand, methods=["des", "topk"])
    assert comparison.problem == "selection"
    des, topk = comparison.rows
    assert (des.status, des.energy_j, des.bound_j, des.gap) == ("optimal", 5.0, 5.0, 0.0)
    assert (topk.energy_j, topk.gap) == (11.0, pytest.approx(6 / 11))
    assert (des.instance, des.tokens, des.experts, des.max_experts) == ("hand", 3, 3, 2)


def test_a_bound_above_an_answer_is_told(hand: SelectionProblem) -> None:
    """A bound above a checked answer is named and counts for no gap, and so is infeasibility."""
    result = dmoe_opt.solve(hand, method="des")
    others = [replace(result, bound_j=5.1), infeasible(hand, "no", "so it says")]
    results = {"right": result, "wrong": others[0], "no": others[1]}
    right, wrong, no = rows_of(hand, [Entry(*pair) for pair in results.items()])
    assert (right.status, right.gap, right.message) == ("optimal", 0.0, "")
    assert (wrong.status, wrong.gap) == ("wrong bound", 0.0)
    assert wrong.message == "the bound 5.1 J is above the 5 J of right"
    assert (no.status, no.message) == (
        "wrong bound",
        "says infeasible, and right has an answer of 5 J",
    )


def test_what_has_no_answer_has_a_row() -> None:
    """An infeasible round has neither energy nor gap, and says why."""
    (row,) = compare("scarce-8x36-s1", "jesa", ["bcd"]).rows
    assert (row.status, row.energy_j, row.gap, row.relevance) == ("infeasible", None, None, None)
    assert row.message


@pytest.mark.parametrize("error", [InputError, MissingExtraError])
def test_refusals_are_rows(
    monkeypatch: pytest.MonkeyPatch, hand: SelectionProblem, error: type[Exception]
) -> None:
    """A method that does not take the instance stops no other one."""
    solve = comparing.solve

    def moody(data: SelectionProblem, problem: str, name: str, **options: object) -> object:
        if name == "greedy":
            raise error("not today")
        return solve(data, problem, name, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(comparing, "solve", moody)
    refused, des = compare(hand, methods=["greedy", "des"]).rows
    assert (refused.status, refused.message, refused.energy_j) == ("refused", "not today", None)
    assert (des.status, des.gap) == ("optimal", 0.0)


def test_progress_counts_runs(hand: SelectionProblem) -> None:
    """Each run is told before it starts."""
    told: list[tuple[str, int, int]] = []
    compare([hand, "tiny-s1"], methods=["des"], progress=lambda *what: told.append(what))
    assert told == [("hand: des", 0, 2), ("tiny-s1: des", 1, 2)]


def test_folders_and_names(tmp_path: Path, hand: SelectionProblem) -> None:
    """A folder stands for its instances, or else for those of its subfolders."""
    inner = tmp_path / "inner"
    inner.mkdir()
    with pytest.raises(InputError, match="inner: holds no instance; allowed: "):
        instances_in([inner])
    for name in ("b.json", "a.npz"):
        dmoe_opt.save(hand, inner / name)
    (inner / "best_known.json").write_text("{}")
    (inner / "notes.txt").write_text("no instance")
    (inner / "foreign.json").write_text('{"format": "of others"}')
    (inner / "foreign.npz").write_bytes(b"PK\x03\x04")
    dmoe_opt.save(dmoe_opt.solve(hand), inner / "answer.json")
    wanted = [inner / "a.npz", inner / "b.json"]
    assert instances_in([inner]) == instances_in([tmp_path]) == wanted
    assert instances_in([inner / "b.json", "tiny-s1"])[1].stem == "tiny-s1"
    names = ["answer.json", "foreign.json", "foreign.npz"]
    assert sorted_out([inner]) == (wanted, [inner / name for name in names])
    rows = compare([tmp_path, hand], methods=["des"]).rows
    assert [row.energy_j for row in rows] == [5.0] * 3


def test_the_committed_folder_holds_instances() -> None:
    """Whatever else is committed beside them, `compare instances` of the README can read all.

    A method for experts alone refuses rounds with optional rules, and goes on.
    """
    rows = compare(instances_folder(), methods=["topp"]).rows
    known = json.loads((instances_folder() / "best_known.json").read_text())
    for row in rows:
        assert row.status == ("feasible" if "selection" in known[row.instance] else "refused")
    assert len(rows) == len(known)


def test_a_round_that_no_method_takes_has_one_row() -> None:
    """It says why, and where the round can be solved."""
    (row,) = compare("rich-8x64-s1").rows
    assert row.status == "refused" and "but those of jesa" in row.message


def test_default_methods(hand: SelectionProblem) -> None:
    """All, but enumeration only where it is quick."""
    assert "exhaustive" in default_methods("selection", hand)
    wide = dmoe_opt.load("edge-8x64-s1")
    assert "exhaustive" in default_methods("selection", wide)
    wider = dmoe_opt.generate("uncorrelated", 0)
    assert "exhaustive" not in default_methods("selection", wider)
    assert {row.method for row in compare(hand).rows} == set(default_methods("selection", hand))


def test_files(tmp_path: Path, hand: SelectionProblem) -> None:
    """The file has a line for each row, and says where it is."""
    comparison = compare(hand, methods=["des", "topk"])
    (path,) = comparison.save(tmp_path / "new")
    assert path == tmp_path / "new" / "comparison.csv"
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["method"] for row in rows] == ["des", "topk"]
    assert float(rows[0]["energy_j"]) == 5.0


def test_unknown_methods() -> None:
    """A wrong name is told before anything runs."""
    with pytest.raises(InputError, match='method = "magic"'):
        compare("tiny-s1", methods=["des", "magic"])
