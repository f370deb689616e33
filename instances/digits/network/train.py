"""Train the mixture-of-experts network for scikit-learn's handwritten digits; writes weights.npz beside this file.

    python instances/digits/network/train.py [--seed 0] [--epochs 60] [-o weights.npz]

Plain numpy with gradients by hand, so that a seed gives the same weights wherever the linear algebra library does.
Loss: cross-entropy + SHARP * mean entropy of the gates - BALANCE * entropy of the mean gate: tokens should be sure
of their experts, and all experts should be used.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from dmoe_opt.gates import softmax
from dmoe_opt.network import Network, dense_gates, normalise

Array = NDArray[np.float64]
LAYERS, EXPERTS, HIDDEN, WIDTH, CLASSES = 4, 8, 32, 16, 10
HELD_OUT = 450
SHARP, BALANCE = 0.03, 0.1
BATCH, RATE, DECAY = 64, 2e-3, 1e-4


def digits() -> tuple[Array, NDArray[np.int64], Array, NDArray[np.int64]]:
    """Training images and labels, held-out images and labels; pixels in [0, 1]; the split is fixed."""
    data = load_digits()
    order = np.random.default_rng(12345).permutation(len(data.target))
    images, labels = data.data[order] / 16.0, data.target[order]
    return images[HELD_OUT:], labels[HELD_OUT:], images[:HELD_OUT], labels[:HELD_OUT]


def start(rng: np.random.Generator) -> dict[str, Array]:
    """Random weights."""

    def normal(*shape: int) -> Array:
        return rng.normal(0.0, shape[-2] ** -0.5, shape)

    return {
        "w_in": normal(64, HIDDEN),
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


def gradients(w: dict[str, Array], images: Array, labels: NDArray[np.int64]) -> dict[str, Array]:
    """Gradient of the loss on a batch."""
    tokens = len(images)
    hidden = [images @ w["w_in"] + w["b_in"]]
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
    g["w_in"], g["b_in"] = images.T @ back, back.sum(0)
    return g


def train(seed: int, epochs: int) -> Network:
    """Adam with decoupled weight decay and a linearly falling rate."""
    images, labels, _, _ = digits()
    rng = np.random.default_rng(seed)
    w = start(rng)
    first = {name: np.zeros_like(v) for name, v in w.items()}
    second = {name: np.zeros_like(v) for name, v in w.items()}
    step = 0
    steps = epochs * (len(images) // BATCH)
    for _ in range(epochs):
        order = rng.permutation(len(images))
        for batch in np.array_split(order, len(images) // BATCH):
            noisy = images[batch] + rng.normal(0.0, 0.1, (len(batch), images.shape[1]))
            g = gradients(w, noisy, labels[batch])
            step += 1
            rate = RATE * (1.0 - (step - 1) / steps)
            for name, value in w.items():
                first[name] = 0.9 * first[name] + 0.1 * g[name]
                second[name] = 0.999 * second[name] + 0.001 * g[name] ** 2
                move = (first[name] / (1 - 0.9**step)) / (np.sqrt(second[name] / (1 - 0.999**step)) + 1e-8)
                w[name] = value - rate * (move + DECAY * value)
    return Network(**w)


def main() -> None:
    """Train, report, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("-o", "--output", default=Path(__file__).with_name("weights.npz"), type=Path)
    arguments = parser.parse_args()
    network = train(arguments.seed, arguments.epochs)
    _, _, images, labels = digits()
    scores, classes = dense_gates(network, images)
    print(f"accuracy on {len(labels)} held-out digits: {(classes == labels).mean():.4f}")
    for layer, gate in enumerate(scores, 1):
        best = np.sort(gate, axis=1)[:, ::-1]
        print(f"layer {layer}: best expert {best[:, 0].mean():.2f}, best two {best[:, :2].sum(1).mean():.2f} of the gate")
    weights = {name: value.astype(np.float32) for name, value in vars(network).items()}
    np.savez_compressed(arguments.output, **weights)
    print(f"wrote {arguments.output} ({arguments.output.stat().st_size:,} bytes)")


if __name__ == "__main__":
    main()
