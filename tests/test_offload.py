"""Offloading: one step function, one objective, and a clairvoyant optimum that nobody beats."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import gymnasium
import numpy as np
import pyomo.environ as pyo
import pytest
from gymnasium.utils.env_checker import check_env
from helpers.offloads import by_hand, episodes
from hypothesis import given, settings
from hypothesis import strategies as st

from dmoe_opt import InputError
from dmoe_opt.comparing.policies import baselines, compare, fates, optimum, play, policy
from dmoe_opt.models import offload_cvxpy, offload_pyomo
from dmoe_opt.offload.agent import committed
from dmoe_opt.offload.episode import Episode, draw
from dmoe_opt.offload.observe import observe, own
from dmoe_opt.offload.optimum import Optimum, conclude, crowds, options, regret, twins, unit
from dmoe_opt.offload.policies import RULES
from dmoe_opt.offload.presets import PRESETS, preset
from dmoe_opt.offload.scenario import Arrivals
from dmoe_opt.offload.simulate import LOST, State, account, run, violations

BACKENDS = {"pyomo": offload_pyomo.solve, "cvxpy": offload_cvxpy.solve}


def enumerated(episode: Episode) -> float:
    """The greatest return of all choices that keep the rules, every one of them tried."""
    actions = [*range(episode.scenario.num_experts + 1), LOST]
    choices = (np.array(c) for c in itertools.product(actions, repeat=episode.num_subtasks))
    return max(
        account(episode, choice).return_ for choice in choices if not violations(episode, choice)
    )


def test_by_hand() -> None:
    """Greedy takes what is best now and earns 1.2; the best known is 1.5; both models find it."""
    episode = by_hand()
    greedy = run(episode, RULES["greedy"](0))
    assert greedy.tolist() == [0, 1, 0]
    assert account(episode, greedy).return_ == pytest.approx(1.2, abs=1e-12)
    for solve in BACKENDS.values():
        best = solve(episode)
        assert best.choice is not None
        assert best.choice.tolist() == [1, 0, 1]
        assert best.proven
        assert best.return_ == pytest.approx(1.5, abs=1e-12)
        assert best.bound == pytest.approx(1.5, abs=1e-8)
        assert solve(episode, relax=True).bound == pytest.approx(
            1.5, abs=1e-8
        )  # one interval packing has no gap
    total = account(episode, best.choice)
    assert (total.served, total.local, total.lost) == (1, 2, 0)
    assert total.energy_j == pytest.approx(
        1.0, abs=1e-12
    )  # two transfers of half a bit at 1 bit/s and 1 W
    assert total.quality == pytest.approx((0.3 + 1.0 + 0.3) / 3, abs=1e-12)


def test_no_room_is_a_loss() -> None:
    """A full expert and a device that is too slow: the subtask is lost, costs its penalty and no energy."""
    episode = by_hand(device_speed=0.1)
    choice = run(episode, RULES["greedy"](0))
    assert choice.tolist() == [0, LOST, 0]
    assert account(episode, choice).return_ == pytest.approx(0.5 - 0.25 + 0.5, abs=1e-12)
    assert [fate.fate for fate in fates(episode, choice)] == ["served", "lost", "served"]
    state = State(episode)
    assert state.step(0) == pytest.approx(0.5)
    assert state.mask == [False, True]
    assert state.step(0) == -0.25  # not open
    assert state.step(LOST) == -0.25


@given(episodes(), st.integers(0, 2**32 - 1))
def test_conservation(episode: Episode, seed: int) -> None:
    """Whatever is tried: no expert above its capacity, each subtask served, lost or local, rewards add up to the return."""
    rng = np.random.default_rng(seed)
    state = State(episode)
    rewards = []
    while not state.done:
        action = int(rng.integers(-1, episode.scenario.num_experts + 2))
        is_open = 0 <= action <= episode.scenario.num_experts and state.mask[action]
        rewards.append(state.step(action))
        assert is_open or state.choice[state.n - 1] == LOST
    assert violations(episode, state.choice) == []
    total = account(episode, state.choice)
    assert total.served + total.local + total.lost == episode.num_subtasks
    assert total.return_ == pytest.approx(sum(rewards), abs=1e-9)
    assert total.energy_j == pytest.approx(total.communication_j + total.computation_j)
    rows = fates(episode, state.choice)
    assert sum(row.reward for row in rows) == pytest.approx(total.return_, abs=1e-9)
    assert sum(row.energy_j for row in rows) == pytest.approx(total.energy_j)


@given(episodes(most_jobs=3))
@settings(max_examples=40)
def test_optimum_is_that_of_enumeration(episode: Episode) -> None:
    """Both models find the greatest return of all choices, and their relaxations bound it."""
    best = enumerated(episode)
    for name, solve in BACKENDS.items():
        found = solve(episode)
        assert found.proven, name
        assert found.return_ == pytest.approx(best, abs=1e-9)
        assert solve(episode, relax=True).bound >= best - 1e-8


def test_environment_and_model_agree() -> None:
    """1,000 random sequences of actions: what the environment pays is what the integer program says of the same choice."""
    scenario = preset("mixed")
    env = gymnasium.make("dmoe_opt/EdgeOffload-v0", scenario=scenario)
    rng = np.random.default_rng(0)
    small = Arrivals(num_jobs=6, jobs_per_s=40.0, subtasks_per_job=(2, 6), gap_s=0.1)
    tight = replace(
        scenario, arrivals=small, experts=replace(scenario.experts, capacity=np.ones(10, dtype=int))
    )
    lost = 0
    for number in range(50):
        episode = draw(tight, number)
        model = offload_pyomo.build(episode)
        alone = np.hstack([episode.reward, episode.loss_reward[:, None]]).max(axis=1).sum()
        for _ in range(20):
            env.reset(options={"episode": episode})
            paid, done = 0.0, False
            while not done:
                _, reward, done, _, _ = env.step(rng.integers(scenario.num_experts + 1))
                paid += reward
            choice = env.unwrapped.state.choice
            lost += int((choice == LOST).sum())
            taken = {
                (n, a if a != LOST else scenario.num_experts + 1)
                for n, a in enumerate(choice.tolist())
            }
            assert taken <= set(model.options)
            for key in model.options:
                model.alpha[key].value = float(key in taken)
            for constraint in model.component_data_objects(pyo.Constraint):
                assert constraint.lslack() >= 0
                assert constraint.uslack() >= 0
            assert alone - pyo.value(model.given_up) * unit(episode) == pytest.approx(
                paid, abs=1e-9
            )
    assert lost > 1000  # capacity was felt


@pytest.mark.parametrize("name", PRESETS)
def test_nobody_beats_the_optimum(name: str) -> None:
    """Every policy on every episode stays at or below the bounds, which order as they must."""
    agents = {"sac": committed(name)}
    for number in range(2):
        episode = draw(preset(name), number)
        relaxed = BACKENDS["pyomo"](episode, relax=True).bound
        assert BACKENDS["cvxpy"](episode, relax=True).bound == pytest.approx(relaxed, abs=1e-6)
        known = optimum(episode, time_limit=1.0)
        assert known.bound <= relaxed + 1e-9
        assert known.return_ is None or known.return_ <= known.bound + 1e-9
        for rule in [*RULES, *agents]:
            choice = play(episode, rule, agents=agents, seed=number)
            assert violations(episode, choice) == []
            assert account(episode, choice).return_ <= known.bound + 1e-9, rule


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
@pytest.mark.parametrize("solve", BACKENDS.values(), ids=BACKENDS)
def test_bounds_hold_in_any_unit(factor: float, solve: Callable[..., Optimum]) -> None:
    """Skills, prices and losses times a factor: optimum and bounds are so too, though solvers' tolerances are absolute."""
    scenario = preset("busy")
    scenario = replace(scenario, arrivals=replace(scenario.arrivals, num_jobs=15, jobs_per_s=40.0))
    plain = solve(draw(scenario, 0)).return_
    small = min(factor, 1.0)  # skills end at 1
    p, e, d = scenario.prices, scenario.experts, scenario.device
    scaled = replace(
        scenario,
        prices=replace(p, communication_per_j=p.communication_per_j * small, computation_per_j=p.computation_per_j * small,
                       loss=p.loss * factor),
        experts=replace(e, skill=e.skill * small),
        device=replace(d, skill=d.skill * small),
    )  # fmt: skip
    episode = draw(scaled, 0)
    best = solve(episode)
    assert best.proven
    if factor < 1:
        assert best.return_ == pytest.approx(plain * factor, rel=1e-7)
    assert best.bound >= best.return_
    assert solve(episode, relax=True).bound >= best.return_ - 1e-9 * abs(best.return_)
    for rule in RULES.values():
        assert account(episode, run(episode, rule(0))).return_ <= best.bound + 1e-9 * abs(
            best.bound
        )


