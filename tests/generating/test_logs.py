"""Router logs that people have: each kind is read, says what it leaves open, and may be damaged."""

from __future__ import annotations

import gzip
import io
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.drawn import Ended, draws
from helpers.mutated import mutated, read_or_refused
from helpers.traced import LOGITS, SCORES
from hypothesis import given
from hypothesis import strategies as st

from dmoe_opt import InputError, MissingExtraError, load
from dmoe_opt.data.unpacking import unpack
from dmoe_opt.generating.trace_files import load_trace, trace_in
from dmoe_opt.generating.traces import Asked, Trace, to_rounds

LOGS = Path(__file__).parents[1] / "cases" / "traces"
LISTED = [[6, 7], [3, 5], [5, 3], [0, 5], [7, 6], [7, 1], [0, 1], [6, 1], [2, 3], [7, 2]]
"""The experts of the first tokens in layer 0 of every sample."""
DROP = "can only drop experts, not swap them"
WEIGHTS = "the weights of the 2 experts a token used"
COUNTS = "how often each expert was used, nothing of single tokens"
SAMPLES: list[tuple[str, dict[str, Any], tuple[int, ...], str, str]] = [
    ("own.jsonl.gz", {}, (3, 12, 8), WEIGHTS, DROP),
    ("bom.jsonl", {}, (3, 12, 8), WEIGHTS, DROP),
    ("vllm_routes.jsonl", {}, (1, 12, 8), WEIGHTS, DROP),
    ("megatron.jsonl", {}, (3, 24, 8), "the 2 experts that a token used, without", "counts 1/2"),
    ("logits.npy", {}, (3, 12, 8), "softmax of its router logits", ""),
    ("logitsTLK.npz", {"order": "TLK"}, (3, 12, 8), "softmax of its router logits", ""),
    ("counts.npz", {}, (3, 128, 8), COUNTS, "drawn: the 128 tokens, by these frequencies"),
    ("moe_trace.csv", {"num_tokens": 9}, (1, 9, 8), COUNTS, "drawn: the 9 tokens"),
    ("popularity.json", {}, (3, 128, 8), COUNTS, "drawn: the 128 tokens"),
]


@pytest.mark.parametrize(("name", "options", "shape", "says", "remark"), SAMPLES)
def test_samples(
    name: str, options: dict[str, Any], shape: tuple[int, ...], says: str, remark: str
) -> None:
    """Its size, what was in it, and what it leaves open."""
    trace = load_trace(LOGS / name, **options)
    assert trace.scores.shape == shape
    assert trace.source.startswith(f"{name}: {says}")
    assert remark in " ".join(trace.remarks)
    assert bool(trace.remarks) == bool(remark)
    if says != COUNTS:
        best = np.argsort(-trace.scores[0, : len(LISTED)], axis=1, kind="stable")[:, :2]
        assert [set(row) for row in best.tolist()] == [set(row) for row in LISTED]
    for round_ in to_rounds(trace, max_experts=2, num_subcarriers=8, num_tokens=3):
        assert round_.meta.get("remarks", []) == list(trace.remarks)


def test_the_same_scores_from_every_kind() -> None:
    """One model wrote the samples: its logits, and the weights of their best two, agree."""
    full = load_trace(LOGS / "logits.npy")
    swapped = load_trace(LOGS / "logitsTLK.npz", order="TLK")
    assert np.allclose(full.scores, swapped.scores, atol=1e-7)
    assert swapped.experts_per_token == 2
    two = Trace(full.scores, 2).renormalised()
    own = load_trace(LOGS / "own.jsonl.gz")
    assert np.allclose(two.scores, own.scores, atol=1e-6)
    assert (load_trace(LOGS / "bom.jsonl").scores == own.scores).all()
    assert (load_trace(LOGS / "vllm_routes.jsonl").scores[0] == own.scores[0]).all()


def as_lines(*lines: dict[str, Any]) -> bytes:
    return "".join(json.dumps(line) + "\r\n\r\n" for line in lines).encode()


def trace_of(content: bytes, **asked: Any) -> Trace:
    return trace_in(unpack(content), "log", Asked(**asked))


