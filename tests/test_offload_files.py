"""Offloading files and commands: bit-exact, one line for whatever is wrong, figures that are written."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.drawn import Ended
from helpers.offloads import by_hand, episodes
from hypothesis import given

from dmoe_opt import InputError
from dmoe_opt.offload import agent as agents
from dmoe_opt.offload import store
from dmoe_opt.offload.agent import Agent
from dmoe_opt.offload.episode import Episode, draw
from dmoe_opt.offload.observe import OWN, size
from dmoe_opt.offload.presets import PRESETS, preset
from dmoe_opt.offload.simulate import State

Typed = Callable[..., Ended]


def any_agent(experts: int, types: int, hidden: int = 4) -> Agent:
    """An agent with drawn weights."""
    rng = np.random.default_rng(0)
    shapes = [
        (OWN, hidden),
        (size(experts, types), hidden),
        (experts + 1, hidden),
        (hidden, hidden),
        (hidden,),
        (hidden,),
    ]
    return Agent(*(rng.standard_normal(shape) for shape in shapes), made_by="nobody")


@given(episodes())
def test_episodes_survive_a_file(
    tmp_path_factory: pytest.TempPathFactory, episode: Episode
) -> None:
    """Written and read again, an episode is the same to the last bit."""
    path = tmp_path_factory.mktemp("offload") / "episode.json"
    store.save(episode, path)
    again = store.load(path)
    assert isinstance(again, Episode)
    for name in ("arrival_s", "job", "type", "gains", "reward", "finish_s", "share"):
        assert (getattr(again, name) == getattr(episode, name)).all()


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_files(name: str, tmp_path: Path) -> None:
    """Each is named as its file; writing it anew loses nothing; seeds give different episodes, one seed the same."""
    scenario = preset(name)
    assert scenario.name == name
    store.save(scenario, tmp_path / "again.json")
    again = store.load(tmp_path / "again.json")
    assert (draw(again, 3).reward == draw(scenario, 3).reward).all()
    assert (
        draw(scenario, 3).num_subtasks != draw(scenario, 4).num_subtasks
        or (draw(scenario, 3).arrival_s != draw(scenario, 4).arrival_s).any()
    )


def document(episode: bool = True) -> dict[str, Any]:
    """The case worked by hand as a JSON document."""
    hand = by_hand()
    fields = {"format": "dmoe-opt/offload", "version": 1} | {
        part: {
            k: v.tolist() if isinstance(v, np.ndarray) else v
            for k, v in vars(getattr(hand.scenario, part)).items()
        }
        for part in ("experts", "device", "types", "arrivals", "radio", "prices")
    }
    names = (
        "arrival_s",
        "job",
        "type",
        "weight",
        "payload_bits",
        "result_bits",
        "work",
        "deadline_s",
        "gains",
    )
    return fields | (
        {"episode": {name: getattr(hand, name).tolist() for name in names}} if episode else {}
    )


WRONG: dict[str, tuple[str, Any]] = {
    "experts.skill[0][1] = 1.5; allowed: finite numbers in [0, 1]": ("experts.skill", [[0.5, 1.5]]),
    "experts.capacity[0] = -1; allowed: whole numbers in 0..10000": ("experts.capacity", [-1]),
    "experts.capacity has shape 2; allowed: 1": ("experts.capacity", [1, 2]),
    "experts.speed[0] = 0.0; allowed: finite numbers in [1e-12, 1e+15]": ("experts.speed", [0.0]),
    "experts.skill has no row; allowed: at least one expert": ("experts.skill", []),
    "device.skill has 1 entries; allowed: 2, one a type": ("device.skill", [0.5]),
    "device.speed = 'fast'; allowed: a finite number > 0": ("device.speed", "fast"),
    "types.probability = [0.0, 0.0]; allowed: at least one above 0": ("types.probability", [0, 0]),
    "types.spread = 1.0; allowed: a number in [0, 0.99]": ("types.spread", 1),
    "arrivals.subtasks_per_job = [3, 2]; allowed: [least, most] with 1 <= least <= most": (
        "arrivals.subtasks_per_job",
        [3, 2],
    ),
    "arrivals.num_jobs = 2000000; allowed: at most 1000000": ("arrivals.num_jobs", 2_000_000),
    "arrivals.jobs_per_s = 0.0; allowed: a finite number > 0": ("arrivals.jobs_per_s", 0.0),
    "radio.fading = 'rice'; allowed: ": ("radio.fading", "rice"),
    "radio.correlation = 1.1; allowed: a number in [0, 1]": ("radio.correlation", 1.1),
    "radio.colour is unknown; allowed: only the fields of the format": ("radio.colour", 1),
    "prices.loss is missing; allowed: it must be given": ("prices.loss", None),
    "episode.arrival_s[2] = 0.5; allowed: not before the arrival of the one before": (
        "episode.arrival_s",
        [0, 1, 0.5],
    ),
    "episode.type[1] = 2; allowed: whole numbers in 0..1": ("episode.type", [0, 2, 0]),
    "episode.gains has 2 blocks; allowed: at least 3, to the last arrival": (
        "episode.gains",
        [[1.0], [1.0]],
    ),
    "episode.gains has shape 3 x 2; allowed: any x 1": ("episode.gains", [[1.0, 1.0]] * 3),
    "episode.work has shape 2; allowed: 3": ("episode.work", [1.0, 1.0]),
    "format = 'dmoe-opt/round'; allowed: \"dmoe-opt/offload\"": ("format", "dmoe-opt/round"),
    "version = 2; allowed: 1 (a newer file needs a newer dmoe-opt)": ("version", 2),
    "prices = 3; allowed: ": ("prices", 3),
}


@pytest.mark.parametrize("complaint", WRONG)
def test_bad_files_are_one_line(complaint: str, tmp_path: Path) -> None:
    """Field, index, value and what is allowed, after the name of the file."""
    place, value = WRONG[complaint]
    fields = document()
    part, _, name = place.partition(".")
    if not name:
        fields[part] = value
    elif value is None:
        del fields[part][name]
    else:
        fields[part][name] = value
    path = tmp_path / "wrong.json"
    path.write_text(json.dumps(fields))
    with pytest.raises(InputError) as error:
        store.load(path)
    assert str(error.value).startswith(f"{path}: {complaint}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"format": NaN}', b"\xff\xfe", b"null"])
def test_broken_files_are_one_line(content: bytes, tmp_path: Path) -> None:
    """Files that are not even JSON of the format."""
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.json"):
        store.load(path)


def test_agents_survive_a_file(tmp_path: Path) -> None:
    """Weights as they were; pickles, missing arrays and shapes that do not fit are refused in one line."""
    agent = any_agent(1, 2)
    path = tmp_path / "agent.npz"
    agents.save(agent, path)
    again = agents.load(path)
    assert again.made_by == "nobody"
    state = State(by_hand())
    state.step(0)
    assert again.act(state) == 1  # the only open action, whatever the scores
    assert (again.hidden_weight == agent.hidden_weight).all()
    arrays = {"own_weight": agent.own_weight}
    all_arrays = {name: getattr(agent, name) for name in vars(agent)}
    for name, wrong, complaint in (
        ("missing", arrays, "is missing"),
        ("objects", {"own_weight": np.array([{}])}, "is not a readable .npz file"),
        (
            "shapes",
            {**all_arrays, "own_weight": np.zeros((3, 4))},
            "own_weight has shape 3 x 4",
        ),
        ("nan", {**all_arrays, "hidden_bias": np.full(4, np.nan)}, "hidden_bias[0] = nan"),
    ):
        np.savez(tmp_path / f"{name}.npz", **wrong)
        with pytest.raises(InputError) as error:
            agents.load(tmp_path / f"{name}.npz")
        assert complaint in str(error.value)
        assert str(error.value).startswith(str(tmp_path))


def test_commands(typed: Typed, tmp_path: Path) -> None:
    """Generate, evaluate and compare as one would type them."""
    assert "images that come later are lost" in typed("offload", "generate", "--list").stdout
    assert typed("offload", "generate", "light").stdout == "offload-light.json\n"
    assert typed("offload", "generate", "light", "--seed", "3", "-o", "e.json").stdout == "e.json\n"
    played = typed("offload", "evaluate", "e.json", "-o", "out", "--json")
    total = json.loads(played.stdout)
    assert total == json.loads(
        typed("offload", "evaluate", "light", "--seed", "3", "--json").stdout
    )
    rows = list(csv.DictReader((tmp_path / "out" / "subtasks.csv").read_text().splitlines()))
    assert len(rows) == total["subtasks"] == total["served"] + total["local"] + total["lost"]
    assert (tmp_path / "out" / "load.png").read_bytes()[:4] == b"\x89PNG"
    best = json.loads(
        typed("offload", "evaluate", "e.json", "--policy", "optimum", "--json").stdout
    )
    assert best["return"] >= total["return"]

    ended = typed(
        "offload", "compare", "--preset", "light", "--episodes", "2", "--seed", "5", "--policies", "greedy,local", "--json"
    )  # fmt: skip
    rows = json.loads(ended.stdout)["rows"]
    assert [row["policy"] for row in rows] == ["greedy", "local"]
    assert {"return_mean", "return_ci95", "optimum_share", "lost", "energy_j"} <= set(rows[0])
    shown = typed(
        "offload",
        "compare",
        "offload-light.json",
        "--episodes",
        "2",
        "--policies",
        "greedy",
        "-o",
        "cmp",
    )
    assert "the optimum is proven in 2 of 2" in shown.stdout
    assert {p.name for p in (tmp_path / "cmp").iterdir()} == {"comparison.csv", "shares.png"}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ["generate", "heavy"],
            "heavy: cannot be read: No such file or directory; presets are light, busy, fading, mixed",
        ),
        (["generate"], "PRESET is missing"),
        (["evaluate", "light", "--policy", "best"], "policy = 'best'; allowed: random"),
        (["evaluate", "nowhere.json"], "nowhere.json: cannot be read"),
        (["compare"], "give PRESET_OR_FILE or --preset NAME"),
        (
            ["compare", "busy", "--policies", "sac", "--agent", "none.npz"],
            "none.npz: cannot be read",
        ),
        (["compare", "busy", "--policies", ""], "policy = ''"),
        (["compare", "busy", "--episodes", "0"], "0 is not in the range"),
    ],
)
def test_bad_commands_are_one_line(typed: Typed, arguments: list[str], complaint: str) -> None:
    """Exit code 2 and one line on stderr."""
    ended = typed("offload", *arguments)
    assert ended.returncode == 2
    assert complaint in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert ended.stdout == ""
