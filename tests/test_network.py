"""The trained network, and that the committed instances are what their makers make."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from dmoe_opt import InputError, Instance, load
from dmoe_opt.data.files import instance_files, instances_folder
from dmoe_opt.generating.gates import GRID
from dmoe_opt.layers.network import (
    TASKS,
    Array,
    Network,
    dense_gates,
    forward,
    held_out,
    load_network,
    mean_gates,
)


def script(*parts: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        parts[-1].removesuffix(".py"), instances_folder().joinpath(*parts)
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def top(scores: Array, count: int) -> Array:
    """Scores of the best experts of every token, 0 for the others."""
    return np.where(scores >= np.sort(scores, axis=1)[:, [-count]], scores, 0.0)


def accuracy(task: str, weigh: Callable[[int, Array], Array]) -> float:
    inputs, labels, _ = held_out(task)
    return float((forward(load_network(task), inputs, weigh)[1] == labels).mean())


@pytest.mark.parametrize(("task", "floor"), [("digits", 0.98), ("domains", 0.9)])
def test_accuracy(task: str, floor: float) -> None:
    """The committed weights reach 98 % and 90 % on held-out tokens, and every expert of every layer is used."""
    inputs, labels, _ = held_out(task)
    scores, classes = dense_gates(load_network(task), inputs)
    assert (classes == labels).mean() >= floor
    for gate in scores:
        assert set(gate.argmax(axis=1)) == set(range(8))
        assert gate.sum(axis=1) == pytest.approx(1.0)


def test_fewer_experts_cost_accuracy() -> None:
    """On the domains the best two experts lose up to 5 points, the best one 5 to 15, two drawn ones more than 40."""
    rng = np.random.default_rng(0)
    dense = accuracy("domains", lambda _, scores: scores)
    assert 0.005 < dense - accuracy("domains", lambda _, scores: top(scores, 2)) < 0.05
    assert 0.05 < dense - accuracy("domains", lambda _, scores: top(scores, 1)) < 0.15
    assert (
        dense
        - accuracy("domains", lambda _, scores: scores * (top(rng.random(scores.shape), 2) > 0))
        > 0.4
    )


def test_domains_have_experts() -> None:
    """Every domain has an expert that gets five times the score there, and without it loses most, in each domain another."""
    network, (inputs, labels, domains) = load_network("domains"), held_out("domains")
    assert domains is not None
    right = dense_gates(network, inputs)[1] == labels
    means = mean_gates(network, inputs, domains)
    assert means.sum(axis=1) == pytest.approx(1.0)
    elsewhere = (means.sum(axis=2, keepdims=True) - means) / 7
    theirs = set()
    for domain in range(8):
        layer, expert = np.unravel_index(
            (means - elsewhere)[:, :, domain].argmax(), means.shape[:2]
        )
        theirs.add((layer, expert))
        assert means[layer, expert, domain] >= 5 * elsewhere[layer, expert, domain]
        without = lambda at, scores: np.where((at == layer) & (np.arange(8) == expert), 0.0, scores)  # noqa: B023, E731
        lost = right.astype(float) - (forward(network, inputs, without)[1] == labels)
        assert lost[domains == domain].mean() > max(0.04, 2 * lost[domains != domain].mean())
    assert len(theirs) == 8


def test_domains_cannot_be_told_for_sure() -> None:
    """The best classifier, which knows how the tokens were drawn, reaches 95 to 99 %, and the network stays below it."""
    train = script("train.py")
    signatures, symbols, codes = train.rule(np.random.default_rng(12345))
    inputs, labels, _ = held_out("domains")
    clean = (signatures[:, None] + symbols).reshape(-1, train.NUMBERS)
    exponents = (inputs @ clean.T - (clean**2).sum(axis=1) / 2) / train.NOISE**2
    posterior = np.exp(exponents - exponents.max(axis=1, keepdims=True)) @ np.eye(10)[codes.ravel()]
    best = (posterior.argmax(axis=1) == labels).mean()
    assert 0.95 < best < 0.99
    assert accuracy("domains", lambda _, scores: scores) < best


@pytest.mark.parametrize("task", TASKS)
def test_held_out_tokens_are_made_by_their_script(task: str) -> None:
    """The committed held-out tokens are those that the script does not train on, number by number."""
    inputs, _, made = script("train.py").TASKS[task]()
    for stored, again in zip(held_out(task), made, strict=True):
        assert np.array_equal(stored, again)
    assert not {row.tobytes() for row in inputs} & {row.tobytes() for row in made.inputs}


def test_gradients_by_finite_differences() -> None:
    """The training script's gradients by hand are those of its loss."""
    train = script("train.py")
    images, labels, _ = train.digits()
    w = train.start(np.random.default_rng(0), 64)
    batch = slice(0, 20)

    def loss(weights: dict[str, np.ndarray]) -> float:
        network = Network(**weights)
        hidden = network.embed(images[batch])
        total = 0.0
        for layer in range(network.num_layers):
            gate = network.gate(layer, hidden)
            total -= train.SHARP / train.LAYERS * (gate * np.log(gate)).sum(1).mean()
            total += train.BALANCE / train.LAYERS * (gate.mean(0) * np.log(gate.mean(0))).sum()
            hidden = network.layer(layer, hidden, gate)
        logits = (hidden / np.sqrt((hidden**2).mean(1, keepdims=True) + 1e-6)) @ weights[
            "w_out"
        ] + weights["b_out"]
        logits -= logits.max(1, keepdims=True)
        return float(
            total + (np.log(np.exp(logits).sum(1)) - logits[np.arange(20), labels[batch]]).mean()
        )

    gradients = train.gradients(w, images[batch], labels[batch])
    rng = np.random.default_rng(1)
    for name in w:
        move = {n: np.zeros_like(v) for n, v in w.items()}
        move[name] = rng.normal(size=w[name].shape)
        step = 1e-5
        up, down = (loss({n: v + sign * step * move[n] for n, v in w.items()}) for sign in (1, -1))
        assert (up - down) / (2 * step) == pytest.approx(
            float((gradients[name] * move[name]).sum()), rel=1e-4, abs=1e-8
        )


def test_training_is_reproducible() -> None:
    """The same seed gives the same weights."""
    train = script("train.py")
    inputs, labels, _ = train.domains()
    one, same = (train.train(inputs[:512], labels[:512], 0, 1) for _ in range(2))
    assert all((getattr(one, name) == getattr(same, name)).all() for name in vars(one))


def test_committed_instances_are_made_by_their_script() -> None:
    """Generated instances are equal bit by bit; recorded gates up to one step of the grid (linear algebra differs)."""
    made = {data.name: data for _, data in script("make.py").committed()}
    assert set(made) == set(instance_files())
    for name, data in made.items():
        stored = load(name)
        if not name.startswith("digits"):
            assert stored.sha256 == data.sha256, name
            continue
        assert isinstance(stored, Instance)
        assert np.abs(stored.scores - data.scores).max() <= GRID
        assert np.abs(stored.threshold - data.threshold).max() <= 2 * GRID


def test_bad_weights(tmp_path: Path) -> None:
    """A file that is no network, or an unknown task, is one line."""
    with pytest.raises(InputError, match="cannot be read"):
        load_network(tmp_path / "no.npz")
    np.savez(tmp_path / "x.npz", a=1)
    with pytest.raises(InputError, match="is not a network"):
        load_network(tmp_path / "x.npz")
    (tmp_path / "x.npz").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(InputError, match="is not a network"):
        load_network(tmp_path / "x.npz")
    with pytest.raises(InputError, match=r"task = 'digit'; allowed: "):
        held_out("digit")
