"""Rounds with optional rules: all methods against enumeration, and what loosening a rule does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from helpers.enumerated import drawn, drawn_on_nodes, optimum
from hypothesis import given
from hypothesis import strategies as st

from dmoe_opt import Instance, Status, check, generate, solve
from dmoe_opt.data.rules import OPTIONAL_RULES
from dmoe_opt.method_table import METHODS, Proof

SEEDS = (*range(36), 34094, 34582)
"""In the last two, links that do not work lower thresholds where experts are chosen alone."""
TAKERS = [name for name, row in METHODS["jesa"].items() if set(OPTIONAL_RULES) <= set(row.rules)]
ALWAYS = ("exact", "bcd", "lagrangian")  # they find an answer where there must be one
MODELLED = ("pyomo", "cvxpy")  # slower, and so on fewer rounds


def test_who_takes_all_rules() -> None:
    """The methods that the pages name."""
    assert [
        *("exact", "bcd", "lagrangian", "pyomo", "cvxpy"),
        *("relaxed", "topk", "topp", "homogeneous", "wlr"),
    ] == TAKERS


def complaints(data: Instance, best_j: float | None, method: str) -> Iterator[str]:
    """What is wrong with the answer of a method, where the optimum is known."""
    answer = solve(data, "jesa", method)
    proves = METHODS["jesa"][method].proves is Proof.YES
    yield from check(data, answer, patience_s=0)
    if best_j is None:
        if answer.solved or (proves and answer.status != Status.INFEASIBLE):
            yield f"no answer exists, the status is {answer.status}"
        return
    if data.drop_price is not None and method in ALWAYS and not answer.solved:
        yield f"no answer where tokens may be dropped: {answer.message}"
    if answer.status == Status.INFEASIBLE:
        yield f"claimed infeasible ({answer.message}), {best_j} J is possible"
    if answer.bound_j is not None and answer.bound_j > best_j * (1 + 1e-9):
        yield f"the bound {answer.bound_j} is above the optimum {best_j}"
    if answer.objective_j is not None and answer.objective_j < best_j * (1 - 1e-9):
        yield f"{answer.objective_j} is below the optimum {best_j}"
    if proves and answer.status != Status.OPTIMAL:
        yield f"not proven: {answer.status}, {answer.message}"
    if answer.status == Status.OPTIMAL and answer.objective_j > best_j * (1 + 1e-6):
        yield f"claimed optimal at {answer.objective_j}, the optimum is {best_j}"


def test_methods_agree_with_enumeration() -> None:
    """Every bound <= optimum <= every energy, and infeasible only if so; subsets of the rules."""
    rules = set()
    for seed in SEEDS:
        data = drawn(seed)
        rules.add(data.optional_rules)
        best_j = optimum(data)
        for method in TAKERS if seed % 12 == 0 else [m for m in TAKERS if m not in MODELLED]:
            found = list(complaints(data, best_j, method))
            assert not found, (seed, method, data.optional_rules, found)
    assert len(rules) > 12


def test_methods_agree_where_tokens_are_sent_once() -> None:
    """The same with several experts on a node, of rounds that send once and of others."""
    counts: Counter[tuple[bool, bool]] = Counter()
    for seed in range(24):
        data = drawn_on_nodes(seed)
        best_j = optimum(data)
        counts[data.send_once, best_j is None] += 1
        for method, row in METHODS["jesa"].items():
            if set(data.optional_rules) - set(row.rules) or (method in MODELLED and seed % 12):
                continue
            found = list(complaints(data, best_j, method))
            assert not found, (seed, method, data.optional_rules, found)
    assert min(counts.values()) > 1
    assert len(counts) == 4


LOOSER = {
    "drop_price": lambda price: price / 2,
    "capacity": lambda capacity: capacity + 1,
    "wake_energy": lambda energy: energy / 2,
    "air_deadline_s": lambda seconds: 1.5 * seconds + 0.1,
}


@given(st.integers(0, 2**32 - 1))
def test_loosening_a_rule_never_raises_the_optimum(seed: int) -> None:
    """Nor does taking it away; a price for dropping tokens never raises it either."""
    data = drawn(seed)
    tight = solve(data, "jesa")
    for name in data.optional_rules:
        absent = {name: None} if name != "drop_price" else {}
        for change in ({name: LOOSER[name](getattr(data, name))}, absent):
            loose = solve(data.replace(**change), "jesa")
            if tight.solved:
                assert loose.status == Status.OPTIMAL
                assert loose.objective_j <= tight.objective_j * (1 + 1e-6) + 1e-9
    priced = solve(data.replace(drop_price=1.0), "jesa")
    if tight.solved and data.drop_price is None:
        assert priced.objective_j <= tight.objective_j * (1 + 1e-6) + 1e-9


def test_rules_that_do_not_bind_change_nothing() -> None:
    """High prices, room for all, free waking and a late deadline: the plain optimum."""
    plain = generate("tiny", 2)
    assert isinstance(plain, Instance)
    loose = plain.replace(
        drop_price=1e6, capacity=[99] * 3, wake_energy=[0.0] * 3, air_deadline_s=1e9
    )
    for method in TAKERS:
        a, b = solve(plain, "jesa", method), solve(loose, "jesa", method)
        assert (a.objective_j is None) == (b.objective_j is None), method
        if a.objective_j is not None and method != "relaxed":
            assert b.objective_j == pytest.approx(a.objective_j, rel=1e-9), method


def test_prices_alone_prove_a_round_that_sends_once() -> None:
    """64 experts on 8 nodes: the ascent needs exact bounds of all tokens to get there."""
    data = generate("olmoe-64-on-8", 0, num_tokens=256, num_subcarriers=64, send_once=True)
    answer = solve(data, "jesa", "exact")
    assert (answer.status, answer.stats["kept"]) == (Status.OPTIMAL, 0.0)
    assert check(data, answer) == []


def test_few_subcarriers_for_tokens_sent_once() -> None:
    """Links are counted: 16 subcarriers are proven to be too few, with 40 the descent answers."""
    few, enough = (
        generate("olmoe-64-on-8", 1, num_subcarriers=number, share=0.42, send_once=True)
        for number in (16, 40)
    )
    for method in ("bcd", "exact"):
        assert solve(few, "jesa", method).status is Status.INFEASIBLE
    answer = solve(enough, "jesa", "bcd")
    assert answer.gap < 0.05
    assert check(enough, answer) == []


def test_ascent_on_a_larger_round() -> None:
    """With all rules at K = 8 bounds are close: 4 % for the descent, 1 % for the ascent."""
    plain = generate("edge-8x64", 1, num_tokens=64)
    assert isinstance(plain, Instance)
    data = plain.replace(capacity=[14] * 8, wake_energy=[1e-3] * 8, air_deadline_s=0.03)
    bcd, lagrangian = solve(data, "jesa", "bcd"), solve(data, "jesa", "lagrangian")
    assert bcd.gap < 0.04
    assert lagrangian.gap < 0.01
    several = np.asarray(lagrangian.allocation).sum(axis=2)
    assert several.max() > 1
    assert check(data, lagrangian) == []