def test_a_wrong_answer_of_a_solver_is_not_proven() -> None:
    """What finds no room is lost, so the choice keeps the rules and misses the bound; a bound alone proves nothing."""
    episode = by_hand()
    wrong = conclude(episode, "solver", [(0, 0), (1, 0), (2, 0)], 0.0)
    assert wrong.choice.tolist() == [0, LOST, 0]
    assert not wrong.proven
    assert not conclude(episode, "solver", None, 0.0).proven
    assert (regret(episode) >= 0).all()
    assert len(options(episode)) == 9


@pytest.mark.parametrize("name", PRESETS)
def test_environment_keeps_gymnasiums_rules(name: str) -> None:
    """`check_env`, seeds, masks, and the return that the evaluator finds for the same choices."""
    env = gymnasium.make("dmoe_opt/EdgeOffload-v0", scenario=name)
    check_env(env.unwrapped, skip_render_check=True)
    first, info = env.reset(seed=7)
    again, _ = env.reset(seed=7)
    assert (first == again).all()
    assert (env.reset(seed=8)[0] != first).any()
    episode = draw(env.unwrapped.scenario, 3)
    _, info = env.reset(options={"episode": episode})
    paid, done = 0.0, False
    rng = np.random.default_rng(0)
    while not done:
        action = rng.choice(np.flatnonzero(info["action_mask"]))
        observation, reward, done, truncated, info = env.step(action)
        assert env.observation_space.contains(observation)
        assert not truncated
        paid += reward
    assert paid == pytest.approx(account(episode, env.unwrapped.state.choice).return_, abs=1e-9)
    with pytest.raises(InputError, match=r"options\.episode"):
        env.reset(options={"episode": by_hand()})


