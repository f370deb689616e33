"""The rule `forecast`: what it expects, what it gains, and a kernel that plays as `State` does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.offloads import by_hand

from dmoe_opt import InputError
from dmoe_opt.offload.episode import draw
from dmoe_opt.offload.fitting import committed
from dmoe_opt.offload.forecast import Batch, Forecast, exists, expected_rates, jobs_ahead, width_s
from dmoe_opt.offload.policies import RULES, policy
from dmoe_opt.offload.presets import preset
from dmoe_opt.offload.pricing import along, best_at
from dmoe_opt.offload.scenario import Arrivals
from dmoe_opt.offload.simulate import account, mean_return, run


def test_open_jobs_are_counted_from_the_past() -> None:
    """A job is open from its first subtask to its last; one that has not come is left."""
    hand = by_hand()
    arrivals = replace(hand.scenario.arrivals, num_jobs=4)
    episode = replace(
        hand, scenario=replace(hand.scenario, arrivals=arrivals), job=np.array([0, 1, 0])
    )
    left, open_ = jobs_ahead(episode)
    assert left.tolist() == [3, 2, 2]
    assert open_.tolist() == [1, 1, 0]


def test_expected_arrivals_are_those_that_come() -> None:
    """On average over episodes, in each piece of time after a subtask, near the end."""
    busy = preset("busy")
    scenario = replace(busy, arrivals=replace(busy.arrivals, num_jobs=15))
    of_new, of_open = expected_rates(scenario)
    steady = busy.arrivals.jobs_per_s * sum(busy.arrivals.subtasks_per_job) / 2
    rng = np.random.default_rng(1)
    ahead = []
    for _ in range(300):
        episode = draw(scenario, rng)
        n = int(np.searchsorted(episode.arrival_s, 0.8))
        passed_s = episode.arrival_s[n + 1 :] - episode.arrival_s[n]
        came = np.bincount((passed_s // width_s(scenario)).astype(int), minlength=8)[:8]
        left, open_ = jobs_ahead(episode)
        rate = of_new[left[n]] + open_[n] * of_open
        ahead.append(came - rate * steady * width_s(scenario))
    error = np.std(ahead, axis=0) / np.sqrt(len(ahead))
    assert (np.abs(np.mean(ahead, axis=0)) < 4 * error).all()


def test_jobs_that_come_at_once_leave_nothing_open() -> None:
    """Without gaps only new jobs are expected, all of the long-run rate while many are left."""
    busy = preset("busy")
    of_new, of_open = expected_rates(replace(busy, arrivals=Arrivals(400, 3.0, (2, 6), 0.0)))
    assert (of_open == 0).all()
    assert (of_new[0] == 0).all()
    assert of_new[-1] == pytest.approx(1.0)


@pytest.mark.parametrize("unit", ["slots", "work"])
def test_the_kernel_plays_as_the_rule(unit: str) -> None:
    """The learner earns what the rule then earns, by slots and by work."""
    busy = preset("busy")
    scenario = replace(busy, arrivals=replace(busy.arrivals, num_jobs=15))
    if unit == "work":
        capacity = [9.0, 12.5, 8.0, 7.0, 6.0, 5.0]
        experts = replace(busy.experts, capacity=capacity, capacity_unit="work")
        scenario = replace(scenario, experts=experts)
    episodes = [draw(scenario, seed) for seed in range(2)]
    rule = Forecast(scenario, np.array([0.2, 0.15, 0.1, 0.2, 0.3, 0.1, 0.05, 2.0, 0.6]))
    alone = [account(episode, run(episode, rule.choose)).return_ for episode in episodes]
    assert Batch(scenario, episodes).returns(rule) == pytest.approx(alone, rel=1e-12)


def test_prices_are_what_it_charges_where_it_does_not_look_ahead() -> None:
    """With no trust in what is expected, every second costs the same."""
    busy = preset("busy")
    scenario = replace(busy, arrivals=replace(busy.arrivals, num_jobs=15))
    episode = draw(scenario, 0)
    rule = Forecast(scenario, np.array([0.2, 0.15, 0.1, 0.2, 0.3, 0.1, 0.05, 2.0, 0.0]))
    choice = run(episode, rule.choose)
    assert (run(episode, lambda state: best_at(state, rule.prices(state))) == choice).all()
    prices = along(rule, episode, choice)
    assert prices.shape == (episode.num_subtasks, scenario.num_experts)
    assert (prices > 0).any()
    assert (choice != run(episode, RULES["greedy"](0))).any()  # they decide something


@pytest.mark.parametrize("name", ["busy", "fading", "mixed", "drifting"])
def test_the_committed_numbers_beat_the_fitted_prices(name: str) -> None:
    """On held-out episodes, where there is a choice to make."""
    scenario = preset(name)
    episodes = [draw(scenario, seed) for seed in range(6)]
    earned = {
        rule: mean_return(episodes, [policy(rule, scenario)(0)] * 6)
        for rule in ("price", "forecast")
    }
    assert earned["forecast"] > earned["price"]


def test_where_nothing_can_be_expected_there_is_no_forecast() -> None:
    """A fit without it is refused in one line, and so are numbers of another scenario."""
    busy = preset("busy")
    assert not exists(replace(busy, arrivals=replace(busy.arrivals, job_quality="product")))
    with pytest.raises(InputError, match='policy = "forecast" has no numbers here'):
        policy("forecast", busy, fit=replace(committed(busy), forecast=None))
    with pytest.raises(InputError, match="the forecast has 3 numbers; allowed: 9"):
        Forecast(preset("busy"), np.zeros(3))
