"""Policies over episodes: rows are means of episodes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers.offloads import by_hand

from dmoe_opt import InputError
from dmoe_opt.comparing.policies import baselines, compare
from dmoe_opt.errors import LimitError, MethodError
from dmoe_opt.models import offload_pyomo
from dmoe_opt.offload import windows
from dmoe_opt.offload.agent import committed
from dmoe_opt.offload.episode import Episode, draw
from dmoe_opt.offload.optimum import Optimum
from dmoe_opt.offload.policies import RULES, policy
from dmoe_opt.offload.presets import preset
from dmoe_opt.offload.simulate import account, run


def test_comparison_counts_and_complains() -> None:
    """Means and intervals are over the episodes; a given episode is played; names are checked."""
    scenario = preset("light")
    comparison = compare(scenario, ["greedy", "local"], episodes=3, seed=4)
    returns = [
        account(e, run(e, RULES["greedy"](0))).return_
        for e in (draw(scenario, s) for s in (4, 5, 6))
    ]
    greedy = comparison.rows[0]
    assert greedy.return_mean == pytest.approx(np.mean(returns))
    assert greedy.return_ci95 == pytest.approx(
        4.302652729911275 * np.std(returns, ddof=1) / np.sqrt(3)
    )
    assert comparison.proven == 3
    assert comparison.optimum.optimum_share == pytest.approx(1.0)
    single = compare(by_hand(), ["greedy"])
    assert single.rows[0].optimum_share == pytest.approx(1.2 / 1.5)
    assert single.episodes == 1
    bound, rules = baselines([by_hand()])
    assert (bound, rules["greedy"]) == pytest.approx((1.5, 1.2))
    with pytest.raises(InputError, match='policy = "sac" needs a trained agent'):
        policy("sac", scenario)
    with pytest.raises(InputError, match="policy = 'nobody'; allowed: random"):
        compare(scenario, ["nobody"])
    with pytest.raises(InputError, match="the agent has 7 actions"):
        compare(by_hand(), ["x"], agents={"x": committed("busy")})


def test_a_solver_without_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a bound nothing measures policies in training."""

    def nothing(episode: Episode, **options: object) -> Optimum:
        return Optimum("pyomo", None, None, None, 1.0)

    monkeypatch.setattr(offload_pyomo, "solve", nothing)
    with pytest.raises(LimitError, match="the solver gave no bound on the optimum") as error:
        baselines([by_hand()])
    assert error.value.exit_code == 4


def test_a_policy_above_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound below what a policy earns is wrong, and said so."""

    def modest(episode: Episode, time_limit: float | None) -> Optimum:
        found = offload_pyomo.solve(episode)
        assert found.bound is not None
        return replace(found, bound=found.bound / 2)

    monkeypatch.setattr(windows, "solve", modest)
    with pytest.raises(MethodError, match="on all returns is wrong; a return of"):
        compare(by_hand(), ["greedy"])
