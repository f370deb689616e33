"""Trace files become gate scores, and damaged files are told in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.traced import LINES, LOGITS, SCORES, as_arrays, as_lines
from hypothesis import given
from hypothesis import strategies as st

from dmoe_opt import InputError
from dmoe_opt.generating import gates
from dmoe_opt.generating.trace_files import load_trace
from dmoe_opt.generating.traces import Trace


def test_logits_become_scores(tmp_path: Path) -> None:
    """Softmax by default, or the sigmoid divided by its sum; both worked out here once more."""
    path = as_arrays(tmp_path, logits=LOGITS.astype(np.float32), experts_per_token=2)
    powers = np.exp(LOGITS.astype(np.float32).astype(float))
    trace = load_trace(path)
    assert np.allclose(trace.scores, powers / powers.sum(axis=2, keepdims=True), rtol=0, atol=1e-12)
    assert (trace.experts_per_token, trace.layers, trace.source) == (
        2,
        (0, 1, 2),
        "gate.npz: softmax of its router logits",
    )
    sigmoid = powers / (1 + powers)
    assert np.allclose(
        load_trace(path, gate="sigmoid").scores,
        sigmoid / sigmoid.sum(axis=2, keepdims=True),
        atol=1e-12,
    )


@pytest.mark.parametrize("gate", gates.GATES)
def test_extreme_logits(tmp_path: Path, gate: str) -> None:
    """Scores stay finite and sum to one where exp overflows and every sigmoid vanishes."""
    logits = np.array([[[1e30, -1e30, 0.0], [-2000.0, -2000.0, -2001.0], [800.0, 800.0, 800.0]]])
    scores = load_trace(as_arrays(tmp_path, logits=logits), gate=gate).scores
    assert np.allclose(scores.sum(axis=2), 1.0, atol=1e-12)
    assert np.allclose(scores[0, 1, :2], 1 / (2 + np.exp(-1.0)))


def test_scores_are_taken_as_they_are(tmp_path: Path) -> None:
    """Scores need no gate, and need not sum to one."""
    scores = np.array([[[0.5, 0.25], [1.0, 1.0]]])
    trace = load_trace(as_arrays(tmp_path, scores=scores))
    assert (trace.scores == scores).all()
    assert trace.experts_per_token is None


def test_lines(tmp_path: Path) -> None:
    """Weights stand where ids say, 0 elsewhere.

    The order of lines is free; steps and layers may be any numbers.
    """
    rng = np.random.default_rng(0)
    trace = load_trace(as_lines(tmp_path, list(rng.permutation(np.array(LINES, dtype=object)))))
    assert (trace.scores.shape, trace.layers, trace.experts_per_token) == ((2, 3, 4), (3, 7), 2)
    for line in LINES:
        wanted = np.zeros(4)
        wanted[line["ids"]] = line["weights"]  # type: ignore[index]
        assert (
            trace.scores[(3, 7).index(line["layer"]), (0, 1, 5).index(line["step"])] == wanted
        ).all()  # type: ignore[arg-type]
    assert load_trace(tmp_path / "used.jsonl", num_experts=9).scores.shape == (2, 3, 9)


def changed(index: int, **fields: Any) -> list[Any]:
    return [line | fields if i == index else line for i, line in enumerate(LINES)]


BAD_LINES = [
    ([], "is empty; allowed: router logs"),
    (changed(2, ids=[1, 1]), "line 3: ids[1] = 1; allowed: every expert once"),
    (changed(2, ids=[1, 4]), "line 3: ids[1] = 4; allowed: whole numbers in 0..3"),
    (changed(2, ids=[-1, 2]), "line 3: ids[0] = -1; allowed: whole numbers in 0..3"),
    (changed(2, ids=[1, 10**30]), "line 3: ids[1] = 1"),
    (changed(2, ids=[1, True]), "line 3: ids[1] = True; allowed: int"),
    (changed(2, ids=[1]), "line 3: ids has 1 entries; allowed: 2, as in the first"),
    (changed(0, ids=[]), "line 1: ids has 0 entries; allowed: at least one"),
    (changed(2, weights=[1.0]), "line 3: weights has 1 entries; allowed: as many as experts, 2"),
    (changed(2, weights=[1.5, 0.0]), "line 3: weights[0] = 1.5; allowed: finite numbers in [0, 1]"),
    (
        changed(2, weights=[-0.5, 0.0]),
        "line 3: weights[0] = -0.5; allowed: finite numbers in [0, 1]",
    ),
    (changed(2, weights=[float("nan"), 0.0]), "line 3: weights[0] = nan; allowed: finite numbers"),
    (changed(2, weights="x"), "line 3: weights = 'x'; allowed: array"),
    (changed(2, step=-1), "line 3: step = -1; allowed: a whole number from 0 to 2^31"),
    (changed(2, layer=0.5), "line 3: layer = 0.5; allowed: int"),
    (changed(2, colour=1), "line 3: colour is unknown; allowed: only the fields of the format"),
    (changed(2, step=0), "line 3: step 0 of layer 3 is there twice; allowed: once"),
    (LINES[:-1], "step 5 of layer 7 is missing; allowed: every token in every layer"),
    ([*LINES[:-1], '{"step": 5, "layer": 7, "ids": [0, 2], "weig'], "line 6: is not valid JSON"),
    ([*LINES, "[]"], "line 7: the document = []; allowed: object"),
    (
        [{k: v for k, v in LINES[0].items() if k != "ids"}],
        "line 1: ids is missing; allowed: it must be given",
    ),
]


@pytest.mark.parametrize(("lines", "message"), BAD_LINES, ids=range(len(BAD_LINES)))
def test_bad_lines(tmp_path: Path, lines: list[Any], message: str) -> None:
    """One line that names file, line, field, value and what is allowed."""
    path = as_lines(tmp_path, lines)
    with pytest.raises(InputError) as caught:
        load_trace(path, num_experts=4)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_absurd_expert_does_not_fill_the_memory(tmp_path: Path) -> None:
    """Without a number of experts an id is still bounded."""
    with pytest.raises(
        InputError, match=r"line 1: ids\[0\] = 1000000000; allowed: whole numbers in 0\.\.4095"
    ):
        load_trace(as_lines(tmp_path, changed(0, ids=[10**9, 1])))


NO_LOGITS, NO_SCORES = LOGITS.copy(), SCORES.copy()
NO_LOGITS[1, 2, 3] = NO_SCORES[1, 2, 3] = np.nan
BAD_ARRAYS = [
    ({"logits": NO_LOGITS}, "logits[1][2][3] = nan; allowed: finite numbers in"),
    ({"scores": NO_SCORES}, "scores[1][2][3] = nan; allowed: finite numbers in [0, 1]"),
    (
        {"scores": 2 * np.ones((1, 1, 1))},
        "scores[0][0][0] = 2.0; allowed: finite numbers in [0, 1]",
    ),
    ({"scores": SCORES[0, 0]}, "scores has shape 4; allowed: layers x tokens x experts"),
    (
        {"logits": LOGITS.swapaxes(0, 1)},
        "logits has shape 6 x 3 x 4: 6 layers of 3 tokens, or the reverse? allowed: order",
    ),
    ({"scores": SCORES, "order": "XYZ"}, "order = 'XYZ'; allowed: \"LTK\" or"),
    (
        {"logits": LOGITS[:, :0]},
        "logits has shape 3 x 0 x 4; allowed: layers x tokens x experts, none empty",
    ),
    ({"scores": np.zeros((1, 1, 4097))}, "scores has shape 1 x 1 x 4097; allowed: "),
    ({"scores": np.full((1, 1, 1), "x")}, "scores = array("),
    (
        {"scores": SCORES, "logits": LOGITS},
        "has scores and logits both or neither; allowed: exactly one of them",
    ),
    (
        {"experts_per_token": 2},
        "has scores and logits both or neither; allowed: exactly one of them",
    ),
    (
        {"colour": SCORES, "shape": LOGITS},
        "has colour (3 x 6 x 4), shape (3 x 6 x 4); allowed: scores, logits, ids",
    ),
    (
        {"logits": np.full((1, 2, 2), 0.75)},
        "logits are in [0, 1] but do not sum to 1; allowed: a gate (--gate) if they are logits",
    ),
    (
        {"scores": SCORES, "experts_per_token": 0},
        "experts_per_token = 0; allowed: a whole number from 1",
    ),
    (
        {"scores": SCORES, "experts_per_token": 5},
        "experts_per_token = 5; allowed: at most the number of experts, 4",
    ),
    (
        {"scores": np.array([[[{}]]], dtype=object)},
        "is not a readable .npz file: Object arrays cannot be loaded",
    ),
]


@pytest.mark.parametrize(("arrays", "message"), BAD_ARRAYS, ids=range(len(BAD_ARRAYS)))
def test_bad_arrays(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    """The same for .npz; nothing is unpickled."""
    path = as_arrays(tmp_path, **arrays)
    with pytest.raises(InputError) as caught:
        load_trace(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_options_that_do_not_fit_the_file(tmp_path: Path) -> None:
    """A gate is refused where there are no logits, a number of experts where the file differs."""
    arrays, lines = as_arrays(tmp_path, scores=SCORES), as_lines(tmp_path, LINES)
    (tmp_path / "other").mkdir()
    for path, options, message in (
        (arrays, {"gate": "softmax"}, "gate = 'softmax'; allowed: nothing: the file holds scores"),
        (lines, {"gate": "sigmoid"}, "gate = 'sigmoid'; allowed: nothing: the log has no logits"),
        (arrays, {"num_experts": 5}, "num_experts = 5; allowed: 4, as in the file"),
        (lines, {"num_experts": 0}, "num_experts = 0; allowed: a whole number from 1"),
        (lines, {"num_experts": 5000}, "num_experts = 5000; allowed: at most 4096"),
        (
            as_arrays(tmp_path / "other", logits=LOGITS),
            {"gate": "relu"},
            'gate = \'relu\'; allowed: "softmax" or "sigmoid"',
        ),
        (tmp_path / "none", {}, "cannot be read: No such file"),
    ):
        with pytest.raises(InputError) as caught:
            load_trace(path, **options)  # type: ignore[arg-type]
        assert str(caught.value).startswith(f"{path}: {message}")


@given(data=st.data())
def test_fuzzed_trace_is_refused_or_valid(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Bytes changed anywhere: an error of one line or a valid trace, nothing else."""
    content = bytearray("\n".join(map(json.dumps, LINES)).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        piece = data.draw(
            st.sampled_from(
                [b"", b"-", b"9", b"[", b"]", b"null", b"1e400", b'"', b"\xff", b",", b"NaN", b"\n"]
            )
        )
        content[at : at + data.draw(st.integers(0, 3))] = piece
    path = tmp_path_factory.mktemp("fuzz") / "x.jsonl"
    path.write_bytes(bytes(content))
    try:
        assert isinstance(load_trace(path), Trace)
    except InputError as error:
        assert str(error).startswith(str(path))
        assert "\n" not in str(error)
