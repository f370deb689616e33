"""The protocol over layers: bills against the evaluator, the closed loop against the dense network, seeds, fronts."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from dmoe_opt import InputError, Instance
from dmoe_opt.answer.objective import Allocation, Selection, round_energy_j, round_violations
from dmoe_opt.comparing.schedulers import frontier
from dmoe_opt.generating.fading import estimate
from dmoe_opt.layers.bills import token_bills
from dmoe_opt.layers.network import dense_gates, held_out, load_network
from dmoe_opt.layers.protocol import SCHEDULERS, Run, run

SMALL = {"num_tokens": 64}


def plain(done: Run) -> dict[str, object]:
    """A run without its times."""
    return {k: v for k, v in done.document().items() if k not in ("wall_s", "scheduling_s")}


@pytest.mark.parametrize("scheduler", [*SCHEDULERS, "lagrangian", "greedy"])
@pytest.mark.parametrize("channel_error", [0.0, 0.1])
def test_the_bill_is_the_evaluators(scheduler: str, channel_error: float) -> None:
    """Energies are those of the one objective on the true rounds, every schedule but the bound keeps the rules."""
    energies = []

    def watch(layer: int, true: Instance, selection: Selection, allocation: Allocation) -> None:
        energies.append(round_energy_j(true, selection, allocation))
        tokens = token_bills(layer, true, selection, allocation)
        assert sum(t.communication_j + t.computation_j for t in tokens) == pytest.approx(
            energies[-1], rel=1e-12
        )
        assert [int(e) for t in tokens for e in t.experts.split()] == np.nonzero(selection)[
            1
        ].tolist()
        if scheduler != "relaxed":
            assert round_violations(true, selection, allocation) == []

    done = run("domains", scheduler, channel_error=channel_error, watch=watch, **SMALL)
    assert done.total("energy_j") == pytest.approx(sum(energies), rel=1e-12)
    assert done.total("energy_j") == pytest.approx(
        done.total("communication_j") + done.total("computation_j"), rel=1e-12
    )
    for bill in done.layers:
        assert bill.latency_s == pytest.approx(bill.air_s + bill.computing_s)
        assert min(bill.communication_j, bill.computation_j, bill.air_s) > 0
        assert sum(bill.chosen) == bill.experts


@pytest.mark.parametrize("task", ["digits", "domains"])
def test_all_experts_are_the_dense_network(task: str) -> None:
    """With every expert chosen the loop computes what the network computes, score for score."""
    tokens, network = held_out(task), load_network(task)
    scores, classes = dense_gates(network, tokens.inputs)
    seen = []
    done = run(
        task,
        "dense",
        num_tokens=len(tokens.labels),
        watch=lambda _, true, *__: seen.append(true.scores),
    )
    assert done.accuracy == (classes == tokens.labels).mean()
    for layer, gate in zip(seen, scores, strict=True):
        assert np.sort(layer, axis=0) == pytest.approx(np.sort(gate, axis=0), abs=2.0**-20)


def test_fewer_experts_cost_accuracy_and_save_energy() -> None:
    """On the domains the trade-off is there: dense, two, and one expert a token."""
    dense, two, one = (
        run("domains", s, max_experts=d) for s, d in (("dense", 2), ("topk", 2), ("topk", 1))
    )
    assert dense.accuracy is not None
    assert two.accuracy is not None
    assert one.accuracy is not None
    assert dense.accuracy >= two.accuracy > one.accuracy
    assert dense.total("energy_j") > two.total("energy_j") > one.total("energy_j")


def test_a_seed_says_all() -> None:
    """The same run again, and in two threads at once, is the same; another seed is another run; gamma0 = 1 is homogeneous."""
    first = plain(run("digits", seed=3, **SMALL))
    with ThreadPoolExecutor(2) as pool:
        again = list(pool.map(lambda _: plain(run("digits", seed=3, **SMALL)), range(4)))
    assert all(other == first for other in again)
    assert plain(run("digits", seed=4, **SMALL))["energy_j"] != first["energy_j"]
    flat, homogeneous = (
        run("digits", gamma0=1.0, **SMALL),
        run("digits", "homogeneous", gamma0=0.5, **SMALL),
    )
    assert flat.layers == homogeneous.layers
    named = run("digits", importance=[0.9**layer for layer in range(1, 5)], **SMALL)
    assert (named.gamma0, named.layers) == (None, run("digits", gamma0=0.9, **SMALL).layers)


def test_relaxed_bounds_the_first_layer() -> None:
    """On the same scores and channel no schedule is cheaper than the relaxed one."""
    bound = run("synthetic-32", "relaxed", layers=1, num_tokens=96).layers[0].energy_j
    for scheduler in ("jesa", "des", "lagrangian"):
        assert run("synthetic-32", scheduler, layers=1, num_tokens=96).layers[
            0
        ].energy_j >= bound * (1 - 1e-12)


def test_estimated_channels() -> None:
    """An estimate is as strong as the channel, close to it for a small error and unrelated for a large one."""
    gains = np.random.default_rng(1).exponential(1.0, (8, 8, 4096))
    for error, least, most in ((1e-4, 0.99, 1.0), (0.5, 0.4, 0.6), (0.999, -0.02, 0.02)):
        guess = estimate(np.random.default_rng(2), gains, error)
        assert guess.mean() == pytest.approx(1.0, abs=0.02)  # 262,144 draws: standard error 0.002
        assert least <= np.corrcoef(guess.ravel(), gains.ravel())[0, 1] <= most
    exact, blurred = (
        run("synthetic-32", layers=2, num_tokens=96, channel_error=e) for e in (0.0, 0.5)
    )
    assert blurred.total("communication_j") > exact.total("communication_j")
    assert blurred.total("computation_j") > 0


def test_fronts_are_fronts() -> None:
    """Marked settings are dominated by none of their scheduler, the others by one; dense and Top-k have one setting each."""
    points = frontier("domains", gamma0=(0.8, 1.0), z=(0.5, 0.9), seeds=2, num_tokens=64)
    assert [
        sum(p.scheduler == s for p in points) for s in ("jesa", "homogeneous", "topk", "dense")
    ] == [4, 2, 1, 1]
    for p in points:
        rivals = [q for q in points if q.scheduler == p.scheduler and q is not p]
        assert p.accuracy is not None
        beaten = any(
            q.accuracy is not None
            and q.energy_per_token_j <= p.energy_per_token_j
            and q.accuracy >= p.accuracy
            for q in rivals
        )
        assert p.front != beaten
        assert p.energy_ci95_j > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"preset": "moon"}, 'preset = "moon"; allowed: digits, domains, synthetic-32'),
        ({"scheduler": "magic"}, 'scheduler = "magic"; allowed: jesa, '),
        ({"gamma0": 1.5}, "gamma0 = 1.5; allowed"),
        (
            {"importance": [1.0, 0.5], "scheduler": "homogeneous"},
            "importance has 2 factors; allowed: 4, one a layer",
        ),
        ({"importance": [1.0, 0.5, 2.0, 0.5]}, r"importance\[2\] = 2.0; allowed"),
        ({"z": float("nan")}, "z = nan; allowed"),
        ({"layers": 9}, "layers = 9; allowed: 1 to 4"),
        ({"num_tokens": 10_000}, "num_tokens = 10000; allowed: 1 to 450"),
        ({"channel_error": 1.0}, "channel_error = 1.0; allowed: a share from 0 to below 1"),
        ({"max_experts": 0}, "max_experts = 0; allowed"),
        ({"radio": {"fading": "none"}}, "fading = "),
        ({"radio": {"colour": 1}}, "option colour is unknown to the radio; allowed: mean_snr_db, "),
        ({"radio": {"taps": 0}}, "taps = 0; allowed"),
    ],
)
def test_one_line_of_complaint(change: dict[str, object], message: str) -> None:
    """Wrong arguments, and rounds that cannot be served, are one line."""
    with pytest.raises(InputError, match=message.replace("(", r"\(")) as caught:
        run(**({"preset": "digits"} | change))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_commands(typed: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    """`protocol` and `frontier` print tables or one JSON document and write what they say."""
    code, out, _ = typed(
        "protocol",
        "digits",
        "--tokens",
        "64",
        "--importance",
        "1,1,0.5,0.25",
        "-o",
        "run",
        "--json",
    )
    document = json.loads(out)
    assert (code, document["importance"], document["gamma0"]) == (0, [1, 1, 0.5, 0.25], None)
    sums = {
        "accuracy",
        "energy_j",
        "communication_j",
        "computation_j",
        "latency_s",
        "rounds",
        "tokens",
        "shortfalls",
    }
    wanted = sums | {"layers"}
    assert wanted <= set(document)
    assert (document["rounds"], len(document["layers"])) == (4, 4)
    assert sums <= set(document["layers"][0])
    assert document["layers"][-1]["accuracy"] == document["accuracy"]
    assert json.loads((tmp_path / "run" / "protocol.json").read_text()) == document
    assert (
        len(list(csv.DictReader((tmp_path / "run" / "layers.csv").read_text().splitlines()))) == 4
    )
    code, out, err = typed(
        "frontier",
        "domains",
        "--tokens",
        "32",
        "--seeds",
        "2",
        "--gamma0",
        "0.8,1",
        "--z",
        "0.5",
        "-o",
        "front",
    )
    assert code == 0
    assert "homogeneous" in out
    assert (
        len(list(csv.DictReader((tmp_path / "front" / "frontier.csv").read_text().splitlines())))
        == 9
    )
    for name in (
        "run/energy_per_layer.png",
        "run/experts.png",
        "front/accuracy_energy.png",
        "front/gamma0.png",
    ):
        assert (tmp_path / name).read_bytes()[:4] == b"\x89PNG"
        assert Path(name).name in err or name.startswith("run")
    assert "accuracy" in typed("protocol", "digits", "--tokens", "16")[1]
    for arguments in (
        ("protocol", "moon"),
        ("frontier", "digits", "--z", "high"),
        ("frontier", "digits", "--max-experts", "1.5"),
    ):
        code, out, err = typed(*arguments)
        assert (code, out, err.count("\n")) == (2, "", 1)
