"""A small mixture-of-experts network in numpy: inference only, weights from an .npz file.

h_0 = x W_in + b_in;  in layer l every image has gate scores p = softmax(n W_gate) over the K experts and
h_l = h_(l-1) + sum_k p_k FFN_k(n), with n = h / rms(h) and FFN_k(n) = relu(n W1_k + b1_k) W2_k + b2_k.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data.files import instances_folder
from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError
from dmoe_opt.generating.gates import softmax

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
TASKS = ("digits", "domains")


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
    """H / rms(h)."""
    return np.asarray(hidden / np.sqrt((hidden**2).mean(axis=-1, keepdims=True) + 1e-6))


class HeldOut(NamedTuple):
    """Tokens that a network was not trained on: `inputs` (T, inputs), `labels` (T,), `domains` (T,) or None without any."""

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
    source = (
        _committed(str(name_or_path), "weights.npz")
        if name_or_path in TASKS
        else Path(name_or_path)
    )
    try:
        return Network(
            **{name: array.astype(np.float64) for name, array in _arrays(source).items()}
        )
    except OSError as error:
        raise InputError(f"{source}: cannot be read: {error.strerror or error}") from None
    except (ValueError, TypeError, KeyError, EOFError, BadZipFile) as error:
        raise InputError(f"{source}: is not a network: {' '.join(str(error).split())}") from None


def held_out(task: str) -> HeldOut:
    """The committed held-out tokens of a task: 450 handwritten digits, or 1,000 tokens of 8 domains.

    Raises
    ------
    InputError
        If `task` is neither "digits" nor "domains".
    """
    if task not in TASKS:
        raise fail("task", task, '"digits" or "domains"')
    stored = _arrays(_committed(task, "held_out.npz"))
    domains = stored["domains"].astype(np.int64) if "domains" in stored else None
    return HeldOut(stored["inputs"].astype(np.float64), stored["labels"].astype(np.int64), domains)


def _committed(task: str, name: str) -> Path:
    return instances_folder() / task / "network" / name


def _arrays(source: Path) -> dict[str, NDArray[Any]]:
    with np.load(io.BytesIO(source.read_bytes()), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def forward(
    network: Network, inputs: Array, weigh: Callable[[int, Array], Array]
) -> tuple[list[Array], Labels]:
    """Gate scores of every layer, (T, K) each, and the classes, where `weigh(layer, scores)` weighs the experts, (T, K).

    An expert of weight 0 is one that was not asked. A layer's scores depend on what was asked for in those before it.
    """
    hidden = network.embed(inputs)
    scores = []
    for layer in range(network.num_layers):
        scores.append(network.gate(layer, hidden))
        hidden = network.layer(layer, hidden, weigh(layer, scores[-1]))
    return scores, network.classify(hidden)


def dense_gates(network: Network, inputs: Array) -> tuple[list[Array], Labels]:
    """Gate scores of every layer, (T, K) each, and the classes, with all experts at work."""
    return forward(network, inputs, lambda _, scores: scores)


def mean_gates(network: Network, inputs: Array, groups: Labels) -> Array:
    """Mean gate score of every expert over the tokens of each group 0..G-1 (domains, or classes), shape (L, K, G)."""
    scores = np.array(dense_gates(network, inputs)[0])
    return np.stack(
        [scores[:, groups == group].mean(axis=1) for group in range(int(groups.max()) + 1)], axis=2
    )
