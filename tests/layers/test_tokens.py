"""Tokens on their way through the layers."""

from __future__ import annotations

import numpy as np
import pytest

from dmoe_opt import InputError
from dmoe_opt.layers.network import dense_gates, held_out, load_network
from dmoe_opt.layers.tokens import DrawnTokens, TrainedTokens


def test_trained_tokens_are_the_network() -> None:
    """With all experts chosen, scores and classes are those of the dense network."""
    stored, network = held_out("digits"), load_network("digits")
    number = len(stored.labels)
    drawn = np.random.default_rng(4).permutation(number)
    scores, classes = dense_gates(network, stored.inputs[drawn])
    tokens = TrainedTokens("digits", number, np.random.default_rng(4))
    for layer, wanted in enumerate(scores, start=1):
        rated = tokens.gate(layer, np.random.default_rng(layer))
        assert rated == pytest.approx(wanted)
        tokens.move_on(layer, rated, np.ones(rated.shape, dtype=bool))
    assert tokens.accuracy() == (classes == stored.labels[drawn]).mean()


def test_drawn_tokens() -> None:
    """Gate scores come from the generator that is given, and add up to 1 for each token."""
    tokens = DrawnTokens(5, 3)
    scores = tokens.gate(1, np.random.default_rng(0))
    tokens.move_on(1, scores, scores > 0.5)
    assert scores.sum(axis=1) == pytest.approx(1.0)
    assert np.array_equal(scores, tokens.gate(2, np.random.default_rng(0)))
    assert tokens.accuracy() is None


def test_too_many_tokens() -> None:
    """No more than were held out."""
    with pytest.raises(InputError, match="num_tokens = 451; allowed: 1 to 450, the tokens that"):
        TrainedTokens("digits", 451, np.random.default_rng(0))
