"""Functions of users as methods: run, timed, checked and judged like those of the table."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.drawn import Ended

import dmoe_opt
from dmoe_opt import Decision, InputError, Instance, MethodError, SelectionProblem
from dmoe_opt.answer.given import decision_from
from dmoe_opt.method_table import METHODS

ROWS = [[0, 2], [1], []]
"""The optimum of `hand`, 5 J."""
MATRIX = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0]])


@pytest.mark.parametrize(
    "value",
    [
        ROWS,
        tuple(ROWS),
        [{0, 2}, {1}, set()],
        MATRIX,
        MATRIX.tolist(),
        MATRIX.astype(bool),
        MATRIX.astype(float),
        (MATRIX, None),
    ],
)
def test_one_answer_in_many_forms(hand: SelectionProblem, value: Any) -> None:
    """Rows of experts, sets, matrices of 0 and 1 or of booleans, with or without allocation."""
    assert decision_from(hand, value).selection.tolist() == MATRIX.astype(bool).tolist()
    result = dmoe_opt.solve(hand, method=lambda _: value)
    assert (result.objective_j, result.status, result.method) == (5.0, "feasible", "<lambda>")
    assert dmoe_opt.check(hand, result) == []


def test_one_function_for_rounds_and_bare_problems(hand: SelectionProblem) -> None:
    """The experts of a round and those of a bare problem are asked for in the same words."""

    def best_scores(data: Instance | SelectionProblem) -> Any:
        problem = data.selection_problem()
        return np.argsort(-problem.scores)[:, : problem.max_experts]

    round_ = dmoe_opt.load("tiny-s1")
    for data, name in ((hand, "selection"), (round_, "selection"), (round_, "jesa")):
        assert dmoe_opt.solve(data, name, best_scores).status in ("feasible", "optimal")


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (5, "selection = 5; allowed: an array"),
        ("none", "selection = 'none'; allowed: an array"),
        (ROWS[:2], "selection has 2 rows; allowed: 3"),
        ([[0, 3], [1], []], r"selection\[0\]\[1\] = 3; allowed: whole numbers in 0..2"),
        ([[0, 0], [1], []], r"selection\[0\] = \[0, 0\]; allowed: every expert once"),
        (0.5 * MATRIX, r"selection\[0\]\[0\] = 0.5; allowed: 0 or 1"),
        ((MATRIX, np.zeros((3, 3, 1))), "an allocation is given; allowed: a selection alone"),
    ],
)
def test_what_is_no_decision_is_told(hand: SelectionProblem, value: Any, complaint: str) -> None:
    """One line with field, index, value and what is allowed."""
    with pytest.raises(MethodError, match=f"method mine returned what is no answer: {complaint}"):
        dmoe_opt.solve(hand, method=("mine", lambda _: value))


def test_numbers_that_can_be_read_in_two_ways_are_refused(round_of_two: Instance) -> None:
    """With two experts, 0 and 1 in a row are both of them, or one of them."""
    with pytest.raises(InputError, match="could be experts as well"):
        decision_from(round_of_two, [[0, 1], [1, 0]])
    assert decision_from(round_of_two, [[False, True], [True, False]]).selection[0, 1]


def test_a_broken_rule_is_no_answer(hand: SelectionProblem) -> None:
    """The checker judges own methods as it does all others, and None is no answer."""
    result = dmoe_opt.solve(hand, method=lambda _: [[0], [1], []])
    assert (result.status, result.objective_j) == ("no_solution", None)
    assert "(C1)" in result.message
    assert dmoe_opt.solve(hand, method=lambda _: None).status == "no_solution"


def test_rounds_with_and_without_an_allocation() -> None:
    """A selection alone gets the best subcarriers; an allocation is taken as it is."""
    round_ = dmoe_opt.load("tiny-s1")
    exact = dmoe_opt.solve(round_, "jesa", "exact")
    assert exact.decision is not None
    chosen, used = exact.decision.selection, exact.decision.allocation
    triples = np.argwhere(used).tolist()
    forms: list[Callable[[Instance], Any]] = [
        lambda _: chosen,
        lambda _: (chosen, used),
        lambda _: (chosen, triples),
        lambda data: Decision(data, chosen, used),
        lambda _: exact,
    ]
    energies = [dmoe_opt.solve(round_, "jesa", form).objective_j for form in forms]
    assert energies == pytest.approx([exact.objective_j] * len(forms), rel=1e-12)
    idle = dmoe_opt.solve(round_, "jesa", lambda _: (chosen, np.zeros_like(used)))
    assert idle.status == "no_solution"
    crowded = dmoe_opt.load("scarce-8x36-s1")
    everybody = np.ones(crowded.scores.shape, dtype=bool)
    assert "(C2)" in dmoe_opt.solve(crowded, "jesa", lambda _: everybody).message
    topk = dmoe_opt.solve(crowded, "selection", "topk").selection
    refused = dmoe_opt.solve(crowded, "jesa", lambda _: topk)
    assert (refused.status, refused.objective_j) == ("no_solution", None)
    assert "links are active and 36 subcarriers exist" in refused.message


def test_allocations_of_given_experts() -> None:
    """For `allocation` a function gets the experts, and serves no others."""
    round_ = dmoe_opt.load("tiny-s1")
    best = dmoe_opt.solve(round_, "allocation")

    def serve(data: Instance, selection: np.ndarray) -> np.ndarray:
        from dmoe_opt.allocation.assignment import serve as assign

        decision = assign(data, selection)
        assert decision is not None
        return np.asarray(decision.allocation)

    assert dmoe_opt.solve(round_, "allocation", serve).objective_j == best.objective_j
    other = dmoe_opt.solve(round_, "jesa", "topk")
    with pytest.raises(MethodError, match="selection is another one"):
        dmoe_opt.solve(round_, "allocation", lambda _: other.decision)


def test_parameters_are_options(hand: SelectionProblem) -> None:
    """Seed and time limit go to functions that have them; others are options by name."""
    seen = {}

    def mine(problem: SelectionProblem, seed: int, time_limit: float = 9.0, width: int = 1) -> Any:
        seen.update(seed=seed, time_limit=time_limit, width=width)
        return ROWS

    dmoe_opt.solve(hand, method=mine, seed=3, width=7)  # type: ignore[call-arg]
    assert seen == {"seed": 3, "time_limit": 9.0, "width": 7}
    with pytest.raises(InputError, match="option colour is unknown to method mine; allowed: seed"):
        dmoe_opt.solve(hand, method=mine, colour=1)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("method", "complaint"),
    [
        (5, "method = 5; allowed: the name of a method, "),
        (("x", "des"), "allowed: the name of a method, "),
        (("des", len), "method = 'des'; allowed: a name of its own"),
        ("no.such:place", r"ModuleNotFoundError: .*; allowed: .*importable from this folder"),
        ("statistics:nothing", "AttributeError"),
        ("math:pi", "method = 'math:pi'; allowed: "),
    ],
)
def test_what_is_no_method_is_told(hand: SelectionProblem, method: Any, complaint: str) -> None:
    """Before anything runs."""
    with pytest.raises(InputError, match=complaint):
        dmoe_opt.compare(hand, methods=[method])


MINE = """
import numpy as np

