"""Scenario and episode files: bit-exact, and one line for everything that is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.offloads import by_hand, episodes
from hypothesis import given

from dmoe_opt import InputError
from dmoe_opt.offload import store
from dmoe_opt.offload.episode import Episode


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
    "device.skill has 1 entries; allowed: 2, one for each type": ("device.skill", [0.5]),
    "device.speed = 'fast'; allowed: a finite number > 0": ("device.speed", "fast"),
    "types.probability = [0.0, 0.0]; allowed: at least one above 0": ("types.probability", [0, 0]),
    "types.spread = 1.0; allowed: a number in [0, 0.99]": ("types.spread", 1),
    "arrivals.subtasks_per_job = [3, 2]; allowed: [least, most] with 1 <= least <= most": (
        "arrivals.subtasks_per_job",
        [3, 2],
    ),
    "arrivals.num_jobs = 2000000; allowed: at most 1000000": ("arrivals.num_jobs", 2_000_000),
    "arrivals.jobs_per_s = 0.0; allowed: a finite number > 0": ("arrivals.jobs_per_s", 0.0),
    "arrivals.job_quality = 'mean'; allowed: ": ("arrivals.job_quality", "mean"),
    "experts.capacity_unit = 'kg'; allowed: ": ("experts.capacity_unit", "kg"),
    "device.capacity = 1.5; allowed: a whole number of subtasks": ("device.capacity", 1.5),
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
