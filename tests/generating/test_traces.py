"""Router traces: gate scores become rounds, in Python and on the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers.drawn import Ended
from helpers.traced import LINES, LOGITS, SCORES, as_arrays, as_lines

from dmoe_opt import InputError, Instance, load, solve
from dmoe_opt.generating import gates
from dmoe_opt.generating.trace_files import load_trace
from dmoe_opt.generating.traces import Trace, to_rounds


def test_top_experts_and_renormalised() -> None:
    """The k best of every token, and their weights divided by their sum.

    A token without weights keeps zeros.
    """
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
    """One round for each layer: the trace's scores on the grid, its experts, its origin."""
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
    """Layers wanted alone are the same as in the whole trace, with the same tokens drawn.

    Another seed draws others.
    """
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
    """One file for each layer, named after trace and layer, the same as from Python.

    Large ones are .npz.
    """
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
