"""Certified bounds in comparisons: the checker's word, and in words where there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dmoe_opt import InputError, load, solve
from dmoe_opt.cli import blocks
from dmoe_opt.comparing import certified
from dmoe_opt.comparing.methods import compare


def test_rows_have_the_certified_bound(capsys: pytest.CaptureFixture[str]) -> None:
    """One bound for all methods, below the optimum by rounding alone, beside no false bound."""
    false = replace(solve(load("tiny-s1"), "jesa"), bound_j=1.0)
    comparison = compare("tiny-s1", "jesa", ["exact", "topk"], solutions=false, prove=True)
    exact, topk, wrong = comparison.rows
    assert exact.energy_j is not None
    assert exact.certified_j is not None
    assert exact.certified_j == topk.certified_j
    assert 0 <= 1 - exact.certified_j / exact.energy_j < 1e-10
    assert wrong.status == "false claim"
    assert "certified J" in comparison.markdown()
    blocks.print_rows(comparison.rows)
    assert f"claimed: {exact.bound_j:.9g} J" in capsys.readouterr().out
    without = compare("tiny-s1", "jesa", ["topk"])
    assert (without.rows[0].certified_j, "certified" in without.markdown()) == (None, False)


def test_a_refutation_is_certified() -> None:
    """Only the methods that say that there is no answer are told to be right."""
    exact, topk = compare("scarce-8x36-s1", "jesa", ["exact", "topk"], prove=True).rows
    assert exact.message.endswith("certified in exact arithmetic")
    assert "certified" not in topk.message


def test_no_answer_is_certified() -> None:
    """Too little room for the tokens: the row says so, and that it is certified."""
    full = load("tiny-s1").replace(capacity=[1, 1, 1])
    exact, topk = compare(full, "jesa", ["exact", "topk"], prove=True).rows
    assert (exact.status, exact.certified_j, topk.certified_j) == ("infeasible", None, None)
    assert exact.message.endswith("certified in exact arithmetic")


def test_what_has_no_certificate_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no certificate is found, the row says why."""

    def unproven(*_: object) -> None:
        raise InputError("no proof was found")

    monkeypatch.setattr(certified, "prove", unproven)
    exact, topk = compare("tiny-s1", "jesa", ["exact", "topk"], prove=True).rows
    assert (exact.status, exact.certified_j, topk.certified_j) == ("optimal", None, None)
    assert exact.message == "not certified: no proof was found"
