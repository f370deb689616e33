"""Formats: whatever is in a file, it is a valid instance or told in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmoe_opt import InputError, Instance, SelectionProblem, generate, load, save
from dmoe_opt.data.formats import read_arrays

ROUND = {
    "format": "dmoe-opt/round",
    "version": 1,
    "name": "two",
    "max_experts": 2,
    "tokens": {"source": [0, 1], "scores": [[0.5, 0.5], [0.25, 0.75]], "threshold": 0.5},
    "compute_energy": [1e-4, 2e-4],
    "radio": {
        "bandwidth_hz": 1e6,
        "power_w": 1e-2,
        "noise_w": 1e-3,
        "payload_bits": 65536,
        "gains": [[[0.0, 0.0], [1.0, 2.0]], [[3.0, 4.0], [0.0, 0.0]]],
    },
}


def written(folder: Path, document: object) -> Path:
    path = folder / "x.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def changed(path: str, value: object) -> dict[str, Any]:
    """ROUND with the value at a dotted path replaced; a number in the path is an index."""
    document: Any = json.loads(json.dumps(ROUND))
    at = document
    *head, last = [int(p) if p.isdigit() else p for p in path.split(".")]
    for part in head:
        at = at[part]
    at[last] = value
    return document  # type: ignore[no-any-return]


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
    (
        "radio.gains.0.1",
        [1.0],
        "radio.gains[0][1] has 1 entries; allowed: as many as radio.gains[0][0], which has 2",
    ),
    (
        "tokens.scores.1",
        [0.5],
        "tokens.scores[1] has 1 entries; allowed: as many as tokens.scores[0], which has 2",
    ),
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
    ("on_shortfall", "shrug", 'on_shortfall = \'shrug\'; allowed: "top_d" or "infeasible"'),
    ("colour", 1, "colour is unknown; allowed: only the fields of the format"),
    ("radio.colour", 1, "radio.colour is unknown; allowed: only the fields of the format"),
    (
        "link_energy",
        [[[1.0]]],
        "has radio and link_energy both or neither; allowed: exactly one of them",
    ),
    ("placement", [0, 9], "placement[1] = 9; allowed: whole numbers in 0..1"),
    ("placement", [0], "placement has shape 1; allowed: 2"),
    ("drop_price", -1, "drop_price = -1.0; allowed: a finite number >= 0"),
    ("drop_price", [1.0], "drop_price has shape 1; allowed: 2"),
    ("capacity", [1, -1], "capacity[1] = -1; allowed: whole numbers in 0..1000000"),
    ("wake_energy", [1.0], "wake_energy has shape 1; allowed: 2"),
    ("air_deadline_s", -0.5, "air_deadline_s = -0.5; allowed: a finite number >= 0"),
    ("send_once", True, "send_once is given without placement; allowed: both, or none"),
    ("send_once", 1, "send_once = 1; allowed: bool"),
    ("version", 2, "version = 2; allowed: 1 (a newer file needs a newer dmoe-opt)"),
    ("version", True, "version = True; allowed: int"),
    ("format", "other", "format = 'other'; allowed: "),
    ("meta", [], "meta = []; allowed: object"),
]


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
        ("\ufeff\ufeff{}", "is not valid JSON"),
        ('{\0"\0f\0', "is text in UTF-16"),
        (json.dumps(ROUND | {"name": "\ud800"}), "half of a surrogate pair"),
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


GOOD = {
    "format": "dmoe-opt/selection",
    "version": 1,
    "max_experts": 1,
    "scores": np.ones((1, 1)),
    "cost": np.ones((1, 1)),
    "threshold": 1.0,
}


@pytest.mark.parametrize(
    ("name", "shown"),
    [("name.", "name."), ("a\nb", "a b"), ("tokens.scores", "tokens.scores"), ("cost.x", "cost.x")],
)
def test_odd_names_in_archives(tmp_path: Path, name: str, shown: str) -> None:
    """A name that is no field is refused in one line, whatever it is made of."""
    path = tmp_path / "x.npz"
    np.savez(path, **GOOD, **{name: 1})  # type: ignore[arg-type]
    with pytest.raises(InputError) as caught:
        load(path)
    assert (
        str(caught.value) == f"{path}: {shown} is unknown; allowed: only the fields of the format"
    )


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ('"a": ' + "[" * 700 + "]" * 700, "a is unknown; allowed: only the fields of the format"),
        ('"a - at \\nb": 1', "a - at b is unknown; allowed: only the fields of the format"),
        ('"meta": {"a\\nb": NaN}', "meta.a b = nan; allowed: finite numbers"),
    ],
    ids=["deep", "key", "not finite"],
)
def test_odd_keys_in_documents(tmp_path: Path, field: str, message: str) -> None:
    """Deep nesting and line breaks in keys do not hide the complaint."""
    path = written(tmp_path, '{"format": "dmoe-opt/selection", "version": 1, ' + field + "}")
    with pytest.raises(InputError) as caught:
        load(path)
    assert str(caught.value) == f"{path}: {message}"


def test_read_arrays(tmp_path: Path) -> None:
    """From a path or from content: the same arrays; an error names the path if there is one."""
    path = tmp_path / "x.npz"
    np.savez(path, weights=np.zeros((2, 3), dtype=np.float32), layers=4)
    for source in (path, str(path), path.read_bytes()):
        arrays = read_arrays(source)
        assert (arrays["weights"].shape, arrays["weights"].dtype) == ((2, 3), np.float32)
        assert arrays["layers"] == 4
    with pytest.raises(InputError, match=r"^is not a readable \.npz file"):
        read_arrays(path.read_bytes()[:50])
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(InputError, match=r"x\.npz: is not a readable \.npz file"):
        read_arrays(path)
    with pytest.raises(InputError, match="none: cannot be read: No such file"):
        read_arrays(tmp_path / "none")


@given(data=st.data())
def test_fuzzed_file_is_refused_or_valid(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Bytes changed anywhere: the loader raises its own error or returns a valid instance."""
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
