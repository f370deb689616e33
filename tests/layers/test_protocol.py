"""The protocol over layers: the closed loop against the dense network, seeds, and errors."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from dmoe_opt import Decision, InputError
from dmoe_opt.errors import InfeasibleError, LimitError
from dmoe_opt.generating.fading import estimate
from dmoe_opt.layers.network import dense_gates, held_out, load_network
from dmoe_opt.layers.protocol import PRESETS, SCHEDULERS, Run, run

SMALL = {"num_tokens": 64}


def plain(done: Run) -> dict[str, object]:
    """A run without its times."""
    return {k: v for k, v in done.document().items() if k not in ("wall_s", "scheduling_s")}


@pytest.mark.parametrize("scheduler", [*SCHEDULERS, "lagrangian", "greedy"])
@pytest.mark.parametrize("channel_error", [0.0, 0.1])
def test_schedules_keep_the_rules(scheduler: str, channel_error: float) -> None:
    """Every schedule but the bound keeps all rules on the true rounds, whose energies add up."""
    decisions = []

    def watch(layer: int, decision: Decision) -> None:
        assert decision.instance.name == f"domains-l{layer}"
        decisions.append(decision)

    done = run("domains", scheduler, channel_error=channel_error, watch=watch, **SMALL)
    if scheduler != "relaxed":
        assert [decision.violations for decision in decisions] == [[]] * 4
    energy_j = sum(decision.energy_j for decision in decisions)
    assert done.total("energy_j") == pytest.approx(energy_j, rel=1e-12)
    parts_j = done.total("communication_j") + done.total("computation_j")
    assert done.total("energy_j") == pytest.approx(parts_j, rel=1e-12)


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
        watch=lambda _, decision: seen.append(decision.instance.scores),
    )
    assert done.accuracy == (classes == tokens.labels).mean()
    for layer, gate in zip(seen, scores, strict=True):
        assert np.sort(layer, axis=0) == pytest.approx(np.sort(gate, axis=0), abs=2.0**-20)


def test_fewer_experts_cost_accuracy_and_save_energy() -> None:
    """On the domains the trade-off is there: dense, two, and one expert per token."""
    dense = run("domains", "dense")
    two = run("domains", "topk", max_experts=2)
    one = run("domains", "topk", max_experts=1)
    assert dense.accuracy is not None
    assert two.accuracy is not None
    assert one.accuracy is not None
    assert dense.accuracy >= two.accuracy > one.accuracy
    assert dense.total("energy_j") > two.total("energy_j") > one.total("energy_j")


def test_a_seed_says_all() -> None:
    """The same run again, and in two threads at once, is the same; another seed is another run."""
    first = plain(run("digits", seed=3, **SMALL))
    with ThreadPoolExecutor(2) as pool:
        again = list(pool.map(lambda _: plain(run("digits", seed=3, **SMALL)), range(4)))
    assert all(other == first for other in again)
    assert plain(run("digits", seed=4, **SMALL))["energy_j"] != first["energy_j"]


def test_importance() -> None:
    """With gamma0 = 1 a run is homogeneous, and factors one by one are those of gamma0."""
    flat = run("digits", gamma0=1.0, **SMALL)
    homogeneous = run("digits", "homogeneous", gamma0=0.5, **SMALL)
    assert flat.layers == homogeneous.layers
    named = run("digits", importance=[0.9**layer for layer in range(1, 5)], **SMALL)
    assert (named.gamma0, named.layers) == (None, run("digits", gamma0=0.9, **SMALL).layers)


def test_relaxed_bounds_the_first_layer() -> None:
    """On the same scores and channel no schedule is cheaper than the relaxed one."""
    first = {"layers": 1, "num_tokens": 96}
    bound_j = run("synthetic-32", "relaxed", **first).total("energy_j")
    for scheduler in ("joint", "des", "lagrangian"):
        done = run("synthetic-32", scheduler, **first)
        assert done.total("energy_j") >= bound_j * (1 - 1e-12)


def test_estimated_channels() -> None:
    """An estimate is as strong as the channel, close to it for a small error only."""
    gains = np.random.default_rng(1).exponential(1.0, (8, 8, 4096))
    for error, least, most in ((1e-4, 0.99, 1.0), (0.5, 0.4, 0.6), (0.999, -0.02, 0.02)):
        guess = estimate(np.random.default_rng(2), gains, error)
        assert guess.mean() == pytest.approx(1.0, abs=0.02)  # 262,144 draws: standard error 0.002
        assert least <= np.corrcoef(guess.ravel(), gains.ravel())[0, 1] <= most


def test_an_unknown_channel_costs_energy() -> None:
    """The same layers need more for communication if half of the channel is unknown."""
    some = {"layers": 2, "num_tokens": 96}
    exact = run("synthetic-32", channel_error=0.0, **some)
    blurred = run("synthetic-32", channel_error=0.5, **some)
    assert blurred.total("communication_j") > exact.total("communication_j")
    assert blurred.total("computation_j") > 0


def test_the_old_name() -> None:
    """`jesa` runs `joint`, with one warning that points here."""
    with pytest.warns(FutureWarning, match='"jesa" is called "joint" now') as caught:
        old = run("digits", "jesa", **SMALL)
    assert [warning.filename for warning in caught] == [__file__]
    assert old.scheduler == "joint"
    assert plain(old) == plain(run("digits", "joint", **SMALL))


@pytest.mark.parametrize(
    ("scheduler", "error", "exit_code"), [("dense", InfeasibleError, 3), ("topk", LimitError, 4)]
)
def test_a_round_without_an_answer(
    monkeypatch: pytest.MonkeyPatch,
    scheduler: str,
    error: type[InfeasibleError | LimitError],
    exit_code: int,
) -> None:
    """Two subcarriers cannot carry the links: proven for given experts, else not found."""
    monkeypatch.setitem(PRESETS, "digits", PRESETS["digits"]._replace(num_subcarriers=2))
    with pytest.raises(error, match=f"digits-l1: {scheduler} has no answer: .*; allowed: ") as told:
        run("digits", scheduler, **SMALL)
    assert told.value.exit_code == exit_code
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"preset": "moon"}, 'preset = "moon"; allowed: digits, domains, synthetic-32'),
        ({"scheduler": "magic"}, 'scheduler = "magic"; allowed: joint, '),
        ({"gamma0": 1.5}, "gamma0 = 1.5; allowed"),
        (
            {"importance": [1.0, 0.5], "scheduler": "homogeneous"},
            "importance has 2 factors; allowed: 4, one per layer",
        ),
        ({"importance": [1.0, 0.5, 2.0, 0.5]}, r"importance\[2\] = 2.0; allowed"),
        ({"z": float("nan")}, "z = nan; allowed"),
        ({"layers": 9}, "layers = 9; allowed: 1 to 4"),
        ({"num_tokens": 10_000}, "num_tokens = 10000; allowed: 1 to 450"),
        ({"channel_error": 1.0}, "channel_error = 1.0; allowed: a share from 0 to below 1"),
        ({"max_experts": 0}, "max_experts = 0; allowed"),
        ({"experts_per_node": 0}, "experts_per_node = 0; allowed"),
        ({"send_once": True}, "send_once is given without experts_per_node; allowed: both"),
        ({"radio": {"fading": "none"}}, "fading = "),
        ({"radio": {"colour": 1}}, "option colour is unknown to the radio; allowed: mean_snr_db, "),
        ({"radio": {"taps": 0}}, "taps = 0; allowed"),
    ],
)
def test_one_line_of_complaint(change: dict[str, object], message: str) -> None:
    """Wrong arguments are one line."""
    with pytest.raises(InputError, match=message.replace("(", r"\(")) as caught:
        run(**({"preset": "digits"} | change))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
