"""The environment keeps the rules of gymnasium and pays the rewards of the models."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import gymnasium
import numpy as np
import pyomo.environ as pyo
import pytest
from gymnasium.utils.env_checker import check_env
from helpers.offloads import by_hand

from dmoe_opt import InputError, MissingExtraError
from dmoe_opt.models import offload_pyomo
from dmoe_opt.offload import frames, store
from dmoe_opt.offload.environment import EdgeOffload
from dmoe_opt.offload.episode import draw
from dmoe_opt.offload.optimum import unit
from dmoe_opt.offload.presets import PRESETS, preset
from dmoe_opt.offload.scenario import Arrivals
from dmoe_opt.offload.simulate import LOST, account


def test_environment_and_model_agree() -> None:
    """In 120 random sequences of actions, environment and program give the same return."""
    scenario = preset("mixed")
    env = gymnasium.make("dmoe_opt/EdgeOffload-v0", scenario=scenario)
    rng = np.random.default_rng(0)
    small = Arrivals(num_jobs=6, jobs_per_s=40.0, subtasks_per_job=(2, 6), gap_s=0.1)
    tight = replace(
        scenario, arrivals=small, experts=replace(scenario.experts, capacity=np.ones(10, dtype=int))
    )
    lost = 0
    for number in range(15):
        episode = draw(tight, number)
        model = offload_pyomo.build(episode)
        (variables,) = model.component_objects(pyo.Var)
        alone = np.hstack([episode.reward, episode.loss_reward[:, None]]).max(axis=1).sum()
        for _ in range(8):
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
                variables[key].value = float(key in taken)
            for constraint in model.component_data_objects(pyo.Constraint):
                assert constraint.lslack() >= 0
                assert constraint.uslack() >= 0
            assert alone - pyo.value(model.given_up) * unit(episode) == pytest.approx(
                paid, abs=1e-9
            )
    assert lost > 300  # capacity was felt


@pytest.mark.parametrize("name", PRESETS)
def test_environment_keeps_gymnasiums_rules(name: str) -> None:
    """`check_env`, seeds, masks, and the return that the evaluator finds for the same choices."""
    env = gymnasium.make("dmoe_opt/EdgeOffload-v0", scenario=name)
    check_env(env.unwrapped)
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


@pytest.mark.parametrize(
    ("module", "package", "command"),
    [
        ("environment", "gymnasium", "pip install gymnasium"),
        ("training", "gymnasium", "pip install gymnasium"),
        ("training", "torch", 'pip install "dmoe-opt[drl]"'),
    ],
)
def test_a_missing_package_is_named_with_its_command(
    monkeypatch: pytest.MonkeyPatch, module: str, package: str, command: str
) -> None:
    """One line with the command that installs the package."""
    monkeypatch.setitem(sys.modules, package, None)
    for name in ("environment", "training"):
        full = f"dmoe_opt.offload.{name}"
        if name == module or package == "gymnasium":
            monkeypatch.delitem(sys.modules, full, raising=False)
    with pytest.raises(MissingExtraError) as error:
        import_module(f"dmoe_opt.offload.{module}")
    assert command in str(error.value)
    assert package in str(error.value)
    assert "\n" not in str(error.value)


def test_scenarios_by_any_name(tmp_path: Path) -> None:
    """A preset, a file by its name or path, the fields of a file, and what is none of them."""
    scenario = preset("light")
    store.save(scenario, tmp_path / "mine.json")
    fields = json.loads((tmp_path / "mine.json").read_text())
    for given in ("light", str(tmp_path / "mine.json"), tmp_path / "mine.json", fields, scenario):
        made = gymnasium.make("dmoe_opt/EdgeOffload-v0", scenario=given, render_mode=None)
        env = made.unwrapped
        assert isinstance(env, EdgeOffload)
        assert env.scenario.num_experts == scenario.num_experts
    for wrong in ("nowhere", 3, {"experts": {}}):
        with pytest.raises(Exception, match="allowed: "):
            gymnasium.make("dmoe_opt/EdgeOffload-v0", scenario=wrong)


def test_pictures_show_who_holds_which_slot() -> None:
    """In every column an expert has as many coloured rows as subtasks, as far as pixels tell."""
    env = gymnasium.make("dmoe_opt/EdgeOffload-v0", scenario="fading", render_mode="rgb_array")
    env.reset(seed=1)
    state = env.unwrapped.state  # type: ignore[attr-defined]
    for _ in range(120):
        env.step(state.best_open(state.reward, state.reward[-1]))
    picture = env.render()
    episode = state.episode
    pixel_s = (episode.arrival_s[-1] + episode.deadline_s.max()) / frames.WIDTH
    for expert, slots in enumerate(episode.scenario.experts.capacity.tolist()):
        top = expert * (slots * frames.ROW + frames.GAP)
        held = np.flatnonzero(state.choice == expert)
        begin, end = episode.arrival_s[held], episode.finish_s[held, expert]
        for column in range(2, int(state.now / pixel_s), 3):
            rows = picture[top : top + slots * frames.ROW : frames.ROW, column]
            coloured = (rows != frames.PAPER).any(axis=1).sum()
            left, right = column * pixel_s, (column + 1) * pixel_s
            assert ((begin <= left) & (end >= right)).sum() <= coloured
            assert coloured <= ((begin <= right) & (end > left - 2 * pixel_s)).sum()
    assert gymnasium.make("dmoe_opt/EdgeOffload-v0").unwrapped.render() is None
    with pytest.raises(InputError, match=r'render_mode = .human.; allowed: None or "rgb_array"'):
        EdgeOffload("light", render_mode="human")


def test_many_copies() -> None:
    """`make_vec` plays copies side by side, each as it would be alone with its seed."""
    many = gymnasium.make_vec("dmoe_opt/EdgeOffload-v0", num_envs=2, scenario="light")
    observations, _ = many.reset(seed=[3, 4])
    alone = gymnasium.make("dmoe_opt/EdgeOffload-v0", scenario="light")
    assert (alone.reset(seed=4)[0] == observations[1]).all()
    _, rewards, *_ = many.step(np.array([0, 1]))
    assert alone.step(1)[1] == rewards[1]


def test_steps_outside_an_episode() -> None:
    """Before the first reset and after the end gymnasium's own error says what to do; masks too."""
    env = gymnasium.make("dmoe_opt/EdgeOffload-v0", scenario="light").unwrapped
    assert isinstance(env, EdgeOffload)
    for call in (lambda: env.step(np.int64(0)), env.action_masks):
        with pytest.raises(gymnasium.error.ResetNeeded, match="call reset"):
            call()
    _, info = env.reset(seed=1)
    done = False
    while not done:
        assert (env.action_masks() == info["action_mask"].astype(bool)).all()
        _, _, done, _, info = env.step(np.int64(env.action_masks().argmax()))
    with pytest.raises(gymnasium.error.ResetNeeded, match="the episode is over"):
        env.step(np.int64(0))


@pytest.mark.parametrize("action", [99, -1, 0.5, "x", None])
def test_actions_that_are_none(action: object) -> None:
    """An action that is no choice of an expert is refused, and not taken for a lost subtask."""
    environment = EdgeOffload("light")
    environment.reset(seed=0)
    with pytest.raises(InputError, match=r"allowed: one of Discrete\(7\)"):
        environment.step(action)  # type: ignore[arg-type]
    environment.step(np.array(3))  # type: ignore[arg-type]
