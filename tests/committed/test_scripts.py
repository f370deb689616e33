"""The scripts in `instances`: what is committed is what they make."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import numpy as np
import pytest

from dmoe_opt import Instance, load
from dmoe_opt.data.files import instance_files, instances_folder
from dmoe_opt.generating.gates import GRID
from dmoe_opt.generating.trace_files import load_trace
from dmoe_opt.layers.network import TASKS, Network, dense_gates, held_out, load_network


def script(*parts: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        parts[-1].removesuffix(".py"), instances_folder().joinpath(*parts)
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_domains_cannot_be_told_for_sure() -> None:
    """The best classifier knows how the tokens were drawn and reaches 95 to 99 %.

    The network stays below it.
    """
    train = script("train.py")
    signatures, symbols, codes = train.rule(np.random.default_rng(12345))
    inputs, labels, _ = held_out("domains")
    clean = (signatures[:, None] + symbols).reshape(-1, train.NUMBERS)
    exponents = (inputs @ clean.T - (clean**2).sum(axis=1) / 2) / train.NOISE**2
    likelihood = np.exp(exponents - exponents.max(axis=1, keepdims=True))
    posterior = likelihood @ np.eye(10)[codes.ravel()]
    best = (posterior.argmax(axis=1) == labels).mean()
    assert 0.95 < best < 0.99
    _, classes = dense_gates(load_network("domains"), inputs)
    assert (classes == labels).mean() < best


@pytest.mark.parametrize("task", TASKS)
def test_held_out_tokens_are_made_by_their_script(task: str) -> None:
    """The committed held-out tokens are those that the script does not train on."""
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
        rms = np.sqrt((hidden**2).mean(1, keepdims=True) + 1e-6)
        logits = (hidden / rms) @ weights["w_out"] + weights["b_out"]
        logits -= logits.max(1, keepdims=True)
        surprise = np.log(np.exp(logits).sum(1)) - logits[np.arange(20), labels[batch]]
        return float(total + surprise.mean())

    gradients = train.gradients(w, images[batch], labels[batch])
    rng = np.random.default_rng(1)
    for name in w:
        move = {n: np.zeros_like(v) for n, v in w.items()}
        move[name] = rng.normal(size=w[name].shape)
        step = 1e-5
        up = loss({n: v + step * move[n] for n, v in w.items()})
        down = loss({n: v - step * move[n] for n, v in w.items()})
        slope = float((gradients[name] * move[name]).sum())
        assert (up - down) / (2 * step) == pytest.approx(slope, rel=1e-4, abs=1e-8)


def test_training_is_reproducible() -> None:
    """The same seed gives the same weights."""
    train = script("train.py")
    inputs, labels, _ = train.domains()
    one, same = (train.train(inputs[:512], labels[:512], 0, 1) for _ in range(2))
    assert all((getattr(one, name) == getattr(same, name)).all() for name in vars(one))


def test_committed_instances_are_made_by_their_script() -> None:
    """Generated instances are equal bit by bit, recorded gates up to one step of the grid.

    Linear algebra differs between machines.
    """
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


def test_the_committed_log_is_what_the_script_makes() -> None:
    """Byte for byte, and `import` of the README reads it."""
    make = script("make.py")
    assert (instances_folder() / make.LOG).read_text() == make.digits_log()
    trace = load_trace(instances_folder() / make.LOG)
    assert (trace.scores.shape, trace.layers, trace.experts_per_token) == (
        (4, 24, 8),
        (1, 2, 3, 4),
        2,
    )
