"""Prices by hand, their fit, and its file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.offloads import by_hand

from dmoe_opt import InputError
from dmoe_opt.offload import fitting, forecast
from dmoe_opt.offload.episode import draw
from dmoe_opt.offload.policies import FITTED, RULES, policy
from dmoe_opt.offload.presets import PRESETS, preset
from dmoe_opt.offload.pricing import Tariff, by_threshold, equal_experts
from dmoe_opt.offload.scenario import Arrivals
from dmoe_opt.offload.simulate import State, account, run


def test_a_price_keeps_the_slot_for_the_better_job() -> None:
    """A slot for 2 s at 0.15 a second costs 0.3: more than job A gains by it, less than job B."""
    episode = by_hand()
    tariff = Tariff([0], [0.15], [0.0], 1.0)
    assert account(episode, run(episode, RULES["greedy"](0))).return_ == pytest.approx(1.2)
    assert account(episode, run(episode, tariff.choose)).return_ == pytest.approx(1.5)
    chosen = run(episode, lambda state: by_threshold(state, 0.25))
    assert chosen.tolist() == [1, 0, 1]


def test_the_price_rises_as_slots_fill() -> None:
    """Base plus rise times the occupied share to a power; experts of a group share their slots."""
    busy = preset("busy")
    assert equal_experts(busy).tolist() == [0, 0, 1, 1, 2, 2]
    state = State(draw(busy, 0))
    tariff = Tariff(equal_experts(busy), [1.0, 0.0, 0.0], [2.0, 4.0, 0.0], 2.0)
    assert tariff.prices(state) == [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    state = state.elsewhere(5, [[(9.0, 1)] * count for count in (3, 0, 6, 6, 0, 0)])
    assert tariff.prices(state) == [1.125, 1.125, 4.0, 4.0, 0.0, 0.0]


def test_a_fit_is_better_than_no_price(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On its training episodes; the file holds all of it, and rules play with it."""
    monkeypatch.setattr(fitting, "EPISODES", 6)
    for name, few in {"BATCHES": 1, "EPISODES": 2, "POPULATION": 4, "GENERATIONS": 2}.items():
        monkeypatch.setattr(forecast, name, few)
    monkeypatch.setattr(forecast, "ELITE", 2)
    hand = by_hand().scenario
    experts = replace(hand.experts, capacity=[3])
    types = replace(hand.types, spread=0.9, deadline_s=[9, 9])
    scenario = replace(hand, experts=experts, types=types, arrivals=Arrivals(20, 3.0, (1, 1), 0.0))
    fitted = fitting.fit(scenario, seed=3)
    rng = np.random.default_rng([fitting.TRAINING, 3])
    episodes = [draw(scenario, rng) for _ in range(6)]

    def total(choose: object) -> float:
        return sum(account(episode, run(episode, choose)).return_ for episode in episodes)

    assert total(fitted.tariff.choose) > total(RULES["greedy"](0))
    path = tmp_path / "fit.json"
    path.write_bytes(fitting.as_bytes(fitted))
    read = fitting.load(path)
    assert fitting.as_bytes(read) == fitting.as_bytes(fitted)
    for rule in FITTED:
        run(episodes[0], policy(rule, scenario, fit=read)(1))


@pytest.mark.parametrize("name", PRESETS)
def test_presets_come_with_a_fit(name: str) -> None:
    """And `price` then earns more than greedy where there is a choice to make."""
    scenario = preset(name)
    episodes = [draw(scenario, seed) for seed in range(3)]
    returns = {}
    for rule in ("price", "greedy"):
        choose = policy(rule, scenario)(0)
        returns[rule] = sum(account(e, run(e, choose)).return_ for e in episodes)
    assert returns["price"] > returns["greedy"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format": "x"}, "format = 'x'; allowed: \"dmoe-opt/offload-fit\""),
        ({"version": 2}, "version = 2; allowed: 1"),
        ({"group": [0, 7]}, "group"),
        ({"rise": [0.1]}, "rise has shape"),
        ({"rise": [-0.1] * 3}, "rise"),
        ({"power": 99.0}, "power = 99.0; allowed: a number in"),
        ({"threshold": -1.0}, "threshold = -1.0"),
        ({"forecast": ["x"]}, "forecast"),
    ],
)
def test_bad_fits_are_refused_in_one_line(
    changes: dict[str, object], says: str, tmp_path: Path
) -> None:
    """File, field, value and what is allowed."""
    import json

    document = json.loads(fitting.as_bytes(fitting.committed(preset("busy"))))
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(document | changes))
    with pytest.raises(InputError) as refused:
        fitting.load(path)
    assert str(refused.value).startswith(f"{path}: ")
    path.write_text(json.dumps(document)[:-9])
    with pytest.raises(InputError, match="is not valid JSON: Input data was truncated"):
        fitting.load(path)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
