"""Bills against the one objective, and against each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import dmoe_opt
from dmoe_opt import Decision, InputError, Instance
from dmoe_opt.answer.objective import round_energy_j
from dmoe_opt.layers.bills import layer_bill, token_bills
from dmoe_opt.layers.protocol import PRESETS, SCHEDULERS, Run, run


@pytest.mark.parametrize("scheduler", [*SCHEDULERS, "lagrangian", "greedy"])
@pytest.mark.parametrize("channel_error", [0.0, 0.1])
def test_the_bill_is_the_evaluators(scheduler: str, channel_error: float) -> None:
    """The energies of tokens and of a layer add up to the objective on the true round."""
    watched: list[Decision] = []

    def watch(layer: int, decision: Decision) -> None:
        watched.append(decision)
        tokens = token_bills(layer, decision)
        energy_j = round_energy_j(decision.instance, decision.selection, decision.allocation)
        paid_j = sum(token.communication_j + token.computation_j for token in tokens)
        assert paid_j == pytest.approx(energy_j, rel=1e-12)
        visited = [int(expert) for token in tokens for expert in token.experts.split()]
        assert visited == np.nonzero(decision.selection)[1].tolist()

    done = run(
        "domains", scheduler, channel_error=channel_error, watch=watch, layers=2, num_tokens=64
    )
    for bill, decision in zip(done.layers, watched, strict=True):
        energy_j = round_energy_j(decision.instance, decision.selection, decision.allocation)
        assert bill.energy_j == energy_j
        assert bill.energy_j == pytest.approx(bill.communication_j + bill.computation_j)
        assert bill.latency_s == pytest.approx(bill.air_s + bill.computing_s)
        assert min(bill.communication_j, bill.computation_j, bill.air_s) > 0
        assert sum(bill.chosen) == bill.experts


def test_two_experts_on_a_node(run_of_pairs: Callable[[bool], Run]) -> None:
    """Bills of tokens add up; sending once costs less, and experts of a node compute in turn."""
    once, each = run_of_pairs(True), run_of_pairs(False)
    assert (once.experts_per_node, once.send_once, each.send_once) == (2, True, False)
    assert once.layers[0].chosen == each.layers[0].chosen
    assert once.layers[0].communication_j < each.layers[0].communication_j
    spent_j = np.array(once.layers[0].chosen) * PRESETS["domains"].compute_energy_j()
    assert once.layers[0].computing_s == pytest.approx(spent_j.reshape(4, 2).sum(axis=1).max())


@pytest.fixture
def run_of_pairs() -> Callable[[bool], Run]:
    def watch(layer: int, decision: Decision) -> None:
        assert decision.violations == []
        tokens = token_bills(layer, decision)
        paid_j = sum(token.communication_j + token.computation_j for token in tokens)
        assert paid_j == pytest.approx(decision.energy_j, rel=1e-12)

    def done(send_once: bool) -> Run:
        options: dict[str, Any] = {
            "experts_per_node": 2,
            "send_once": send_once,
            "num_tokens": 64,
            "layers": 1,
        }
        return run("domains", "topk", max_experts=3, watch=watch, **options)

    return done


def test_a_bill_by_hand(round_of_two: Instance) -> None:
    """Two nodes and 1 J per token on a link: token 0 visits the other node, token 1 stays."""
    selection = np.array([[False, True], [False, True]])
    allocation = np.zeros((2, 2, 1), dtype=bool)
    allocation[0, 1, 0] = True
    decision = Decision(round_of_two, selection, allocation)
    bill = layer_bill(3, decision, accuracy=0.5)
    assert (bill.layer, bill.accuracy, bill.gap, bill.shortfalls) == (3, 0.5, None, 0)
    assert (bill.communication_j, bill.computation_j, bill.energy_j) == (1.0, 0.5, 1.5)
    assert (bill.air_s, bill.computing_s) == (1.0, 0.5)  # 1 bit at 1 bit/s; 2 tokens at 0.25 s
    assert (bill.tokens, bill.experts, bill.chosen, bill.relevance) == (2, 2, (0, 2), 0.75)
    first, second = token_bills(3, decision)
    assert (first.experts, first.communication_j, first.computation_j) == ("1", 1.0, 0.25)
    assert (second.experts, second.communication_j, second.computation_j) == ("1", 0.0, 0.25)


def test_what_has_no_bill(round_of_two: Instance) -> None:
    """A round without a radio has no times, a selection alone has no links."""
    answer = dmoe_opt.solve(round_of_two, "jesa")
    assert answer.selection is not None
    unsent = Instance(
        source=round_of_two.source,
        scores=round_of_two.scores,
        threshold=round_of_two.threshold,
        max_experts=round_of_two.max_experts,
        compute_energy=round_of_two.compute_energy,
        link_energy=np.ones((2, 2, 1)),
        name="unsent",
    )
    with pytest.raises(InputError, match="unsent: has no radio; allowed: "):
        layer_bill(1, Decision(unsent, answer.selection, answer.allocation))
    with pytest.raises(InputError, match="the decision has no allocation; allowed: "):
        token_bills(1, Decision(round_of_two, answer.selection))
