"""Subcarriers under a deadline: exact methods against enumeration, and the quick fill."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.enumerated import cheapest_links, drawn

from dmoe_opt import Decision, InputError, Status, check, generate, solve
from dmoe_opt.allocation.transport import fill
from dmoe_opt.answer.objective import loads


def test_exact_methods_agree_with_enumeration() -> None:
    """Experts of the optimum, subcarriers anew: every owner of every subcarrier is tried."""
    several = 0
    for seed in range(40):
        data = drawn(seed)
        best = solve(data, "jesa")
        if best.selection is None:
            continue
        decision = Decision(data, best.selection, best.allocation)
        wanted_j = decision.bill.apart_from_sending_j + cheapest_links(data, decision.loads)
        several += int((np.asarray(best.allocation).sum(axis=2) > 1).sum())
        methods = ["assignment"] if seed % 4 else ["assignment", "pyomo", "cvxpy"]
        for method in methods:
            answer = solve(data, "allocation", method, selection=best.selection)
            assert answer.status == Status.OPTIMAL, (seed, method, answer.message)
            assert answer.objective_j == pytest.approx(wanted_j, rel=1e-8), (seed, method)
            assert check(data, answer) == []
    assert several > 0


def test_fill_is_near_the_optimum() -> None:
    """On 50 links and 64 subcarriers at most a percent above it, and mostly on it."""
    for seed in range(3):
        data = generate("edge-8x64", seed, num_tokens=64).replace(air_deadline_s=0.03)
        selection = solve(data, "jesa", "bcd").selection
        exact = solve(data, "allocation", selection=selection)
        filled = Decision(data, selection, fill(data, loads(data, selection)))
        assert filled.violations == []
        assert exact.objective_j <= filled.energy_j * (1 + 1e-9)
        assert filled.energy_j <= exact.objective_j * 1.01


def test_links_that_cannot_send_in_time_are_named() -> None:
    """One link alone, and all of them together."""
    data = generate("tiny", 1, max_experts=3)
    selection = np.ones(data.scores.shape, dtype=bool)
    most_s = 1 / data.radio.rate_bit_s().max() * data.radio.payload_bits
    for share, message in ((0.5, "can send 0 of 2 tokens"), (1.0, "subcarriers")):
        late = data.replace(air_deadline_s=share * most_s)
        answer = solve(late, "allocation", selection=selection)
        assert answer.status == Status.INFEASIBLE
        assert message in answer.message
    with pytest.raises(InputError, match="relax is given for a round with air_deadline_s"):
        solve(data.replace(air_deadline_s=1.0), "allocation", "pyomo", relax=True)
