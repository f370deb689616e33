"""The trained network, and that the committed instances are what their makers make."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from dmoe_opt import InputError, Instance, load
from dmoe_opt.files import instance_files, instances_folder
from dmoe_opt.gates import GRID
from dmoe_opt.network import Network, dense_gates, load_network


def script(*parts: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(parts[-1].removesuffix(".py"), instances_folder().joinpath(*parts))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_digits_are_recognised() -> None:
    """The committed weights reach 98 % on held-out digits, and every expert of every layer is used."""
    _, _, images, labels = script("digits", "network", "train.py").digits()
    scores, classes = dense_gates(load_network(), images)
    assert (classes == labels).mean() >= 0.98
    for gate in scores:
        assert (gate.argmax(axis=1)[:, None] == np.arange(8)).any(axis=0).all()
        assert gate.sum(axis=1) == pytest.approx(1.0)


def test_gradients_by_finite_differences() -> None:
    """The training script's gradients by hand are those of its loss."""
    train = script("digits", "network", "train.py")
    images, labels, _, _ = train.digits()
    w = train.start(np.random.default_rng(0))
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
        logits = (hidden / np.sqrt((hidden**2).mean(1, keepdims=True) + 1e-6)) @ weights["w_out"] + weights["b_out"]
        logits -= logits.max(1, keepdims=True)
        return float(total + (np.log(np.exp(logits).sum(1)) - logits[np.arange(20), labels[batch]]).mean())

    gradients = train.gradients(w, images[batch], labels[batch])
    rng = np.random.default_rng(1)
    for name in w:
        move = {n: np.zeros_like(v) for n, v in w.items()}
        move[name] = rng.normal(size=w[name].shape)
        step = 1e-5
        up, down = (loss({n: v + sign * step * move[n] for n, v in w.items()}) for sign in (1, -1))
        assert (up - down) / (2 * step) == pytest.approx(float((gradients[name] * move[name]).sum()), rel=1e-4, abs=1e-8)


def test_training_is_reproducible() -> None:
    """The same seed gives the same weights."""
    train = script("digits", "network", "train.py")
    one, same = train.train(0, 1), train.train(0, 1)
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
    """A file that is no network is one line."""
    with pytest.raises(InputError, match="cannot be read"):
        load_network(tmp_path / "no.npz")
    np.savez(tmp_path / "x.npz", a=1)
    with pytest.raises(InputError, match="is not a network"):
        load_network(tmp_path / "x.npz")
