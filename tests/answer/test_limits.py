"""Rounds with optional rules by hand: what they cost, and which rule a decision breaks."""

from __future__ import annotations

import numpy as np
import pytest

from dmoe_opt import Decision, InputError, Instance, Radio, check, methods, solve
from dmoe_opt.answer.result import build
from dmoe_opt.method_table import look_up


def three_tokens(**rules: object) -> Instance:
    """Tokens of node 0 that need expert 1; subcarriers at 1, 2 and 3 bit/s, a token has 1 bit."""
    gains = np.zeros((2, 2, 3))
    gains[0, 1] = [1.0, 3.0, 7.0]
    radio = Radio(gains, 1.0, 1.0, 1.0, 1.0)
    return Instance([0] * 3, [[0.0, 1.0]] * 3, 0.5, 1, [0.0, 0.25], radio, **rules)


def decided(data: Instance, tokens: int, subcarriers: list[int]) -> Decision:
    """The first tokens visit expert 1 over these subcarriers, the others no expert."""
    selection = np.zeros((3, 2), dtype=bool)
    selection[:tokens, 1] = True
    allocation = np.zeros((2, 2, 3), dtype=bool)
    allocation[0, 1, subcarriers] = True
    return Decision(data, selection, allocation)


def test_bill_by_hand() -> None:
    """Causes stand apart; under a deadline of 0.5 s only the fastest sends, one token at 1/3 J."""
    data = three_tokens(
        drop_price=[8.0, 2.0, 4.0], capacity=[0, 2], wake_energy=[9.0, 1.0], air_deadline_s=0.5
    )
    assert data.air_tokens[0, 1].tolist() == [0, 1, 1]
    decision = decided(data, 1, [2])
    assert decision.violations == []
    assert decision.bill == pytest.approx((0.25, 1.0, 1 / 3, 6.0))
    assert decision.dropped.tolist() == [False, True, True]
    told = str(build(data, "by hand", decision)).splitlines()
    assert told[3:8] == [
        "energy     7.58333333 J",
        "computing  0.25 J",
        "waking     1 J",
        "sending    0.333333333 J",
        "dropping   6 J for 2 tokens",
    ]
    assert decision.energy_j == decision.bill.total_j


def test_cheapest_subcarriers_fill_first() -> None:
    """In a second the rates carry 1, 2 and 3 tokens: the third token needs a second subcarrier."""
    data = three_tokens(air_deadline_s=1.0)
    assert decided(data, 3, [2]).bill.sending_j == pytest.approx(1.0)
    assert decided(data, 3, [0, 1]).bill.sending_j == pytest.approx(2 / 2 + 1 / 1)
    assert decided(data, 3, [0, 1, 2]).bill.sending_j == pytest.approx(1.0)
    plain = three_tokens()
    assert decided(plain, 3, [0, 1]).bill.sending_j == pytest.approx(3 * 2 / 3)


def test_a_token_that_ends_at_the_deadline_is_on_time() -> None:
    """U counts whole tokens; half as many with a round trip; 0.3 s / 0.1 s is three."""
    radio = Radio(np.ones((2, 2, 1)), 10.0, 1.0, 1.0, 1.0)
    assert radio.tokens_within(0.3)[0, 1, 0] == 3
    assert radio.tokens_within(0.29)[0, 1, 0] == 2
    there_and_back = Radio(np.ones((2, 2, 1)), 10.0, 1.0, 1.0, 1.0, round_trip=True)
    assert there_and_back.tokens_within(0.3)[0, 1, 0] == 1


def test_each_optional_rule_by_itself() -> None:
    """(C1) without a price, (C5) and (C7): broken alone, named alone, with numbers."""
    served = decided(three_tokens(capacity=[3, 2]), 3, [2])
    assert served.violations == ["expert 1 (C5): serves 3 tokens, its capacity is 2"]
    late = decided(three_tokens(air_deadline_s=0.5), 3, [1, 2])
    assert late.violations == [
        "link 0 -> 1 (C7): subcarriers 1 and 2 can send 2 of 3 tokens before 0.5 s"
    ]
    assert late.energy_j == np.inf
    late = decided(three_tokens(air_deadline_s=0.0, drop_price=1.0), 1, [2])
    assert late.violations == ["link 0 -> 1 (C7): subcarrier 2 can send 0 of 1 token before 0 s"]
    dropped = decided(three_tokens(), 2, [2])
    assert dropped.violations == ["token 2 (C1): relevance 0 is below 0.5"]
    priced = three_tokens(drop_price=1.0)
    assert decided(priced, 2, [2]).violations == []
    empty = Decision(priced, np.zeros((2, 2), dtype=bool), dropped.allocation).violations
    assert "the selection has shape" in empty[0]


def test_a_token_out_of_reach_may_be_dropped() -> None:
    """Where thresholds out of reach make a round infeasible, prices make it feasible again."""
    data = three_tokens(on_shortfall="infeasible").replace(threshold=[2.0, 0.5, 0.0])
    assert "cannot reach" in data.infeasibility()
    priced = data.replace(drop_price=0.5)
    assert priced.infeasibility() is None
    nothing = decided(priced, 0, [])
    assert (nothing.violations, nothing.energy_j) == ([], 1.0)  # token 2 needs no expert
    answer = solve(priced, "jesa", lambda data: (nothing.selection, nothing.allocation))
    assert (answer.objective_j, check(priced, answer)) == (1.0, [])


def test_deadline_needs_a_radio() -> None:
    """Energies of links say nothing of the time that a token takes."""
    data = Instance([0], [[1.0]], 0.5, 1, [1.0], link_energy=[[[0.0]]])
    with pytest.raises(InputError, match="air_deadline_s = 1 is given without radio"):
        data.replace(air_deadline_s=1.0)


@pytest.mark.parametrize("problem", ["selection", "allocation", "jesa"])
def test_methods_refuse_rules_that_they_do_not_take(problem: str) -> None:
    """One line names the rule and who takes it."""
    data = three_tokens(wake_energy=[1.0, 1.0])
    for name in methods(problem):
        if "wake_energy" not in look_up(problem, name).rules:
            with pytest.raises(InputError) as caught:
                solve(data, problem, name)
            assert f"{name} does not take a round with wake_energy; allowed: " in str(caught.value)
