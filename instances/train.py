"""Train the mixture-of-experts networks.

    python instances/train.py digits|domains [--seed 0] [--epochs N] [-o FOLDER]

The script writes weights.npz and held_out.npz into TASK/network beside this file. It is plain numpy
with gradients by hand, so that a seed gives the same weights wherever the linear algebra library
does. Loss: cross-entropy + SHARP * mean entropy of the gates - BALANCE * entropy of the mean gate.
Tokens should be sure of their experts, and all experts should be used.

`digits` are scikit-learn's handwritten digits. `domains` are drawn: a token is the sum of one of 20
symbols, the signature of one of 8 domains, and noise. A code of each domain says which of 10
classes a symbol means there. So no symbol has a class of its own, and its meaning in one domain
says nothing about another.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.generating.gates import softmax
from dmoe_opt.layers.network import HeldOut, Network, dense_gates, mean_gates, normalise

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
LAYERS, EXPERTS, HIDDEN, WIDTH, CLASSES = 4, 8, 32, 16, 10
SHARP, BALANCE = 0.03, 0.1
BATCH, RATE, DECAY = 64, 2e-3, 1e-4
EPOCHS = {"digits": 60, "domains": 20}
DOMAINS, SYMBOLS, NUMBERS = 8, 20, 32
SIGNATURE, NOISE = 2.5, 1.4  # standard deviations; a symbol has 1


def digits() -> tuple[Array, Labels, HeldOut]:
    """Training images and labels, and 450 held-out ones; pixels in [0, 1]; the split is fixed."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(12345).permutation(len(data.target))
    images, labels = data.data[order] / 16.0, data.target[order]
    return images[450:], labels[450:], HeldOut(images[:450], labels[:450], None)


def rule(rng: np.random.Generator) -> tuple[Array, Array, Labels]:
    """Signatures (8, 32), symbols (20, 32), and codes (8, 20): classes of symbols by domain."""
    signatures = rng.normal(0.0, SIGNATURE, (DOMAINS, NUMBERS))
    symbols = rng.normal(0.0, 1.0, (SYMBOLS, NUMBERS))
    codes = rng.permuted(np.tile(np.arange(SYMBOLS) % CLASSES, (DOMAINS, 1)), axis=1)
    return signatures, symbols, codes


def domains() -> tuple[Array, Labels, HeldOut]:
    """16,000 training tokens with their classes, and 1,000 held out; rounded to float16."""
    rng = np.random.default_rng(12345)
    signatures, symbols, codes = rule(rng)
    domain, symbol = rng.integers(DOMAINS, size=17_000), rng.integers(SYMBOLS, size=17_000)
    clean = signatures[domain] + symbols[symbol]
    inputs = (clean + rng.normal(0.0, NOISE, clean.shape)).astype(np.float16).astype(np.float64)
    labels = codes[domain, symbol]
    return inputs[1000:], labels[1000:], HeldOut(inputs[:1000], labels[:1000], domain[:1000])


TASKS = {"digits": digits, "domains": domains}


def start(rng: np.random.Generator, inputs: int) -> dict[str, Array]:
    """Random weights for tokens of so many numbers."""

    def normal(*shape: int) -> Array:
        return rng.normal(0.0, shape[-2] ** -0.5, shape)

    return {
        "w_in": normal(inputs, HIDDEN),
        "b_in": np.zeros(HIDDEN),
        "w_gate": normal(LAYERS, HIDDEN, EXPERTS),
        "w1": normal(LAYERS, EXPERTS, HIDDEN, WIDTH),
        "b1": np.zeros((LAYERS, EXPERTS, WIDTH)),
        "w2": normal(LAYERS, EXPERTS, WIDTH, HIDDEN) * 0.5,
        "b2": np.zeros((LAYERS, EXPERTS, HIDDEN)),
        "w_out": normal(HIDDEN, CLASSES),
        "b_out": np.zeros(CLASSES),
    }


def normalise_back(hidden: Array, gradient: Array) -> Array:
    """Gradient through n = h / rms(h)."""
    rms = np.sqrt((hidden**2).mean(axis=-1, keepdims=True) + 1e-6)
    n = hidden / rms
    return (gradient - n * (gradient * n).mean(axis=-1, keepdims=True)) / rms


