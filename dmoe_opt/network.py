"""A small mixture-of-experts network in numpy: inference only, weights from an .npz file.

h_0 = x W_in + b_in;  in layer l every image has gate scores p = softmax(n W_gate) over the K experts and
h_l = h_(l-1) + sum_k p_k FFN_k(n), with n = h / rms(h) and FFN_k(n) = relu(n W1_k + b1_k) W2_k + b2_k.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.files import instances_folder
from dmoe_opt.gates import softmax
from dmoe_opt.validate import InputError

Array = NDArray[np.float64]
DIGITS = Path("digits", "network", "weights.npz")


@dataclass(frozen=True, eq=False)
class Network:
    """Weights of L layers with K experts of width H on hidden states of size d.

    Shapes: `w_in` (inputs, d), `b_in` (d,), `w_gate` (L, d, K), `w1` (L, K, d, H), `b1` (L, K, H), `w2` (L, K, H, d),
    `b2` (L, K, d), `w_out` (d, classes), `b_out` (classes,).
    """

    w_in: Array
    b_in: Array
    w_gate: Array
    w1: Array
    b1: Array
    w2: Array
    b2: Array
    w_out: Array
    b_out: Array

    @property
    def num_layers(self) -> int:
        """L."""
        return int(self.w_gate.shape[0])

    @property
    def num_experts(self) -> int:
        """K."""
        return int(self.w_gate.shape[2])

    def embed(self, images: Array) -> Array:
        """Hidden states h_0 of images with pixels in [0, 1], shape (T, d)."""
        return np.asarray(images @ self.w_in + self.b_in)

    def gate(self, layer: int, hidden: Array) -> Array:
        """Gate scores of all experts, shape (T, K)."""
        return softmax(normalise(hidden) @ self.w_gate[layer])

    def experts(self, layer: int, hidden: Array) -> Array:
        """Outputs of all experts, shape (T, K, d)."""
        n = normalise(hidden)
        inner = np.maximum(np.einsum("td,kdh->tkh", n, self.w1[layer]) + self.b1[layer], 0.0)
        return np.asarray(np.einsum("tkh,khd->tkd", inner, self.w2[layer]) + self.b2[layer])

    def layer(self, layer: int, hidden: Array, weights: Array) -> Array:
        """Next hidden states, with the experts' outputs summed by `weights` of shape (T, K)."""
        return np.asarray(hidden + np.einsum("tk,tkd->td", weights, self.experts(layer, hidden)))

    def classify(self, hidden: Array) -> NDArray[np.int64]:
        """Class of every token, shape (T,)."""
        return np.asarray((normalise(hidden) @ self.w_out + self.b_out).argmax(axis=1))


def normalise(hidden: Array) -> Array:
    """H / rms(h)."""
    return np.asarray(hidden / np.sqrt((hidden**2).mean(axis=-1, keepdims=True) + 1e-6))


def load_network(path: str | os.PathLike[str] | None = None) -> Network:
    """Read weights; default: the committed network for scikit-learn's handwritten digits."""
    source = instances_folder() / DIGITS if path is None else Path(path)
    try:
        with np.load(source, allow_pickle=False) as archive:
            return Network(**{name: archive[name].astype(np.float64) for name in archive.files})
    except OSError as error:
        raise InputError(f"{source}: cannot be read: {error.strerror or error}") from None
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{source}: is not a network: {' '.join(str(error).split())}") from None


def dense_gates(network: Network, images: Array) -> tuple[list[Array], NDArray[np.int64]]:
    """Gate scores of every layer, (T, K) each, and the classes, with all experts at work."""
    hidden = network.embed(images)
    scores = []
    for layer in range(network.num_layers):
        scores.append(network.gate(layer, hidden))
        hidden = network.layer(layer, hidden, scores[-1])
    return scores, network.classify(hidden)