def archive(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def test_logits_beside_the_experts() -> None:
    """They know more than the experts chosen by them, on lines and in archives."""
    batch = {
        "step": 0,
        "layer": 1,
        "top_indices": [[1, 0], [2, 1]],
        "logits": LOGITS[0, :2].tolist(),
    }
    trace = trace_of(as_lines(batch))
    assert np.allclose(trace.scores[0], SCORES[0, :2])
    assert (trace.experts_per_token, trace.layers, trace.remarks) == (2, (1,), ())
    ids = np.argsort(-LOGITS, axis=2)[:, :, :2]
    trace = trace_of(archive(logits=LOGITS, topk_ids=ids))
    assert np.allclose(trace.scores, SCORES)
    assert trace.experts_per_token == 2
    only = trace_of(archive(topk_ids=ids, topk_weights=np.take_along_axis(SCORES, ids, axis=2)))
    assert np.allclose(only.scores, np.where(only.scores > 0, SCORES, 0))


def test_requests_are_in_order_of_their_numbers() -> None:
    """Request 10 is after request 2, and its tokens are in order."""
    lines = [
        {"type": "route", "req_id": f"r{r}", "token_idx": t, "layer": 0, "topk_ids": [r]}
        for r in (10, 2)
        for t in (1, 0)
    ]
    trace = trace_of(as_lines({"type": "meta", "top_k": 1}, *lines))
    assert trace.scores[0].argmax(axis=1).tolist() == [2, 2, 10, 10]


def test_probabilities_get_no_second_softmax() -> None:
    """What sums to 1 is a softmax already, in half precision too, and whatever its name."""
    for arrays in ({"logits": SCORES}, {"x": SCORES.astype(np.float16)}, {"probs": SCORES}):
        assert np.allclose(trace_of(archive(**arrays)).scores, SCORES, atol=1e-3)
    sigmoid = 1 / (1 + np.exp(-LOGITS))
    trace = trace_of(archive(x=sigmoid))
    assert (trace.scores == sigmoid).all()
    assert "numbers in [0, 1], taken as gate scores" in trace.source
    with pytest.raises(InputError, match=r"logits are in .* but do not sum to 1; allowed: a gate"):
        trace_of(archive(logits=sigmoid))


def test_one_array_per_layer_and_one_of_several() -> None:
    """Layers in the order of their numbers; FILE:NAME takes one array alone."""
    names = {f"layers.{layer}.gate": LOGITS[i] for i, layer in enumerate((2, 10, 11))}
    assert np.allclose(trace_of(archive(**names)).scores, SCORES)
    assert np.allclose(trace_of(archive(**names), part="layers.10.gate").scores[0], SCORES[1])
    with pytest.raises(InputError, match=r"has a \(3 x 6 x 4\), b \(2\); allowed: scores, logits"):
        trace_of(archive(a=LOGITS, b=[1, 2]))


@pytest.mark.parametrize("order", ["LTK", "TLK", "KLT"])
def test_orders(order: str) -> None:
    """Any order can be asked for, or stand in the archive."""
    array = SCORES.transpose(["LTK".index(axis) for axis in order])
    assert np.array_equal(trace_of(archive(scores=array), order=order).scores, SCORES)
    assert np.array_equal(trace_of(archive(scores=array, order=order)).scores, SCORES)


def test_drawn_tokens_follow_the_counts() -> None:
    """The best expert of a token is each with its frequency; what was never used is never best."""
    counts = np.array([[60, 30, 10, 0], [0, 0, 0, 0], [1, 1, 1, 1]])
    trace = trace_of(archive(logical_count=counts[None]), num_tokens=4000, seed=3)
    assert trace.layers == (0, 2)
    assert (trace.scores[0, :, 3] == 0).all()
    assert np.allclose(trace.scores.sum(axis=2), 1)
    best = np.bincount(trace.scores[0].argmax(axis=1), minlength=4) / 4000
    assert np.allclose(best, counts[0] / 100, atol=0.03)
    again = trace_of(archive(logical_count=counts), num_tokens=4000, seed=3)
    assert (again.scores == trace.scores).all()
    table = b"layer,expert,count\n0,0,60\n0,1,30\n0,2,10\n2,0,5\n2,1,5\n2,2,5\n2,3,5\n"
    assert (trace_of(table, num_tokens=4000, seed=3).scores == trace.scores).all()


def test_popularity_per_domain() -> None:
    """One table for each domain, of which one is chosen; the sample has one."""
    tables = {"code": [[0, 0, 0.5], [0, 1, 0.25]], "law": {"experts": [[0, 0, 1.0]]}}
    content = json.dumps(tables).encode()
    assert trace_of(content, part="law").scores.shape == (1, 128, 1)
    assert trace_of(content, part="code").scores.shape == (1, 128, 2)
    with pytest.raises(
        InputError, match="has the tables code, law; allowed: one of them, as FILE:"
    ):
        trace_of(content)


BAD: list[tuple[bytes, dict[str, Any], str]] = [
    (as_lines({"topk_ids": [0], "layer": 0}), {}, "line 1: token_idx is missing"),
    (
        as_lines({"topk_ids": [0, 0], "layer": 0, "token_idx": 0}),
        {},
        "line 1: topk_ids[1] = 0; allowed: every expert once",
    ),
    (
        as_lines({"layer": 0, "top_indices": [[0, 1], [2]]}),
        {},
        "line 1: top_indices[1] has 1 entries; allowed: 2, as in the first",
    ),
    (
        as_lines(
            {"layer": 0, "top_indices": [[0]], "step": 0}, {"layer": 1, "top_indices": [[0], [0]]}
        ),
        {},
        "step 0 rank 0 token 1 of layer 0 is missing; allowed: every token in every layer",
    ),
    (b"layer,expert,colour\n0,1,2\n", {}, "has the columns layer, expert, colour; allowed: "),
    (
        b"layer,expert\n",
        {},
        "has no number: its only line is 'layer, expert'; allowed: rows of numbers",
    ),
    (b"layer,expert\n0,5000\n", {}, "counts has shape 1 x 5001; allowed: layers x experts"),
    (archive(logical_count=np.zeros((2, 3))), {}, "counts are all 0"),
    (archive(logical_count=[[1, -1]]), {}, "counts[0][1] = -1.0; allowed: finite numbers >= 0"),
    (archive(logical_count=[[1, 1]]), {"gate": "softmax"}, "gate = 'softmax'; allowed: nothing"),
    (archive(topk_ids=[[[0, 0], [1, 0]]]), {}, "ids[0][0] = [0, 0]; allowed: every expert once"),
    (archive(topk_ids=[[[0, 9999]]]), {}, "ids[0][0][1] = 9999; allowed: whole numbers in 0..4095"),
    (b"[1", {}, "is not valid JSON"),
    (b"{}", {}, "has the tables none"),
    (b"\x80\x04.", {}, "is a pickle, which could run code and is not opened; allowed: router"),
    (b"GGUF\x03\0\0\0", {}, "is a GGUF model, no data of its tokens; allowed: router logs in"),
    (b"PAR1\x15\0", {}, "is Parquet; allowed: "),
    (gzip.compress(b"PAR1\x15\0"), {}, "is Parquet; allowed: "),
    (b"step 0: expert 1\n", {}, "has no number: its only line is"),
]


@pytest.mark.parametrize(("content", "asked", "message"), BAD, ids=range(len(BAD)))
def test_bad_logs(content: bytes, asked: dict[str, Any], message: str) -> None:
    """One line that says where, or what the file is and what converts it."""
    with pytest.raises(InputError) as caught:
        trace_of(content, **asked)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


ARCHIVES = {
    "experts": archive(topk_ids=[[[0, 1], [2, 0]]], topk_weights=[[[0.5, 0.25], [0.5, 0.5]]]),
    "domains": json.dumps({"code": [[0, 0, 0.5]], "law": [[0, 1, 1.0]]}).encode(),
    "matrix": b"0.5,0.25\n0.75,0.25\n",
}
VALID = {path.name: path.read_bytes() for path in sorted(LOGS.iterdir())} | ARCHIVES


@given(data=st.data(), name=st.sampled_from(sorted(VALID)))
@draws(5)
def test_fuzzed_logs(data: st.DataObject, name: str) -> None:
    """Every kind with bytes changed: a valid trace, or one line."""
    content = data.draw(mutated(VALID[name]))
    trace = read_or_refused(lambda: trace_of(content, num_tokens=5))
    assert trace is None or isinstance(trace, Trace)


@given(data=st.data(), name=st.sampled_from(["own.jsonl.gz", "logits.npy"]))
def test_fuzzed_orders(data: st.DataObject, name: str) -> None:
    """The same where the options do not fit the file."""
    asked = {
        "order": data.draw(st.sampled_from(["TLK", "KTL", "ABC", None])),
        "num_experts": data.draw(st.sampled_from([None, 1, 8, 20])),
        "gate": data.draw(st.sampled_from([None, "softmax", "sigmoid", "relu"])),
        "part": data.draw(st.sampled_from([None, "logits", "x"])),
    }
    read_or_refused(lambda: trace_of(VALID[name], **asked))


def test_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where torch is missing, one line says so; a pickle is never opened."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        made.writestr("log/data.pkl", b"\x80\x02}q\x00.")
    (tmp_path / "log.pt").write_bytes(buffer.getvalue())
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "torch", None)
        with pytest.raises(MissingExtraError) as caught:
            load_trace(tmp_path / "log.pt")
        assert str(caught.value).startswith(
            f"{tmp_path / 'log.pt'}: is a file of PyTorch, and torch"
        )


def test_import_says_what_was_drawn(
    typed: Callable[..., Ended], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Layers, tokens, experts, what was in the log, what it leaves open, what was drawn."""
    (tmp_path / "own.jsonl.gz").write_bytes((LOGS / "own.jsonl.gz").read_bytes())
    done = typed("import", "own.jsonl.gz", "--layers", "1,2", "-o", "rounds", "--seed", "4")
    assert done.returncode == 0
    assert done.stdout.split() == ["rounds/own-l1.json", "rounds/own-l2.json"]
    assert load(tmp_path / "rounds" / "own-l1.json").num_tokens == 12
    lines = done.stderr.splitlines()
    assert lines[0] == "own.jsonl.gz: layers 3, tokens 12, experts 8"
    assert lines[1] == f"in the log: {WEIGHTS}"
    assert DROP in lines[2]
    assert [line.split(":")[0] for line in lines[3:]] == ["drawn"] * 2 + ["filled in"] * 3
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(VALID["own.jsonl.gz"])))
    assert typed("import", "-", "--layers", "1").stdout == "trace-l1.json\n"
    for option in ("--seed 4", "--subcarriers", "--sources", "--max-experts", "--share"):
        assert option in done.stderr
