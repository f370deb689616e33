"""Files: both formats bit-exact, bad input told in one line, nothing half written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.drawn import problems
from hypothesis import given
from hypothesis import strategies as st

from dmoe_opt import InputError, Instance, Radio, SelectionProblem, generate, load, save, solve
from dmoe_opt.data import files as files_module

ROUND = {
    "format": "dmoe-opt/round",
    "version": 1,
    "name": "two",
    "max_experts": 2,
    "tokens": {"source": [0, 1], "scores": [[0.5, 0.5], [0.25, 0.75]], "threshold": 0.5},
    "compute_energy": [1e-4, 2e-4],
    "radio": {
        "bandwidth_hz": 1e6, "power_w": 1e-2, "noise_w": 1e-3, "payload_bits": 65536,
        "gains": [[[0.0, 0.0], [1.0, 2.0]], [[3.0, 4.0], [0.0, 0.0]]],
    },
}  # fmt: skip


def written(folder: Path, document: object) -> Path:
    path = folder / "x.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def changed(path: str, value: object) -> dict[str, Any]:
    """ROUND with the value at a dotted path replaced; a path component that is a number is an index."""
    document: Any = json.loads(json.dumps(ROUND))
    at = document
    *head, last = [int(p) if p.isdigit() else p for p in path.split(".")]
    for part in head:
        at = at[part]
    at[last] = value
    return document  # type: ignore[no-any-return]


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
def test_round_trip(tmp_path: Path, suffix: str) -> None:
    """A round keeps radio, name and notes; odd floats survive."""
    data = generate("tiny", 3)
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


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_dead_links_without_a_radio(tmp_path: Path, suffix: str) -> None:
    """An energy above a billion joules is a link that cannot be used; it survives a file and a change elsewhere."""
    energy = np.full((2, 2, 1), 2e9)
    data = Instance([0], [[0.25, 0.75]], 0.5, 1, [1.0, 1.0], link_energy=energy).replace(
        name="dead"
    )
    save(data, tmp_path / f"x{suffix}")
    again = load(tmp_path / f"x{suffix}")
    assert again.sha256 == data.sha256
    result = solve(again)
    assert (result.objective_j, result.shortfall) == (1.0, (0,))


def test_link_energy_in_place_of_radio(tmp_path: Path) -> None:
    """Given joules are used as they are, and the diagonal is ignored."""
    document = {k: v for k, v in ROUND.items() if k != "radio"} | {
        "link_energy": [[[9.0], [0.25]], [[0.5], [9.0]]]
    }
    data = load(written(tmp_path, document))
    assert isinstance(data, Instance)
    assert data.link_energy[:, :, 0].tolist() == [[0.0, 0.25], [0.5, 0.0]]


BAD = [
    ("tokens.scores.1.0", 1.5, "tokens.scores[1][0] = 1.5; allowed: finite numbers in [0, 1]"),
    ("tokens.scores.1.0", -0.5, "tokens.scores[1][0] = -0.5; allowed: finite numbers in [0, 1]"),
    ("tokens.scores.1.0", True, "tokens.scores[1][0] = True; allowed: float"),
    ("tokens.scores.1.0", "0.5", "tokens.scores[1][0] = '0.5'; allowed: float"),
    ("tokens.scores.1.0", float("nan"), "tokens.scores[1][0] = nan; allowed: finite numbers"),
    ("radio.gains.0.1.1", float("inf"), "radio.gains[0][1][1] = inf; allowed: finite numbers"),
    ("radio.gains.0.1.1", -1.0, "radio.gains[0][1][1] = -1.0; allowed: finite numbers >= 0"),
    ("radio.gains.0.1", [1.0], "radio.gains[0][1] has 1 entries; allowed: as many as radio.gains[0][0], which has 2"),
    ("tokens.scores.1", [0.5], "tokens.scores[1] has 1 entries; allowed: as many as tokens.scores[0], which has 2"),
    ("tokens.source", [0], "tokens.scores has shape 2 x 2; allowed: 1 x 2"),
    ("tokens.source.1", 2, "tokens.source[1] = 2; allowed: whole numbers in 0..1"),
    ("tokens.source.1", -1, "tokens.source[1] = -1; allowed: whole numbers in 0..1"),
    ("tokens.threshold", -1, "tokens.threshold = -1.0; allowed: a finite number >= 0"),
    ("compute_energy", [1e-4, 1e-4, 1e-4], "tokens.scores has shape 2 x 2; allowed: 2 x 3"),
    ("compute_energy", [], "compute_energy is empty; allowed: at least one expert"),
    ("radio.power_w", 0, "radio.power_w = 0.0; allowed: a finite number > 0"),
    ("radio.round_trip", 1, "radio.round_trip = 1; allowed: bool"),
    ("max_experts", 0, "max_experts = 0; allowed: a whole number from 1 to 2^31"),
    ("max_experts", 1.5, "max_experts = 1.5; allowed: int"),
    ("on_shortfall", "shrug", "on_shortfall = 'shrug'; allowed: \"top_d\" or \"infeasible\""),
    ("colour", 1, "colour is unknown; allowed: only the fields of the format"),
    ("radio.colour", 1, "radio.colour is unknown; allowed: only the fields of the format"),
    ("link_energy", [[[1.0]]], "has radio and link_energy both or neither; allowed: exactly one of them"),
    ("version", 2, "version = 2; allowed: 1 (a newer file needs a newer dmoe-opt)"),
    ("version", True, "version = True; allowed: int"),
    ("format", "other", "format = 'other'; allowed: "),
    ("meta", [], "meta = []; allowed: object"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value", "message"), BAD, ids=[f"{p}={v!r:.20}" for p, v, _ in BAD]
)
def test_bad_field(tmp_path: Path, path: str, value: object, message: str) -> None:
    """One line that names file, field, index, value and what is allowed."""
    file = written(tmp_path, changed(path, value))
    with pytest.raises(InputError) as caught:
        load(file)
    assert str(caught.value).startswith(f"{file}: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "field",
    [
        "tokens",
        "tokens.scores",
        "radio.gains",
        "max_experts",
        "format",
        "version",
        "compute_energy",
    ],
)
def test_missing_field(tmp_path: Path, field: str) -> None:
    """A missing field is named with its path."""
    document: Any = json.loads(json.dumps(ROUND))
    *head, last = field.split(".")
    del (document[head[0]] if head else document)[last]
    with pytest.raises(InputError, match=rf"{field} is missing"):
        load(written(tmp_path, document))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not valid JSON"),
        ("{", "is not valid JSON"),
        (json.dumps(ROUND)[:200], "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ('{"a":' * 100_000, "nested too deeply"),
        ("[]", "the document = []; allowed: object"),
        ("\x00\xff", "is not valid JSON"),
        (
            json.dumps(ROUND).replace("0.75", "1e999"),
            "tokens.scores[1][1] = inf; allowed: finite numbers",
        ),
        (json.dumps(ROUND).replace("0.75", "1" + "0" * 400), "tokens.scores[1][1]"),
    ],
)
def test_bad_document(tmp_path: Path, text: str, message: str) -> None:
    """Whatever is in the file, the answer is one line."""
    with pytest.raises(InputError) as caught:
        load(written(tmp_path, text))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bad_archives(tmp_path: Path) -> None:
    """Damaged, foreign and pickled archives are refused; nothing is unpickled."""
    path = tmp_path / "x.npz"
    save(generate("tiny", 1), path)
    whole = path.read_bytes()
    for length in (5, 100, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"x\.npz: is not a readable \.npz file"):
            load(path)
    np.savez(
        path,
        format="dmoe-opt/selection",
        version=1,
        scores=np.array([{"a": 1}], dtype=object),
        allow_pickle=True,
    )
    with pytest.raises(InputError, match="pickle"):
        load(path)
    np.savez(path, format="dmoe-opt/selection", version=1, scores=np.ones((1, 1)))
    with pytest.raises(InputError, match="max_experts is missing"):
        load(path)
    good = {"max_experts": 1, "scores": np.ones((1, 1)), "cost": np.ones((1, 1)), "threshold": 1.0}
    for field, value in (
        ("scores", np.ones((1, 1)) * 1j),
        ("cost", np.full((1, 1), np.nan)),
        ("cost", np.full((1, 1), np.inf)),
    ):
        np.savez(path, format="dmoe-opt/selection", version=1, **(good | {field: value}))
        with pytest.raises(InputError, match=field):
            load(path)


@given(data=st.data())
def test_fuzzed_file_is_refused_or_valid(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Bytes changed anywhere: the loader raises its own error or returns a valid instance, nothing else."""
    content = bytearray(json.dumps(ROUND).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        piece = data.draw(
            st.sampled_from(
                [
                    b"",
                    b"-",
                    b"9",
                    b"[",
                    b"]",
                    b"null",
                    b"true",
                    b"1e400",
                    b'"',
                    b"\xff",
                    b",",
                    b"NaN",
                ]
            )
        )
        content[at : at + data.draw(st.integers(0, 3))] = piece
    path = tmp_path_factory.mktemp("fuzz") / "x.json"
    path.write_bytes(bytes(content))
    try:
        found = load(path)
    except InputError as error:
        assert str(error).startswith(str(path))
        assert "\n" not in str(error)
    else:
        assert isinstance(found, Instance | SelectionProblem)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    field=st.sampled_from(
        [
            "tokens",
            "tokens.scores",
            "radio.gains",
            "compute_energy",
            "meta",
            "name",
            "version",
            "max_experts",
        ]
    ),
    value=json_like,
)
def test_fuzzed_field_is_refused_or_valid(
    tmp_path_factory: pytest.TempPathFactory, field: str, value: object
) -> None:
    """Any JSON in any field: refused in one line, or valid."""
    path = written(tmp_path_factory.mktemp("fuzz"), changed(field, value))
    try:
        load(path)
    except InputError as error:
        assert "\n" not in str(error)


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


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: SelectionProblem(scores=[[0.5, 2]], cost=[[1, 1]], threshold=1, max_experts=1),
            "scores[0][1] = 2.0",
        ),
        (
            lambda: SelectionProblem(scores=[["a"]], cost=[[1]], threshold=1, max_experts=1),
            "scores = [['a']]",
        ),
        (
            lambda: SelectionProblem(scores=[[1]], cost=[[1]], threshold=1, max_experts=True),
            "max_experts = True",
        ),
        (
            lambda: SelectionProblem(scores=[[1]], cost=[[1, 2]], threshold=1, max_experts=1),
            "cost has shape 1 x 2",
        ),
        (lambda: Radio(np.ones((2, 3, 1)), 1, 1, 1, 1), "radio.gains has shape"),
        (lambda: Radio(np.ones((1, 1, 1)), "x", 1, 1, 1), "radio.bandwidth_hz = 'x'"),  # type: ignore[arg-type]
        (lambda: Instance([0], [[1.0]], 0.5, 1, [1.0]), "exactly one of them"),  # type: ignore[arg-type]
    ],
)
def test_constructors_check(make: Callable[[], object], message: str) -> None:
    """Data made in Python is checked by the same rules."""
    with pytest.raises(InputError) as caught:
        make()
    assert message in str(caught.value)


def test_data_is_read_only_and_apart() -> None:
    """Arrays cannot be changed, neither through the instance nor through what it was made from."""
    scores = np.array([[0.5]])
    problem = SelectionProblem(scores=scores, cost=[[1.0]], threshold=0.5, max_experts=1)  # type: ignore[arg-type]
    scores[0, 0] = 0.0
    assert problem.scores[0, 0] == 0.5
    with pytest.raises(ValueError, match="read-only"):
        problem.scores[0, 0] = 1.0
    other = problem.replace(threshold=0.25)
    assert (problem.threshold[0], other.threshold[0]) == (0.5, 0.25)


def test_solution_round_trip(tmp_path: Path) -> None:
    """A solution file holds what the result holds."""
    result = solve(load("tiny-s1"))
    save(result, tmp_path / "s.json")
    again = files_module.load_solution(tmp_path / "s.json")
    assert again.objective_j == result.objective_j
    assert again.selection == result.solution().selection