def test_environments_in_parallel() -> None:
    """Gymnasium's vector environments take it."""
    copies = gymnasium.make_vec("dmoe_opt/EdgeOffload-v0", num_envs=3, scenario="light")
    observations, _ = copies.reset(seed=1)
    for _ in range(20):
        observations, rewards, *_ = copies.step(copies.action_space.sample())
    assert observations.shape == (3, 5 * 6 + 3 + 4)
    assert rewards.shape == (3,)
    copies.close()


def test_observation() -> None:
    """Entry by entry at the second arrival of the case worked by hand."""
    state = State(by_hand())
    state.step(0)
    seen = observe(state)
    expected = [0, 1, -0.25, 0.2, 1.0, 0.5, 0.0, 0.5, 0, 1, 1.0]
    assert seen == pytest.approx(np.array(expected, dtype=np.float32))
    assert own(seen, 2) == pytest.approx(
        np.array([[0, -0.25, 1.0, 0.0, 0.5], [1, 0.2, 0.5, 1.0, 0.0]]), abs=1e-7
    )


@pytest.mark.parametrize("rule", RULES)
def test_rules_choose_what_is_open(rule: str) -> None:
    """A rule never loses what something else could serve, and its seed decides all it does."""
    episode = draw(preset("busy"), 5)
    choose = RULES[rule](1)

    def watched(state: State) -> int:
        action = choose(state)
        assert state.mask[action]
        return action

    choice = run(episode, watched)
    assert (choice == run(episode, RULES[rule](1))).all()
    if rule == "local":
        assert set(choice.tolist()) <= {6, LOST}


@pytest.mark.parametrize("name", PRESETS)
def test_committed_agents(name: str) -> None:
    """Each preset has one; where capacity or the channel matter it beats every rule and earns 90 % of the optimum's bound."""
    agent = committed(name)
    assert agent is not None
    assert agent.fits(preset(name))
    assert f"on {name}, seed 0" in agent.made_by
    if name in ("busy", "fading"):
        episodes = [draw(preset(name), 1000 + k) for k in range(6)]
        bound, rules = baselines(episodes)
        earned = np.mean([account(e, run(e, agent.act)).return_ for e in episodes])
        assert earned > max(rules.values())
        assert earned > 0.9 * bound


def test_comparison_counts_and_complains() -> None:
    """Means and intervals are those of the episodes; one given episode is played as it is; names are checked."""
    scenario = preset("light")
    done = compare(scenario, ["greedy", "local"], episodes=3, seed=4)
    returns = [
        account(e, run(e, RULES["greedy"](0))).return_
        for e in (draw(scenario, s) for s in (4, 5, 6))
    ]
    greedy = done.rows[0]
    assert greedy.return_mean == pytest.approx(np.mean(returns))
    assert greedy.return_ci95 == pytest.approx(
        4.302652729911275 * np.std(returns, ddof=1) / np.sqrt(3)
    )
    assert done.proven == 3
    assert done.optimum.optimum_share == pytest.approx(1.0)
    alone = compare(by_hand(), ["greedy"])
    assert alone.rows[0].optimum_share == pytest.approx(1.2 / 1.5)
    assert alone.episodes == 1
    bound, rules = baselines([by_hand()])
    assert (bound, rules["greedy"]) == pytest.approx((1.5, 1.2))
    with pytest.raises(InputError, match='policy = "sac" needs a trained agent'):
        policy("sac", scenario)
    with pytest.raises(InputError, match="policy = 'nobody'; allowed: random"):
        compare(scenario, ["nobody"])
    with pytest.raises(InputError, match="the agent has 7 actions"):
        compare(by_hand(), ["x"], agents={"x": committed("busy")})
