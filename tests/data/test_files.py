"""Files: both formats bit-exact, nothing half written, committed instances by name."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from helpers.drawn import problems
from hypothesis import given

from dmoe_opt import InputError, Instance, Radio, SelectionProblem, generate, load, save, solve
from dmoe_opt.data import files as files_module
from dmoe_opt.data.rules import OPTIONAL_RULES


@pytest.mark.parametrize("suffix", [".json", ".npz"])
@given(problem=problems())
def test_selection_round_trip(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, problem: SelectionProblem
) -> None:
    """What is written is read back bit by bit, in both formats."""
    path = tmp_path_factory.mktemp("files") / f"x{suffix}"
    save(problem, path)
    again = load(path)
    assert isinstance(again, SelectionProblem)
    assert again.sha256 == problem.sha256
    assert (again.on_shortfall, again.max_experts) == (problem.on_shortfall, problem.max_experts)


@pytest.mark.parametrize("suffix", [".json", ".npz"])
@pytest.mark.parametrize("per_node", [None, 2])
def test_round_trip(tmp_path: Path, suffix: str, per_node: int | None) -> None:
    """A round keeps radio, placement, name and notes; odd floats survive."""
    data = generate("tiny", 3, experts_per_node=per_node)
    assert isinstance(data, Instance)
    data = data.replace(
        meta={"text": "é", "list": [1, 2.5, None, True]}, compute_energy=[5e-324, 0.1 + 0.2, 1e199]
    )
    save(data, tmp_path / f"x{suffix}")
    again = load(tmp_path / f"x{suffix}")
    assert isinstance(again, Instance)
    assert again.sha256 == data.sha256
    assert (again.name, again.meta) == (data.name, data.meta)
    assert again.radio is not None
    assert (again.node_of == data.node_of).all()


@pytest.mark.parametrize("suffix", [".json", ".npz"])
@pytest.mark.parametrize("rules", [*[(name,) for name in OPTIONAL_RULES], OPTIONAL_RULES])
def test_optional_rules_survive(tmp_path: Path, suffix: str, rules: tuple[str, ...]) -> None:
    """Every optional field survives a file and a change elsewhere, and changes the digest."""
    plain = generate("tiny", 3, experts_per_node=2)
    values = {
        "drop_price": 0.125,
        "capacity": [2, 0, 3],
        "wake_energy": [0.1 + 0.2, 0.0, 1.0],
        "air_deadline_s": 0.01,
        "send_once": True,
    }
    data = plain.replace(**{name: values[name] for name in rules})
    save(data, tmp_path / f"x{suffix}")
    again = load(tmp_path / f"x{suffix}")
    assert again.optional_rules == data.optional_rules == rules
    assert again.sha256 == data.replace(name="another").sha256 == data.sha256 != plain.sha256
    assert data.replace(**dict.fromkeys(rules)).sha256 == plain.sha256


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_dead_links_without_a_radio(tmp_path: Path, suffix: str) -> None:
    """An energy above a billion joules is a link that cannot be used.

    It survives a file, and a change elsewhere.
    """
    energy = np.full((2, 2, 1), 2e9)
    data = Instance([0], [[0.25, 0.75]], 0.5, 1, [1.0, 1.0], link_energy=energy).replace(
        name="dead"
    )
    save(data, tmp_path / f"x{suffix}")
    again = load(tmp_path / f"x{suffix}")
    assert again.sha256 == data.sha256
    result = solve(again)
    assert (result.objective_j, result.shortfall) == (1.0, (0,))


def test_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk fills up while writing, the old file stays whole and no fragment is left."""
    path = tmp_path / "x.json"
    save(generate("tiny", 1), path)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files_module.os, "fsync", full)
    with pytest.raises(InputError, match=r"x\.json: cannot be written: No space left on device"):
        save(generate("tiny", 2), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["missing.json", ".", "a\0b"])
def test_unreadable(tmp_path: Path, name: str) -> None:
    """A path that cannot be read is one line; a near miss of a committed name is suggested."""
    with pytest.raises(InputError, match="cannot be read"):
        load(tmp_path / name)
    with pytest.raises(InputError, match='did you mean the committed instance "tiny-s1"'):
        load("tiny-s2")


def test_solution_round_trip(tmp_path: Path) -> None:
    """A solution file holds what the result holds."""
    result = solve(load("tiny-s1"))
    save(result, tmp_path / "s.json")
    again = files_module.load_solution(tmp_path / "s.json")
    assert again.objective_j == result.objective_j
    assert again.selection == result.solution().selection


def test_a_large_round_is_in_memory_twice(tmp_path: Path) -> None:
    """Gains and the energies made of them, and no more, while a file is read."""
    gains = np.random.default_rng(0).exponential(1e-3, (16, 16, 4000))
    round_ = Instance(
        source=[0],
        scores=np.full((1, 16), 0.5),
        threshold=0.5,
        max_experts=1,
        compute_energy=np.ones(16),
        radio=Radio(gains, 1e6, 1e-2, 1e-3, 65536.0),
    )
    save(round_, tmp_path / "round.npz")
    load(tmp_path / "round.npz")  # so that nothing is imported while memory is counted
    tracemalloc.start()
    loaded = load(tmp_path / "round.npz")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert loaded.sha256 == round_.sha256
    assert peak < 2.5 * gains.nbytes
