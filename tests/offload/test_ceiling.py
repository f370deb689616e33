"""The ceiling of policies that do not know the future, and the surprises that it charges for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from helpers.drawn import draws
from helpers.offloads import by_hand, episodes
from hypothesis import given
from hypothesis import strategies as st

from dmoe_opt.comparing.policies import compare
from dmoe_opt.models import offload_pyomo
from dmoe_opt.offload import ceiling, surprises
from dmoe_opt.offload.drift import Drift
from dmoe_opt.offload.episode import Episode, draw
from dmoe_opt.offload.fitting import committed
from dmoe_opt.offload.policies import RULES
from dmoe_opt.offload.presets import preset
from dmoe_opt.offload.pricing import Tariff, equal_experts
from dmoe_opt.offload.scenario import Arrivals, Scenario
from dmoe_opt.offload.simulate import account, run

EPISODES = 250


def small(gap_s: float = 0.3) -> Scenario:
    """Few slots, jobs of one to three subtasks, two types of different worth."""
    hand = by_hand().scenario
    experts = replace(hand.experts, capacity=[2])
    types = replace(hand.types, probability=[3, 1], spread=0.5, deadline_s=[9, 9])
    arrivals = Arrivals(6, 1.5, (1, 3), gap_s)
    return replace(hand, experts=experts, types=types, arrivals=arrivals, name="small")


def charges(scenario: Scenario, rule: str) -> Iterator[np.ndarray]:
    """What a policy takes of each surprise in one episode after the other, (F,)."""
    tariff = Tariff([0], [0.1], [0.2], 1.0)
    number = 0
    while True:
        episode = draw(scenario, np.random.default_rng([77, number]))
        found = surprises.surprises(episode, run(episode, tariff.choose))
        yield surprises.taken(found, run(episode, RULES[rule](number))).sum(axis=0)
        number += 1


def errors_from_zero(rows: Iterator[np.ndarray]) -> np.ndarray:
    """Mean over episodes in standard errors of the mean, where there is any spread."""
    values = np.array(list(islice(rows, EPISODES)))
    spread = values.std(axis=0, ddof=1)
    assert spread.max() > 0.1
    return values.mean(axis=0)[spread > 0] / spread[spread > 0] * np.sqrt(EPISODES)


@pytest.mark.parametrize(("rule", "gap_s"), [("greedy", 0.3), ("random", 0.0)])
def test_surprises_have_mean_zero(rule: str, gap_s: float) -> None:
    """For a policy that does not know the future, within four standard errors of 250 episodes."""
    assert np.abs(errors_from_zero(charges(small(gap_s), rule))).max() < 4.0


def test_wrong_rates_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """With jobs expected 40 % more often than they come, the mean is off by far more."""
    right = surprises._arrivals

    def often(episode: Episode) -> tuple[np.ndarray, np.ndarray]:
        arrivals = replace(episode.scenario.arrivals, jobs_per_s=1.4 * 1.5)
        marks, _ = right(episode)
        other = replace(episode, scenario=replace(episode.scenario, arrivals=arrivals))
        return marks, right(other)[1]

    monkeypatch.setattr(surprises, "_arrivals", often)
    assert np.abs(errors_from_zero(charges(small(), "greedy"))).max() > 4.0


@given(episodes(), st.sampled_from(["greedy", "random", "local"]), st.integers(0, 99))
@draws(0.5)
def test_no_choice_earns_more_than_the_best_under_the_charge(
    episode: Episode, rule: str, seed: int
) -> None:
    """Return and charge of a policy together are at most the bound, whatever the weights."""
    own = np.arange(episode.scenario.num_experts)
    tariff = Tariff(own, np.full(len(own), 0.1), np.full(len(own), 0.1), 1.0)
    groups = equal_experts(episode.scenario)
    shape = int(groups.max()) + 1, surprises.size(episode.scenario)
    weights = np.random.default_rng(seed).normal(0.0, 0.1, shape)
    reference = run(episode, tariff.choose)
    found = surprises.surprises(episode, reference)

    def charge(choice: np.ndarray) -> float:
        return float((surprises.taken(found, choice) * weights[groups]).sum())

    choice = run(episode, RULES[rule](seed))
    most = ceiling.bound(episode, tariff, weights) + charge(reference)
    assert account(episode, choice).return_ + charge(choice) <= most + 1e-7


def test_without_a_charge_it_is_the_clairvoyant_relaxation() -> None:
    """The dual with prices at arrivals has the value of the primal with crowds."""
    scenario = preset("busy")
    episode, fit = draw(scenario, 0), committed(scenario)
    assert fit is not None
    assert fit.penalty is not None
    relaxed = offload_pyomo.solve(episode, relax=True).bound
    most = ceiling.bound(episode, fit.tariff, np.zeros_like(fit.penalty))
    assert most == pytest.approx(relaxed, abs=1e-6)


def test_fitted_weights_lower_the_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the episodes that they are fitted to, and it stays above the policy of reference."""
    monkeypatch.setattr(ceiling, "EPISODES", 8)
    scenario, tariff = small(), Tariff([0], [0.1], [0.2], 1.0)
    weights = ceiling.fitted(scenario, tariff, seed=4)
    rng = np.random.default_rng([ceiling.TRAINING, 4])
    drawn = [draw(scenario, rng) for _ in range(8)]

    def mean(theta: np.ndarray) -> float:
        return float(np.mean([ceiling.bound(episode, tariff, theta) for episode in drawn]))

    price = np.mean([account(e, run(e, tariff.choose)).return_ for e in drawn])
    assert price <= mean(weights) < mean(np.zeros_like(weights)) - 0.01


def test_a_comparison_splits_the_gap() -> None:
    """Hindsight and what the policy is behind the ceiling add up to the gap to the optimum."""
    done = compare(preset("busy"), ["price", "greedy"], episodes=2)
    assert done.ceiling_mean is not None
    for row in done.rows:
        gap = done.bound_mean - row.return_mean
        assert done.hindsight + row.behind_ceiling == pytest.approx(gap)
        assert row.behind_ceiling > 0
    price, greedy = done.rows
    assert price.behind_best == 0.0
    assert greedy.behind_best == pytest.approx(price.return_mean - greedy.return_mean)


def test_there_is_a_ceiling_only_where_rates_are_known() -> None:
    """A given episode is no sample of a scenario, and a drifting load is not told."""
    busy = preset("busy")
    assert compare(draw(busy, 0), ["price"]).ceiling_mean is None
    drifting = replace(busy, drift=Drift(load=[[0.5, 2.0]]))
    assert not ceiling.exists(drifting)
    assert compare(drifting, ["price"], episodes=1).ceiling_mean is None
