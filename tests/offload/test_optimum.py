"""The clairvoyant optimum: every method finds it, and it is the best of all choices."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from helpers.drawn import draws
from helpers.offloads import by_hand, episodes
from hypothesis import given

from dmoe_opt.models import offload_cvxpy, offload_pyomo
from dmoe_opt.offload import windows
from dmoe_opt.offload.episode import Episode, draw
from dmoe_opt.offload.optimum import Optimum, conclude, crowds, options, regret, twins
from dmoe_opt.offload.policies import RULES
from dmoe_opt.offload.presets import preset
from dmoe_opt.offload.simulate import LOST, account, run, violations

MODELS = {"pyomo": offload_pyomo.solve, "cvxpy": offload_cvxpy.solve}
METHODS = {**MODELS, "windows": windows.solve}


def enumerated(episode: Episode) -> float:
    """The greatest return of all choices that keep the rules, every one of them tried."""
    actions = [*range(episode.scenario.num_experts + 1), LOST]
    choices = (np.array(c) for c in itertools.product(actions, repeat=episode.num_subtasks))
    return max(
        account(episode, choice).return_ for choice in choices if not violations(episode, choice)
    )


def test_by_hand() -> None:
    """Greedy takes the best now and earns 1.2; the optimum is 1.5; every method finds it."""
    episode = by_hand()
    greedy = run(episode, RULES["greedy"](0))
    assert greedy.tolist() == [0, 1, 0]
    assert account(episode, greedy).return_ == pytest.approx(1.2, abs=1e-12)
    for solve in METHODS.values():
        best = solve(episode)
        assert best.choice is not None
        assert best.choice.tolist() == [1, 0, 1]
        assert best.proven
        assert best.return_ == pytest.approx(1.5, abs=1e-12)
        assert best.bound == pytest.approx(1.5, abs=1e-8)
    for solve in MODELS.values():
        relaxed = solve(episode, relax=True)
        assert relaxed.bound == pytest.approx(1.5, abs=1e-8)  # packing one expert has no gap
    total = account(episode, best.choice)
    assert (total.served, total.local, total.lost) == (1, 2, 0)
    energy_j = 2 * 0.5  # two transfers of half a bit at 1 bit/s and 1 W
    assert total.energy_j == pytest.approx(energy_j, abs=1e-12)
    assert total.quality == pytest.approx((0.3 + 1.0 + 0.3) / 3, abs=1e-12)


@given(episodes(most_jobs=3))
@draws(0.4)
def test_optimum_is_that_of_enumeration(episode: Episode) -> None:
    """Every method finds the greatest return of all choices; bounds and rules lie around it.

    The models know no jobs of stages, for which their optimum is a bound.
    """
    best = enumerated(episode)
    for name, solve in METHODS.items():
        answer = solve(episode)
        assert answer.bound >= best - 1e-8
        if name == "windows" or episode.scenario.arrivals.job_quality is None:
            assert answer.proven, name
            assert answer.return_ == pytest.approx(best, abs=1e-9)
    for solve in MODELS.values():
        assert solve(episode, relax=True).bound >= best - 1e-8
    assert windows.solve(episode, time_limit=1e-9).bound >= best - 1e-9
    for rule in RULES.values():
        assert account(episode, run(episode, rule(0))).return_ <= best + 1e-9


def test_windows_close_the_gap() -> None:
    """Where the relaxation has fractions, windows and the rest prove what one program proves."""
    scenario = preset("fading")
    few = replace(scenario, arrivals=replace(scenario.arrivals, num_jobs=14, jobs_per_s=20.0))
    episode = draw(few, 5)
    at_once = windows.solve(episode, time_limit=1e-9)
    assert not at_once.proven
    best = windows.solve(episode)
    assert best.proven
    assert violations(episode, best.choice) == []
    assert at_once.return_ < best.return_ <= best.bound < at_once.bound
    assert best.return_ == pytest.approx(offload_pyomo.solve(episode).return_, abs=1e-7)


def test_equal_experts_count_as_one() -> None:
    """Six experts in three equal pairs are three in the model, with the optimum of six."""
    episode = draw(preset("busy"), 0)
    assert twins(episode).tolist() == [0, 0, 2, 2, 4, 4]
    best = offload_pyomo.solve(episode)
    assert best.proven
    assert set(range(6)) <= set(best.choice.tolist())
    assert max(len(crowd) for _, crowd, _ in crowds(episode)) > 12
    assert all(slots == 12 for _, _, slots in crowds(episode))


@pytest.mark.parametrize("factor", [1e-9, 1e-5, 1e5])
@pytest.mark.parametrize("solve", METHODS.values(), ids=METHODS)
def test_bounds_hold_in_any_unit(factor: float, solve: Callable[..., Optimum]) -> None:
    """Skills, prices and losses times a factor scale optimum and bounds by the same factor.

    The tolerances of solvers are absolute.
    """
    scenario = preset("busy")
    scenario = replace(scenario, arrivals=replace(scenario.arrivals, num_jobs=15, jobs_per_s=40.0))
    plain = solve(draw(scenario, 0)).return_
    small = min(factor, 1.0)  # skills end at 1
    p, e, d = scenario.prices, scenario.experts, scenario.device
    scaled = replace(
        scenario,
        prices=replace(
            p,
            communication_per_j=p.communication_per_j * small,
            computation_per_j=p.computation_per_j * small,
            loss=p.loss * factor,
        ),
        experts=replace(e, skill=e.skill * small),
        device=replace(d, skill=d.skill * small),
    )
    episode = draw(scaled, 0)
    best = solve(episode)
    assert best.proven
    if factor < 1:
        assert best.return_ == pytest.approx(plain * factor, rel=1e-7)
    assert best.bound >= best.return_
    if solve in MODELS.values():
        assert solve(episode, relax=True).bound >= best.return_ - 1e-9 * abs(best.return_)
    slack = 1e-9 * abs(best.bound)
    for rule in RULES.values():
        assert account(episode, run(episode, rule(0))).return_ <= best.bound + slack


def test_a_wrong_answer_of_a_solver_is_not_proven() -> None:
    """A subtask without room is lost, so the bound is missed; a bound alone proves nothing."""
    episode = by_hand()
    wrong = conclude(episode, "solver", [(0, 0), (1, 0), (2, 0)], 0.0)
    assert wrong.choice.tolist() == [0, LOST, 0]
    assert not wrong.proven
    assert not conclude(episode, "solver", None, 0.0).proven
    assert (regret(episode) >= 0).all()
    assert len(options(episode)) == 9
