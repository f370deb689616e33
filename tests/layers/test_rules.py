"""Optional rules in the protocol: deadlines kept or missed, capacities, and dropped tokens."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dmoe_opt import Decision, InputError, Instance, generate
from dmoe_opt.layers.bills import token_bills
from dmoe_opt.layers.choosing import schedule
from dmoe_opt.layers.protocol import run

SMALL: dict[str, Any] = {"num_tokens": 48, "layers": 2}
RULES: dict[str, Any] = {
    "drop_price": (2e-5, 1e-5),
    "capacity": 12,
    "wake_energy": (1e-5, 2e-5),
    "air_deadline_s": (8e-4, 5e-4),
}


@pytest.mark.parametrize("scheduler", ["joint", "wlr"])
def test_rules_of_every_layer(scheduler: str) -> None:
    """Each layer keeps its own values of all rules, and its bill is what the checker computes."""
    watched: list[Decision] = []

    def watch(_: int, decision: Decision) -> None:
        assert decision.violations == []
        watched.append(decision)

    done = run("digits", scheduler, watch=watch, **SMALL, **RULES)
    assert (done.late, done.capacity) == (0, (12, 12))
    for n, (bill, decision) in enumerate(zip(done.layers, watched, strict=True)):
        sums = bill.computation_j, bill.waking_j, bill.communication_j, bill.dropping_j
        assert sums == pytest.approx(tuple(decision.bill), rel=1e-12)
        assert bill.energy_j == pytest.approx(sum(sums), rel=1e-12)
        assert 0 < bill.air_s <= bill.air_deadline_s == RULES["air_deadline_s"][n]
        assert max(bill.chosen) <= 12
        awake = np.count_nonzero(bill.chosen)
        assert bill.waking_j == pytest.approx(RULES["wake_energy"][n] * awake)
        assert bill.dropping_j == pytest.approx(RULES["drop_price"][n] * bill.dropped)
        tokens = token_bills(n + 1, decision)
        sent_j = sum(token.communication_j for token in tokens)
        assert sent_j == pytest.approx(bill.communication_j, rel=1e-12)
        assert [token.dropped for token in tokens] == decision.dropped.tolist()


def test_dropped_tokens_keep_what_they_were() -> None:
    """Where dropping is free, no expert works, and accuracy is that of the untouched tokens."""
    free = run("digits", drop_price=0.0, **SMALL)
    assert [bill.dropped for bill in free.layers] == [48, 48]
    assert free.total("energy_j") == 0
    never = run("digits", drop_price=1.0, **SMALL)
    assert never.total("dropped") == 0
    assert free.accuracy is not None
    assert never.accuracy is not None
    assert free.accuracy < never.accuracy
    assert free.layers[0].accuracy == free.accuracy


def test_a_deadline_is_kept_or_missed() -> None:
    """A layer that cannot keep its deadline is the same round without one, and counted as late."""
    plain = run("digits", **SMALL)
    tight = run("digits", air_deadline_s=(1.0, 1e-6), **SMALL)
    assert [bill.on_time for bill in tight.layers] == [True, False]
    assert tight.late == 1
    assert tight.layers[1].air_s > tight.layers[1].air_deadline_s
    assert tight.layers[1].air_s == plain.layers[1].air_s
    assert tight.layers[1].gap is None
    assert [bill.on_time for bill in plain.layers] == [None, None]


def test_schedulers_that_know_no_deadline_are_held_to_it() -> None:
    """DES chooses as without a deadline, and its bill says whether it was kept all the same."""
    plain = run("digits", "des", **SMALL)
    between_s = sorted(bill.air_s for bill in plain.layers)[0] * 1.001
    held = run("digits", "des", air_deadline_s=between_s, **SMALL)
    assert [bill.on_time for bill in held.layers] == [
        bill.air_s <= between_s for bill in plain.layers
    ]
    assert held.late == 1
    energies = [[bill.energy_j for bill in done.layers] for done in (held, plain)]
    assert energies[0] == pytest.approx(energies[1], rel=1e-12)


def test_an_unknown_channel_misses_deadlines() -> None:
    """What is in time on the channel that the scheduler knows is late on the true one."""
    air_s = max(bill.air_s for bill in run("digits", **SMALL).layers)
    known = run("digits", air_deadline_s=0.7 * air_s, **SMALL)
    blurred = run("digits", air_deadline_s=0.7 * air_s, channel_error=0.4, **SMALL)
    assert (known.late, blurred.late) == (0, 2)
    assert all(np.isfinite(bill.energy_j) for bill in blurred.layers)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"capacity": (1, 2, 3)}, "capacity has 3 values; allowed: 1, or 2, one per layer"),
        ({"capacity": (9, 2.5)}, r"capacity\[1\] = 2.5; allowed"),
        ({"drop_price": -1.0}, "drop_price = -1.0; allowed: a finite number >= 0"),
        ({"air_deadline_s": (1.0, float("nan"))}, r"air_deadline_s\[1\] = nan; allowed"),
        ({"wake_energy": "much"}, "wake_energy = 'much'; allowed"),
        (
            {"wake_energy": 1.0, "scheduler": "dense"},
            'scheduler = "dense" does not take wake_energy; allowed: joint, ',
        ),
    ],
)
def test_one_line_of_complaint(change: dict[str, Any], message: str) -> None:
    """Wrong rules are one line."""
    with pytest.raises(InputError, match=message) as caught:
        run("digits", **(SMALL | change))
    assert "\n" not in str(caught.value)


def test_a_deadline_is_kept_where_tokens_may_be_dropped() -> None:
    """Also where links cannot carry what tokens would choose, as in these rounds."""
    for seed in (0, 2, 3):
        drawn = generate("deadline-8x64", seed, num_experts=3, num_subcarriers=8, num_tokens=24)
        assert isinstance(drawn, Instance) and drawn.air_deadline_s is not None
        price = np.full(24, 3 * drawn.compute_energy.mean())
        round_ = drawn.replace(air_deadline_s=drawn.air_deadline_s / 2, drop_price=price)
        decision, gap = schedule(round_, "joint")
        assert decision.data is round_
        assert gap is not None and gap <= 0.05
