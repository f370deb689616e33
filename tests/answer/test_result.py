"""Evaluator, checker and the derived status: they know no method and believe no claim."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest

from dmoe_opt import Instance, SelectionProblem, Status, check, load, solve
from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import energy_j, relevance, violations
from dmoe_opt.answer.result import build


def chosen(*rows: str) -> np.ndarray:
    return np.array([[c == "x" for c in row] for row in rows])


def test_evaluator_by_hand(hand: SelectionProblem) -> None:
    """Energy and relevance of a selection, added up on paper."""
    selection = chosen("x.x", ".x.", "...")
    assert energy_j(hand, selection) == 5.0
    assert relevance(hand, selection).tolist() == [0.75, 0.5, 0.0]
    assert violations(hand, selection) == []


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (chosen("x..", ".x.", "..."), "token 0 (C1): relevance 0.5 is below 0.6"),
        (chosen("xxx", ".x.", "..."), "token 0 (C2): 3 experts, at most 2 are allowed"),
        (chosen("x.x", ".x."), "the selection has shape (2, 3) of bool, wanted (3, 3) of bool"),
    ],
)
def test_each_rule_by_itself(hand: SelectionProblem, selection: np.ndarray, message: str) -> None:
    """Breaking one rule lists that rule; `x.x` above just satisfies both."""
    assert violations(hand, selection) == [message]


def test_dead_link_is_a_violation(hand: SelectionProblem) -> None:
    """A token cannot use an expert that it cannot reach."""
    usable = np.ones((3, 3), dtype=bool)
    usable[2, 1] = False
    assert violations(hand.replace(usable=usable), chosen("x.x", ".x.", ".x.")) == [
        "token 2: expert 1 cannot be used, its link is dead"
    ]


def test_status_is_derived(hand: SelectionProblem) -> None:
    """Optimal needs a bound that meets the objective; wrong bounds and selections are dropped."""
    best = Decision(hand, chosen("x.x", ".x.", "..."))
    assert build(hand, "m", best, bound_j=5.0).status == Status.OPTIMAL
    assert build(hand, "m", best, bound_j=4.9).status == Status.FEASIBLE
    assert build(hand, "m", best).gap is None
    wrong = build(hand, "m", best, bound_j=6.0)
    assert (wrong.status, wrong.bound_j) == (Status.FEASIBLE, None)
    assert "above the objective" in wrong.message
    broken = build(hand, "m", Decision(hand, chosen("...", ".x.", "...")), bound_j=5.0)
    assert (broken.status, broken.objective_j, broken.selection) == (Status.NO_SOLUTION, None, None)
    assert "refused" in broken.message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objective_j": 4.0}, "the objective is 5 J, claimed is 4.0"),
        ({"objective_j": None}, "the objective is 5 J, claimed is None"),
        ({"bound_j": 5.5}, "above the objective"),
        ({"bound_j": 4.0}, "the gap is"),
        ({"gap": None}, "the gap is"),
        ({"status": "feasible"}, 'the status is "optimal"'),
        ({"selection": [[0, 2], [1]]}, "2 tokens, the instance 3"),
        ({"selection": [[0, 7], [1], []]}, "there is no expert 7"),
        ({"selection": [[0, -1], [1], []]}, "there is no expert -1"),
        ({"selection": [[0, 0], [1], []]}, "listed twice"),
        ({"selection": [[0], [1], []]}, "C1"),
        ({"selection": None}, "without a selection"),
        ({"instance_sha256": "0"}, "another instance"),
        ({"allocation": [[9, 9, 9]]}, "yet an allocation is given"),
        ({"shortfall": [0]}, "0 tokens fall short, 1 are claimed"),
    ],
)
def test_checker_believes_no_claim(
    hand: SelectionProblem, change: dict[str, object], message: str
) -> None:
    """Each false claim is found; the honest solution passes."""
    honest = solve(hand).solution()
    assert check(hand, honest) == []
    assert any(message in found for found in check(hand, msgspec.structs.replace(honest, **change)))


def test_infeasible_claim_is_judged(hand: SelectionProblem) -> None:
    """Infeasibility is recomputed, and true claims of it pass."""
    strict = hand.replace(threshold=2.0, on_shortfall="infeasible")
    result = solve(strict)
    assert result.status == Status.INFEASIBLE
    assert (
        "tokens 0, 1, 2 cannot reach the threshold with 2 experts: "
        "token 0 reaches at most 0.75 of 2" in result.message
    )
    assert check(strict, result) == []
    claim = msgspec.structs.replace(result.solution(), instance_sha256=hand.sha256)
    assert check(hand, claim) == [
        "the instance is claimed infeasible, but every token can be served"
    ]


def test_shortfall_lowers_the_threshold(hand: SelectionProblem) -> None:
    """`top_d` asks for what the best D experts reach, and flags the token."""
    result = solve(hand.replace(threshold=[2.0, 0.5, 0.0]))
    assert result.status == Status.OPTIMAL
    assert result.shortfall == (0,)
    assert result.objective_j == 3.0 + 2.0


def test_prices_of_a_round(round_of_two: Instance) -> None:
    """Own expert: compute energy alone; the other one: 1 J of link on top."""
    problem = round_of_two.selection_problem()
    assert problem.cost.tolist() == [[0.5, 1.25], [1.5, 0.25]]
    result = solve(round_of_two)
    assert result.objective_j == 1.25 + 0.25
    assert check(round_of_two, result) == []
    assert result.instance_sha256 == round_of_two.sha256 != problem.sha256


def test_report_names_what_matters(hand: SelectionProblem) -> None:
    """The printed result says status, energy, bound and gap; an absent answer says why."""
    text = str(solve(hand))
    for word in ("hand", "optimal", "5 J", "gap 0.00%", "des"):
        assert word in text
    assert "infeasible: token 0" in str(
        solve(hand.replace(threshold=[2.0, 0, 0], on_shortfall="infeasible"))
    )


FORGED: dict[str, tuple[Callable[[Any], object], str]] = {
    "order": (lambda best: best.reverse(), "costs less than the entry before it"),
    "twice": (lambda best: best.insert(0, best[0]), "comes twice"),
    "energy": (lambda best: setattr(best[1], "energy_j", 1.0), "the energy is"),
}


@pytest.mark.parametrize("what", FORGED)
def test_forged_rankings_fail_the_check(what: str) -> None:
    """Further answers are recomputed like the first."""
    round_ = load("tiny-s1")
    forge, complaint = FORGED[what]
    tokens = solve(round_, count=3).solution()
    forge(tokens.token_ranking[0])  # type: ignore[index]
    assert complaint in check(round_, tokens)[0]
    whole = solve(round_, "jesa", "exact", count=3, gap=0.2).solution()
    forge(whole.round_ranking)
    assert complaint in check(round_, whole)[0]


def test_rankings_keep_the_rules() -> None:
    """A token that misses its threshold, and a list that is missing."""
    round_ = load("tiny-s1")
    tokens = solve(round_, count=2).solution()
    tokens.token_ranking[0][1].experts = []  # type: ignore[index]
    assert "token_ranking[0][1]: token 0 (C1)" in check(round_, tokens)[0]
    tokens.token_ranking.pop()  # type: ignore[union-attr]
    assert "token_ranking has 5 lists for 6 tokens" in check(round_, tokens)
