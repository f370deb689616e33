"""An answer to begin with: it is checked first, and no method ends worse."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.drawn import Ended
from hypothesis import given
from hypothesis import strategies as st

import dmoe_opt
from dmoe_opt import Decision, InputError, Result
from dmoe_opt.method_table import METHODS
from dmoe_opt.own_methods import start_from

STARTED = [name for name, row in METHODS["jesa"].items() if row.takes("start")]
ROUND = dmoe_opt.load("tiny-s1")


@cache
def exact() -> Result:
    """The optimum; kernels are not compiled while tests are collected."""
    return dmoe_opt.solve(ROUND, "jesa", "exact")


@pytest.mark.parametrize("method", STARTED)
def test_no_method_ends_worse_than_its_start(method: str) -> None:
    """Not even without time: the declarative models then end with the start itself."""
    assert exact().objective_j is not None
    given: dict[str, Any] = {"time_limit": 1e-9} if method != "bcd" else {}
    for start in (exact(), exact().solution(), exact().decision, exact().selection):
        result = dmoe_opt.solve(ROUND, "jesa", method, start=start, **given)
        assert result.objective_j == pytest.approx(exact().objective_j, rel=1e-12)
        assert dmoe_opt.check(ROUND, result) == []


@given(st.integers(0, 50), st.integers(0, 2**32 - 1))
def test_random_starts_never_harm(seed: int, drawn: int) -> None:
    """On scarce rounds, where descents end apart, from any start that keeps the rules."""
    round_ = dmoe_opt.generate("tiny", seed, num_subcarriers=4)
    rng = np.random.default_rng(drawn)
    everyone = np.argsort(rng.random(round_.scores.shape), axis=1)[:, : round_.max_experts]
    try:
        start = start_from(round_, everyone)  # type: ignore[arg-type]
    except InputError:
        return
    for method in ("bcd", "lagrangian", "exact"):
        plain = dmoe_opt.solve(round_, "jesa", method)
        begun = dmoe_opt.solve(round_, "jesa", method, start=start)
        assert begun.objective_j is not None
        assert begun.objective_j <= start.energy_j * (1 + 1e-12)
        if plain.objective_j is not None and method != "lagrangian":
            assert begun.objective_j <= plain.objective_j * (1 + 1e-9)


@pytest.mark.parametrize(
    ("start", "complaint"),
    [
        (lambda: [[]] * 6, r"start: the answer of start was refused: token 0 \(C1\)"),
        (
            lambda: dmoe_opt.solve(dmoe_opt.load("digits-l4"), "jesa", "topk"),
            "start is of digits-l4",
        ),
        (
            lambda: Decision(ROUND, exact().selection, np.zeros_like(exact().allocation)),
            "start: the answer",
        ),
        (lambda: 5, "selection = 5; allowed: an array"),
    ],
)
def test_a_start_is_checked_first(start: Callable[[], Any], complaint: str) -> None:
    """A start that breaks a rule, or of another instance, is one line."""
    with pytest.raises(InputError, match=complaint):
        dmoe_opt.solve(ROUND, "jesa", "bcd", start=start())


def test_gurobi_begins_with_the_start() -> None:
    """Where the solver takes a start, it is handed over with all variables."""
    pytest.importorskip("gurobipy", reason="only Gurobi takes a start, and it needs a licence")
    start = dmoe_opt.solve(ROUND, "jesa", "topk")
    for method, solver in (("pyomo", "gurobi_direct"), ("cvxpy", "GUROBI")):
        result = dmoe_opt.solve(ROUND, "jesa", method, start=start, solver=solver)
        assert result.objective_j == pytest.approx(exact().objective_j, rel=1e-9)


def test_the_command_takes_a_solution_file(typed: Callable[..., Ended], tmp_path: Path) -> None:
    """`--start FILE`; a method that takes none says so."""
    dmoe_opt.save(exact(), tmp_path / "s.json")
    command = ("solve", "tiny-s1", "--problem", "jesa", "--start", "s.json", "--json")
    ended = typed(*command, "--method", "bcd")
    assert json.loads(ended.stdout)["objective_j"] == exact().objective_j
    ended = typed(*command, "--method", "topk")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "option start is unknown to method topk" in ended.stderr