def gradients(w: dict[str, Array], inputs: Array, labels: Labels) -> dict[str, Array]:
    """Gradient of the loss on a batch."""
    tokens = len(inputs)
    hidden = [inputs @ w["w_in"] + w["b_in"]]
    kept = []
    for layer in range(LAYERS):
        n = normalise(hidden[-1])
        gate = softmax(n @ w["w_gate"][layer])
        inner = np.maximum(np.einsum("td,kdh->tkh", n, w["w1"][layer]) + w["b1"][layer], 0.0)
        outputs = np.einsum("tkh,khd->tkd", inner, w["w2"][layer]) + w["b2"][layer]
        hidden.append(hidden[-1] + np.einsum("tk,tkd->td", gate, outputs))
        kept.append((n, gate, inner, outputs))
    last = normalise(hidden[-1])
    error = softmax(last @ w["w_out"] + w["b_out"])
    error[np.arange(tokens), labels] -= 1.0
    error /= tokens
    g = {name: np.zeros_like(value) for name, value in w.items()}
    g["w_out"], g["b_out"] = last.T @ error, error.sum(0)
    back = normalise_back(hidden[-1], error @ w["w_out"].T)
    for layer in reversed(range(LAYERS)):
        n, gate, inner, outputs = kept[layer]
        to_gate = np.einsum("td,tkd->tk", back, outputs)
        to_gate -= SHARP / LAYERS / tokens * (np.log(gate + 1e-12) + 1.0)
        to_gate += BALANCE / LAYERS / tokens * (np.log(gate.mean(0) + 1e-12) + 1.0)
        logits = gate * (to_gate - (gate * to_gate).sum(1, keepdims=True))
        out = gate[:, :, None] * back[:, None, :]
        into = np.einsum("tkd,khd->tkh", out, w["w2"][layer]) * (inner > 0)
        g["w2"][layer], g["b2"][layer] = np.einsum("tkh,tkd->khd", inner, out), out.sum(0)
        g["w1"][layer], g["b1"][layer] = np.einsum("td,tkh->kdh", n, into), into.sum(0)
        g["w_gate"][layer] = n.T @ logits
        to_n = np.einsum("tkh,kdh->td", into, w["w1"][layer]) + logits @ w["w_gate"][layer].T
        back = back + normalise_back(hidden[layer], to_n)
    g["w_in"], g["b_in"] = inputs.T @ back, back.sum(0)
    return g


def train(inputs: Array, labels: Labels, seed: int, epochs: int) -> Network:
    """Adam with decoupled weight decay and a linearly falling rate.

    Every epoch adds its own noise to the inputs.
    """
    rng = np.random.default_rng(seed)
    w = start(rng, inputs.shape[1])
    first = {name: np.zeros_like(v) for name, v in w.items()}
    second = {name: np.zeros_like(v) for name, v in w.items()}
    step = 0
    steps = epochs * (len(inputs) // BATCH)
    for _ in range(epochs):
        order = rng.permutation(len(inputs))
        for batch in np.array_split(order, len(inputs) // BATCH):
            noisy = inputs[batch] + rng.normal(0.0, 0.1, (len(batch), inputs.shape[1]))
            g = gradients(w, noisy, labels[batch])
            step += 1
            rate = RATE * (1.0 - (step - 1) / steps)
            for name, value in w.items():
                first[name] = 0.9 * first[name] + 0.1 * g[name]
                second[name] = 0.999 * second[name] + 0.001 * g[name] ** 2
                mean = first[name] / (1 - 0.9**step)
                spread = np.sqrt(second[name] / (1 - 0.999**step))
                move = mean / (spread + 1e-8)
                w[name] = value - rate * (move + DECAY * value)
    return Network(**w)


def report(network: Network, held_out: HeldOut) -> None:
    """Print accuracy, certainty of the gates, and the expert of each domain or class."""
    scores, classes = dense_gates(network, held_out.inputs)
    print(f"accuracy on {len(classes)} held-out tokens: {(classes == held_out.labels).mean():.4f}")
    for layer, gate in enumerate(scores, 1):
        best = np.sort(gate, axis=1)[:, ::-1]
        one, two = best[:, 0].mean(), best[:, :2].sum(1).mean()
        print(f"layer {layer}: best expert {one:.2f}, best two {two:.2f} of the gate")
    groups = held_out.labels if held_out.domains is None else held_out.domains
    means = mean_gates(network, held_out.inputs, groups)
    elsewhere = (means.sum(axis=2, keepdims=True) - means) / (means.shape[2] - 1)
    for group, ahead in enumerate(np.moveaxis(means - elsewhere, 2, 0)):
        layer, expert = np.unravel_index(ahead.argmax(), ahead.shape)
        mean, other = means[layer, expert, group], elsewhere[layer, expert, group]
        scores_of = f"mean score {mean:.2f}, in the other groups {other:.2f}"
        print(f"group {group}: layer {layer + 1}, expert {expert}: {scores_of}")


def main() -> None:
    """Train, report, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER")
    arguments = parser.parse_args()
    folder = arguments.output or Path(__file__).resolve().parent / arguments.task / "network"
    folder.mkdir(parents=True, exist_ok=True)
    inputs, labels, held_out = TASKS[arguments.task]()
    network = train(inputs, labels, arguments.seed, arguments.epochs or EPOCHS[arguments.task])
    report(network, held_out)
    np.savez_compressed(
        folder / "weights.npz", **{name: w.astype(np.float32) for name, w in vars(network).items()}
    )
    kept = {
        "inputs": held_out.inputs.astype(np.float16),
        "labels": held_out.labels.astype(np.uint8),
    }
    if held_out.domains is not None:
        kept["domains"] = held_out.domains.astype(np.uint8)
    np.savez_compressed(folder / "held_out.npz", **kept)
    for name in ("weights.npz", "held_out.npz"):
        print(f"wrote {folder / name} ({(folder / name).stat().st_size:,} bytes)")


if __name__ == "__main__":
    main()
