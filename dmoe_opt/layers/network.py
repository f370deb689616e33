"""A small mixture-of-experts network in numpy: inference only, weights from an .npz file.

::

    h_0 = x W_in + b_in
    in layer l, with n = h_(l-1) / rms(h_(l-1)):
        gate scores over the K experts   p = softmax(n W_gate)
        experts                          FFN_k(n) = relu(n W1_k + b1_k) W2_k + b2_k
        hidden states                    h_l = h_(l-1) + sum_k p_k FFN_k(n)
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data import files, formats
from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError
from dmoe_opt.generating.gates import softmax

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
TASKS = ("digits", "domains")


@dataclass(frozen=True, eq=False)
class Network:
    """Weights of L layers with K experts of width H on hidden states of size d.

    Shapes: `w_in` (inputs, d), `b_in` (d,), `w_gate` (L, d, K), `w1` (L, K, d, H), `b1` (L, K, H),
    `w2` (L, K, H, d), `b2` (L, K, d), `w_out` (d, classes), `b_out` (classes,).
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
        """Number of layers L."""
        return int(self.w_gate.shape[0])

    @property
    def num_experts(self) -> int:
        """Number of experts K."""
        return int(self.w_gate.shape[2])

    def embed(self, inputs: Array) -> Array:
        """Hidden states h_0 of inputs of shape (T, inputs), shape (T, d)."""
        return np.asarray(inputs @ self.w_in + self.b_in)

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

    def classify(self, hidden: Array) -> Labels:
        """Class of every token, shape (T,)."""
        return np.asarray((normalise(hidden) @ self.w_out + self.b_out).argmax(axis=1))


def normalise(hidden: Array) -> Array:
    """Hidden states divided by their root mean square, h / rms(h), shape (..., d)."""
    return np.asarray(hidden / np.sqrt((hidden**2).mean(axis=-1, keepdims=True) + 1e-6))


class HeldOut(NamedTuple):
    """Tokens that a network was not trained on.

    `inputs` has shape (T, inputs), `labels` (T,), `domains` (T,); `domains` is None without any.
    """

    inputs: Array
    labels: Labels
    domains: Labels | None


def load_network(name_or_path: str | os.PathLike[str] = "digits") -> Network:
    """Read weights from a file, or the committed network of a task: "digits" or "domains".

    Raises
    ------
    InputError
        If there is no such file, or it holds no network.

    Examples
    --------
    >>> from dmoe_opt.layers.network import dense_gates, held_out, load_network
    >>> tokens = held_out("digits")
    >>> scores, classes = dense_gates(load_network("digits"), tokens.inputs)
    >>> len(scores), scores[0].shape, round(float((classes == tokens.labels).mean()), 3)
    (4, (450, 8), 0.991)
    """
    source = Path(name_or_path)
    if name_or_path in TASKS:
        source = _committed(str(name_or_path), "weights.npz")
    content = files.read(source)
    try:
        stored = formats.read_arrays(content)
        weights = {name: np.asarray(array, dtype=np.float64) for name, array in stored.items()}
        return Network(**weights)
    except (ValueError, TypeError) as error:
        raise InputError(f"{source}: is not a network: {' '.join(str(error).split())}") from None


def held_out(task: str) -> HeldOut:
    """The committed held-out tokens: 450 handwritten digits, or 1,000 tokens of 8 domains.

    Raises
    ------
    InputError
        If `task` is neither "digits" nor "domains".
    """
    if task not in TASKS:
        raise fail("task", task, '"digits" or "domains"')
    stored = formats.read_arrays(_committed(task, "held_out.npz").read_bytes())
    domains = stored["domains"].astype(np.int64) if "domains" in stored else None
    return HeldOut(stored["inputs"].astype(np.float64), stored["labels"].astype(np.int64), domains)


def _committed(task: str, name: str) -> Path:
    return files.instances_folder() / task / "network" / name


def forward(
    network: Network, inputs: Array, weigh: Callable[[int, Array], Array]
) -> tuple[list[Array], Labels]:
    """Gate scores of every layer, (T, K) each, and the classes, shape (T,).

    `weigh(layer, scores)` gives the weights of the experts, shape (T, K), with layers counted from
    0. An expert of weight 0 was not asked. The scores of a layer depend on the weights of the
    layers before it.
    """
    hidden = network.embed(inputs)
    scores = []
    for layer in range(network.num_layers):
        rated = network.gate(layer, hidden)
        hidden = network.layer(layer, hidden, weigh(layer, rated))
        scores.append(rated)
    return scores, network.classify(hidden)


def dense_gates(network: Network, inputs: Array) -> tuple[list[Array], Labels]:
    """Gate scores of every layer, (T, K) each, and the classes (T,), with all experts at work."""
    return forward(network, inputs, lambda _, scores: scores)


def mean_gates(network: Network, inputs: Array, groups: Labels) -> Array:
    """Mean gate score of every expert over the tokens of each group, shape (L, K, G).

    `groups` (T,) has the group of every token, 0..G-1: its domain, or its class.
    """
    layers, _ = dense_gates(network, inputs)
    scores = np.array(layers)
    number = int(groups.max()) + 1
    means = [scores[:, groups == group].mean(axis=1) for group in range(number)]
    return np.stack(means, axis=2)
