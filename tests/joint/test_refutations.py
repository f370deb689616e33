"""Why a round with optional rules has no answer: true, minimal, and in words."""

from __future__ import annotations

from typing import Any

import numpy as np
from helpers.enumerated import drawn, drawn_on_nodes, optimum

from dmoe_opt import Instance, Radio, explain
from dmoe_opt.joint.conflict import Conflict
from dmoe_opt.joint.refutations import refutation


def part(data: Instance, tokens: list[int]) -> Instance:
    """Some tokens of a round."""
    fields = ("source", "scores", "threshold")
    return data.replace(**{name: getattr(data, name)[tokens] for name in fields})


def test_explanations_agree_with_enumeration() -> None:
    """Infeasible only if so; the tokens have no answer, and without any one of them they have."""
    kinds = set()
    for seed, data in enumerate([*map(drawn, range(70)), *map(drawn_on_nodes, range(30))]):
        told = explain(data)
        assert told.infeasible == (optimum(data) is None), (seed, str(told))
        if not told.infeasible:
            continue
        kinds |= set(told.rules)
        tokens = list(told.tokens)
        assert optimum(part(data, tokens)) is None, (seed, str(told))
        for t in tokens:
            rest = part(data, [other for other in tokens if other != t])
            assert optimum(rest) is not None, (seed, str(told))
    assert {"C1", "C5", "C7"} <= kinds


def four_tokens(**rules: Any) -> Instance:
    """Tokens of node 0 that need expert 1; two subcarriers at 1 and 2 bit/s, a token has 1 bit."""
    gains = np.zeros((2, 2, 2))
    gains[0, 1] = [1.0, 3.0]
    radio = Radio(gains, 1.0, 1.0, 1.0, 1.0)
    return Instance([0] * 4, [[0.0, 1.0]] * 4, 0.5, 1, [0.0, 0.0], radio, **rules)


def test_words_of_each_rule() -> None:
    """Capacity, deadline on all subcarriers, and on any; a price for dropping ends them all."""
    full = explain(four_tokens(capacity=[4, 3]))
    assert full.sentences == ("expert 1 would need room for 4 tokens, its capacity is 3",)
    assert full.rules == ("C1", "C5")
    late = explain(four_tokens(air_deadline_s=1.0))
    assert late.sentences == (
        "link 0 -> 1 can send 3 of 4 tokens before 1 s on all subcarriers together",
    )
    assert late.rules == ("C1", "C7")
    never = explain(four_tokens(air_deadline_s=0.25))
    assert never.sentences == ("link 0 -> 1 can send 0 of 1 token before 0.25 s on any subcarrier",)
    assert not explain(four_tokens(air_deadline_s=0.25, capacity=[0, 0], drop_price=1.0)).infeasible


def test_room_that_suffices_explains_nothing() -> None:
    """Where no time was left to take rules away, a capacity without a part in it is not blamed."""
    data = four_tokens(capacity=[4, 4], air_deadline_s=1.0)
    assert refutation(data, Conflict([0, 1, 2, 3], ["C1", "C5", "C7"], minimal=False)) == [
        "link 0 -> 1 can send 3 of 4 tokens before 1 s on all subcarriers together"
    ]


def test_a_token_that_is_sent_once_is_in_time_once() -> None:
    """Two experts of a node and a link that sends one token: too late only if it is sent twice."""
    gains = np.zeros((2, 2, 1))
    gains[0, 1] = 1.0
    radio = Radio(gains, 1.0, 1.0, 1.0, 1.0)
    once = Instance([0], [[0.5, 0.5]], 1.0, 2, [0.0, 0.0], radio, placement=[1, 1], send_once=True)
    once = once.replace(air_deadline_s=1.0)
    assert not explain(once).infeasible
    each = explain(once.replace(send_once=False))
    assert each.infeasible
    assert "C7" in each.rules
