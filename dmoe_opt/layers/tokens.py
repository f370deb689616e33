"""Tokens on their way through the layers: through a trained network, or without one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.objective import Selection
from dmoe_opt.data import validate
from dmoe_opt.generating import gates
from dmoe_opt.generating.traces import Trace
from dmoe_opt.layers.network import held_out, load_network

SPREAD = 2.0
"""Standard deviation of drawn gate logits."""


class TrainedTokens:
    """Held-out tokens in the network that was trained on their task; layers count from 1.

    An expert that is not chosen in one layer is missing in the hidden states of the next.

    Parameters
    ----------
    task
        "digits" or "domains".
    number
        How many of the held-out tokens go through the network.
    rng
        Draws which tokens, and in which order.

    Raises
    ------
    InputError
        If fewer tokens were held out.

    Examples
    --------
    >>> import numpy as np
    >>> from dmoe_opt.layers.tokens import TrainedTokens
    >>> tokens = TrainedTokens("digits", 64, np.random.default_rng(0))
    >>> for layer in range(1, 5):
    ...     scores = tokens.gate(layer, np.random.default_rng(layer))
    ...     tokens.move_on(layer, scores, scores > 0.1)
    >>> scores.shape, tokens.accuracy()
    ((64, 8), 0.984375)
    """

    def __init__(self, task: str, number: int, rng: np.random.Generator) -> None:
        stored = held_out(task)
        most = len(stored.labels)
        if number > most:
            allowed = f"1 to {most}, the tokens that were held out"
            raise validate.fail("num_tokens", number, allowed)
        drawn = rng.permutation(most)[:number]
        self._network = load_network(task)
        self._labels = stored.labels[drawn]
        self._hidden = self._network.embed(stored.inputs[drawn])

    def gate(self, layer: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Gate scores of the hidden states, shape (T, K); nothing is drawn."""
        return self._network.gate(layer - 1, self._hidden)

    def move_on(self, layer: int, scores: NDArray[np.float64], selection: Selection) -> None:
        """Add the outputs of the chosen experts (T, K), weighted by their gate scores (T, K)."""
        weights = np.where(selection, scores, 0.0)
        self._hidden = self._network.layer(layer - 1, self._hidden, weights)

    def accuracy(self) -> float | None:
        """Share of the tokens that would be classified right if the network ended here."""
        return float((self._network.classify(self._hidden) == self._labels).mean())


class DrawnTokens:
    """Tokens without a network: gate scores of every layer are drawn, and accuracy is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from dmoe_opt.layers.tokens import DrawnTokens
    >>> tokens = DrawnTokens(64, 8)
    >>> tokens.gate(1, np.random.default_rng(0)).shape, tokens.accuracy()
    ((64, 8), None)
    """

    def __init__(self, number: int, num_experts: int) -> None:
        self._shape = (number, num_experts)

    def gate(self, layer: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Softmax of drawn logits, shape (T, K)."""
        return gates.softmax(gates.random_logits(rng, *self._shape, SPREAD))

    def move_on(self, layer: int, scores: NDArray[np.float64], selection: Selection) -> None:
        """Do nothing: there are no hidden states."""

    def accuracy(self) -> float | None:
        """None, since there are no labels."""
        return None


def trace_of_task(
    task: str, number: int, max_experts: int, seed: int = 0
) -> tuple[Trace, float | None]:
    """What the gates of a trained network gave its held-out tokens under Top-k, and the accuracy.

    The loop is closed: experts outside the top k are missing in the next layer.

    Examples
    --------
    >>> from dmoe_opt.layers.tokens import trace_of_task
    >>> trace, accuracy = trace_of_task("digits", 64, max_experts=2)
    >>> trace.scores.shape, accuracy > 0.9
    ((4, 64, 8), True)
    """
    tokens = TrainedTokens(task, number, np.random.default_rng([seed, 0]))
    layers = load_network(task).num_layers
    scores = []
    for layer in range(1, layers + 1):
        gate = tokens.gate(layer, np.random.default_rng([seed, layer]))
        best = np.argsort(-gate, axis=1, kind="stable")[:, :max_experts]
        selection = np.zeros(gate.shape, dtype=bool)
        np.put_along_axis(selection, best, True, axis=1)
        scores.append(gate)
        tokens.move_on(layer, gate, selection)
    name = f"{task}: gates of the trained network under Top-{max_experts}"
    trace = Trace(
        np.stack(scores),
        experts_per_token=max_experts,
        layers=tuple(range(1, layers + 1)),
        source=name,
    )
    return trace, tokens.accuracy()
