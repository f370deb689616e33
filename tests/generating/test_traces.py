"""Router traces: files become gate scores, gate scores become rounds, and damaged files are told in one line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.drawn import Ended
from hypothesis import given
from hypothesis import strategies as st

from dmoe_opt import InputError, Instance, load, solve
from dmoe_opt.generating import gates
from dmoe_opt.generating.trace_files import load_trace
from dmoe_opt.generating.traces import Trace, to_rounds

LOGITS = np.random.default_rng(5).normal(0.0, 2.0, (3, 6, 4))
LINES = [
    {
        "step": step,
        "layer": layer,
        "ids": [(step + layer) % 4, (step + layer + 2) % 4],
        "weights": [0.75, 0.25],
    }
    for step in (0, 1, 5)
    for layer in (3, 7)
]


def as_lines(folder: Path, lines: list[Any]) -> Path:
    path = folder / "used.jsonl"
    path.write_text(
        "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    )
    return path


def as_arrays(folder: Path, **arrays: Any) -> Path:
    path = folder / "gate.npz"
    np.savez(path, **arrays)
    return path


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
    """Weights stand where ids say, 0 elsewhere; the order of lines is free; steps and layers may be any numbers."""
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
    ([], "is empty; allowed: a JSON object on every line"),
    (changed(2, ids=[1, 1]), "line 3: ids[1] = 1; allowed: every expert once"),
    (changed(2, ids=[1, 4]), "line 3: ids[1] = 4; allowed: whole numbers in 0..3"),
    (changed(2, ids=[-1, 2]), "line 3: ids[0] = -1; allowed: whole numbers in 0..3"),
    (changed(2, ids=[1, 10**30]), "line 3: ids[1] = 1"),
    (changed(2, ids=[1, True]), "line 3: ids[1] = True; allowed: int"),
    (changed(2, ids=[1]), "line 3: ids has 1 entries; allowed: 2, as on line 1"),
    (changed(0, ids=[]), "line 1: ids has 0 entries; allowed: at least one"),
    (changed(2, weights=[1.0]), "line 3: weights has 1 entries; allowed: as many as ids, 2"),
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
    (changed(2, step=0), "line 3: step 0 of layer 3 is there twice; allowed: one line for each"),
    (LINES[:-1], "step 5 of layer 7 is missing; allowed: every step in every layer"),
    ([*LINES[:-1], '{"step": 5, "layer": 7, "ids": [0, 2], "weig'], "line 6: is not valid JSON"),
    ([*LINES, "[]"], "line 7: the document = []; allowed: object"),
    ([LINES[0], "", *LINES[1:]], "line 2: is not valid JSON"),
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


SCORES = gates.softmax(LOGITS)
NO_LOGITS, NO_SCORES = LOGITS.copy(), SCORES.copy()
NO_LOGITS[1, 2, 3] = NO_SCORES[1, 2, 3] = np.nan
BAD_ARRAYS = [
    ({"logits": NO_LOGITS}, "logits[1][2][3] = nan; allowed: finite numbers in"),
    ({"scores": NO_SCORES}, "scores[1][2][3] = nan; allowed: finite numbers in [0, 1]"),
    ({"scores": 2 * np.ones((1, 1, 1))}, "scores[0][0][0] = 2.0; allowed: finite numbers in [0, 1]"),
    ({"scores": SCORES[0]}, "scores has shape 6 x 4; allowed: any x any x any"),
    ({"logits": LOGITS[:, :0]}, "logits has shape 3 x 0 x 4; allowed: layers x tokens x experts, none empty"),
    ({"scores": np.zeros((1, 1, 4097))}, "scores has shape 1 x 1 x 4097; allowed: "),
    ({"scores": np.full((1, 1, 1), "x")}, "scores = array("),
    ({"scores": SCORES, "logits": LOGITS}, "has scores and logits both or neither; allowed: exactly one of them"),
    ({"experts_per_token": 2}, "has scores and logits both or neither; allowed: exactly one of them"),
    ({"scores": SCORES, "colour": 1}, "colour is unknown; allowed: scores or logits, and experts_per_token"),
    ({"scores": SCORES, "experts_per_token": 0}, "experts_per_token = 0; allowed: a whole number from 1"),
    ({"scores": SCORES, "experts_per_token": 5}, "experts_per_token = 5; allowed: at most the number of experts, 4"),
    ({"scores": np.array([[[{}]]], dtype=object)}, "is not a readable .npz file: Object arrays cannot be loaded"),
]  # fmt: skip


@pytest.mark.parametrize(("arrays", "message"), BAD_ARRAYS, ids=range(len(BAD_ARRAYS)))
def test_bad_arrays(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    """The same for .npz; nothing is unpickled."""
    path = as_arrays(tmp_path, **arrays)
    with pytest.raises(InputError) as caught:
        load_trace(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert "\n" not in str(caught.value)


def test_options_that_do_not_fit_the_file(tmp_path: Path) -> None:
    """A gate is refused where there are no logits, a number of experts where the file says another."""
    arrays, lines = as_arrays(tmp_path, scores=SCORES), as_lines(tmp_path, LINES)
    (tmp_path / "other").mkdir()
    for path, options, message in (
        (arrays, {"gate": "softmax"}, "gate = 'softmax'; allowed: nothing: the file holds scores"),
        (lines, {"gate": "sigmoid"}, "gate = 'sigmoid'; allowed: nothing: the weights"),
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


def test_top_experts_and_renormalised() -> None:
    """The k best of every token, and their weights divided by their sum; a token without weights keeps zeros."""
    trace = Trace(
        np.array([[[0.1, 0.4, 0.3, 0.2], [0.25, 0.25, 0.25, 0.25], [0.0, 0.0, 0.0, 0.0]]]), 2
    )
    assert trace.top_experts().tolist() == [[[1, 2], [0, 1], [0, 1]]]
    again = trace.renormalised()
    assert np.allclose(
        again.scores, [[[0, 4 / 7, 3 / 7, 0], [0.5, 0.5, 0, 0], [0, 0, 0, 0]]], rtol=0, atol=1e-15
    )
    assert (again.top_experts()[:, :2] == trace.top_experts()[:, :2]).all()
    with pytest.raises(InputError, match="experts_per_token is missing"):
        Trace(trace.scores).top_experts()


@pytest.mark.parametrize(
    ("layers", "shown"), [((1,), "(1,)"), ((1, 1), "(1, 1)"), ((0, -1), r"layers\[1\] = -1")]
)
def test_layers_of_a_trace(layers: tuple[int, ...], shown: str) -> None:
    """Every layer has a number of its own."""
    with pytest.raises(InputError, match="layers"):
        Trace(SCORES[:2], layers=layers)


def rounds(trace: Trace, **options: Any) -> Iterator[Instance]:
    return to_rounds(trace, **({"num_subcarriers": 16, "hidden_size": 64} | options))


def test_rounds() -> None:
    """One round a layer with the trace's scores on the grid, the trace's experts per token, and a note on the origin."""
    trace = Trace(SCORES, 2, (1, 4, 9), "somewhere")
    made = list(rounds(trace, name="moe", seed=3, share=0.5, threshold=None))
    assert [data.name for data in made] == ["moe-l1", "moe-l4", "moe-l9"]
    for data, scores in zip(made, SCORES, strict=True):
        assert (data.scores == gates.to_grid(scores)).all()
        assert (data.num_experts, data.num_subcarriers, data.max_experts) == (4, 16, 2)
        assert np.allclose(data.threshold, 0.5 * gates.best_sum(scores, 2), atol=1e-5)
        assert (data.meta["source"], data.meta["seed"], data.meta["options"]["share"]) == (
            "somewhere",
            3,
            0.5,
        )
        assert data.radio is not None and data.radio.payload_bits == 16 * 64
        assert solve(data, method="exhaustive").status == "optimal"
    assert [data.meta["layer"] for data in made] == [1, 4, 9]
    assert len({data.radio.gains[0, 1, 0] for data in made if data.radio}) == 3


def test_a_layer_does_not_depend_on_the_others() -> None:
    """Layers wanted alone are those of the whole trace, with the same tokens drawn; another seed draws others."""
    trace = Trace(SCORES, 2)
    whole = list(rounds(trace, num_tokens=3))
    (alone,) = rounds(trace, num_tokens=3, layers=[2])
    assert alone.sha256 == whole[2].sha256
    kept = [
        t for t in range(6) if (gates.to_grid(SCORES[0, t]) == whole[0].scores).all(axis=1).any()
    ]
    assert len(kept) == 3
    for layer in range(3):
        assert (whole[layer].scores == gates.to_grid(SCORES[layer, kept])).all()
    drawn = {
        next(rounds(trace, num_tokens=3, layers=[2], seed=seed)).scores.tobytes()
        for seed in range(9)
    }
    assert len(drawn) > 4, "20 ways to draw 3 of 6 tokens"


def test_rounds_of_known_experts_only(tmp_path: Path) -> None:
    """Where only the used experts are known, a threshold of all they give needs all of them."""
    data = next(rounds(load_trace(as_lines(tmp_path, LINES)), share=1.0, path_loss_exponent=3.0))
    selection = solve(data, method="exhaustive").selection
    assert selection is not None
    assert [set(np.flatnonzero(row)) for row in selection] == [
        set(line["ids"]) for line in LINES[::2]
    ]  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": [3]}, "layers = 3; allowed: numbers of the trace's layers: 0, 1, 2"),
        ({"num_tokens": 7}, "num_tokens = 7; allowed: a whole number from 1 to 6"),
        ({"num_tokens": 0}, "num_tokens = 0; allowed: a whole number from 1"),
        ({"num_sources": 5}, "num_sources = 5; allowed: a whole number from 1 to 4"),
        ({"share": -1.0}, "share = -1.0; allowed: a finite number >= 0"),
        ({"num_subcarriers": 0}, "num_subcarriers = 0; allowed: a whole number from 1"),
        ({"seed": -1}, "seed = -1; allowed: a whole number from 0"),
        ({"max_experts": None}, "max_experts is missing; allowed: it must be given"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    """Options are checked before any round is made."""
    with pytest.raises(InputError) as caught:
        rounds(Trace(SCORES), **({"max_experts": 2} | options))
    assert str(caught.value).startswith(message)


def test_command_line(tmp_path: Path, typed: Callable[..., Ended]) -> None:
    """One file a layer, named after trace and layer, readable, the same as from Python; large ones as .npz."""
    path = as_arrays(tmp_path, logits=LOGITS)
    options = [
        "--max-experts",
        "2",
        "--subcarriers",
        "16",
        "--hidden-size",
        "64",
        "--seed",
        "3",
        "--sources",
        "2",
    ]
    chosen = ["--layers", "0,2", "--tokens", "4", "--gate", "sigmoid", "--share", "0.5"]
    ended = typed("import", path.name, "-o", "out/deep", *options, *chosen)
    assert ended.returncode == 0
    assert ended.stdout.split() == ["out/deep/gate-l0.json", "out/deep/gate-l2.json"]
    same = rounds(
        load_trace(path, gate="sigmoid"),
        max_experts=2,
        seed=3,
        num_sources=2,
        num_tokens=4,
        share=0.5,
    )
    assert [load(tmp_path / f"out/deep/gate-l{n}.json").sha256 for n in (0, 2)] == [
        d.sha256 for d in same
    ][::2]
    ended = typed("import", path.name, "--subcarriers", "20000", "--max-experts", "2")
    assert ended.returncode == 0
    assert ended.stdout.split() == [f"gate-l{n}.npz" for n in range(3)]


def test_command_line_complains(tmp_path: Path, typed: Callable[..., Ended]) -> None:
    """Exit code 2 and one line, and no file."""
    path = as_lines(tmp_path, LINES)
    for arguments, message in (
        (["--layers", "3,x"], '--layers = "3,x"; allowed: whole numbers with commas between them'),
        (["--layers", "4"], "layers = 4; allowed: numbers of the trace's layers: 3, 7"),
        (["--gate", "softmax"], "used.jsonl: gate = 'softmax'; allowed: nothing"),
        (["--experts", "2"], "used.jsonl: line 1: ids[0] = 3; allowed: whole numbers in 0..1"),
        (["-o", "used.jsonl"], "used.jsonl: cannot be made: File exists"),
    ):
        code, out, err = typed("import", path.name, *arguments)
        assert code == 2
        assert (out, err) == ("", f"dmoe-opt: {err[len('dmoe-opt: ') :]}")
        assert message in err
        assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == [path]