def cheapest(problem, seed=0):
    print("at work")
    best = np.argsort(-problem.scores)[:, :problem.max_experts]
    return best

def broken(problem):
    return problem.colour
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of the user in the folder where the commands run."""
    (tmp_path / "homemade.py").write_text(MINE)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "homemade", raising=False)
    return tmp_path


def test_commands_take_own_methods(mine: Path, typed: Callable[..., Ended]) -> None:
    """By the place of the function; what it prints does not mix with what the command says."""
    ended = typed(
        "compare", "tiny-s1", "--methods", "topk,homemade:cheapest,homemade:broken", "--json"
    )
    assert (ended.returncode, ended.stderr) == (0, "at work\n")
    rows = {row["method"]: row for row in json.loads(ended.stdout)["rows"]}
    assert rows["homemade:cheapest"]["energy_j"] == rows["topk"]["energy_j"]
    assert rows["homemade:cheapest"]["gap"] == pytest.approx(rows["topk"]["gap"])
    broken = rows["homemade:broken"]
    assert (broken["status"], broken["energy_j"]) == ("failed", None)
    assert "homemade:broken raised AttributeError: " in broken["message"]
    ended = typed("solve", "tiny-s1", "--method", "homemade:broken")
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)


def test_sweeps_take_own_methods(mine: Path, typed: Callable[..., Ended]) -> None:
    """In a grid, beside others; a place without a function is told before the first job."""
    grid = '[grid]\npreset = "tiny"\nmethod = ["topk", "homemade:cheapest"]\n'
    (mine / "grid.toml").write_text(grid)
    ended = typed("sweep", "grid.toml", "-o", "out")
    assert ended.returncode == 0, ended.stderr
    lines = (mine / "out" / "results.jsonl").read_text().splitlines()
    topk, own = (json.loads(line) for line in lines)
    assert (own["method"], own["status"]) == ("homemade:cheapest", "feasible")
    assert own["objective_j"] == topk["objective_j"]
    (mine / "grid.toml").write_text(grid.replace("cheapest", "dearest"))
    assert typed("sweep", "grid.toml", "-o", "other").returncode == 2


def test_names_of_the_table_are_not_for_sale() -> None:
    """Every name of the table is refused for an own method, whatever the problem."""
    for names in METHODS.values():
        for name in names:
            with pytest.raises(InputError, match="allowed: a name of its own"):
                dmoe_opt.solve(dmoe_opt.load("tiny-s1"), method=(name, len))
