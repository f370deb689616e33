"""The trained networks: what they reach, what their experts know, and files that are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dmoe_opt import InputError
from dmoe_opt.layers.network import (
    Array,
    dense_gates,
    forward,
    held_out,
    load_network,
    mean_gates,
)


def top(scores: Array, count: int) -> Array:
    """Scores of the best experts of every token, 0 for the others."""
    return np.where(scores >= np.sort(scores, axis=1)[:, [-count]], scores, 0.0)


def accuracy(task: str, weigh: Callable[[int, Array], Array]) -> float:
    inputs, labels, _ = held_out(task)
    return float((forward(load_network(task), inputs, weigh)[1] == labels).mean())


def without(layer: int, expert: int) -> Callable[[int, Array], Array]:
    """Weights that leave out one expert of one layer."""

    def weigh(at: int, scores: Array) -> Array:
        return np.where((at == layer) & (np.arange(8) == expert), 0.0, scores)

    return weigh


@pytest.mark.parametrize(("task", "floor"), [("digits", 0.98), ("domains", 0.9)])
def test_accuracy(task: str, floor: float) -> None:
    """The weights reach 98 % and 90 % on held-out tokens, with every expert of a layer in use."""
    inputs, labels, _ = held_out(task)
    scores, classes = dense_gates(load_network(task), inputs)
    assert (classes == labels).mean() >= floor
    for gate in scores:
        assert set(gate.argmax(axis=1)) == set(range(8))
        assert gate.sum(axis=1) == pytest.approx(1.0)


def test_fewer_experts_cost_accuracy() -> None:
    """On the domains the best two experts lose up to 5 points, the best one 5 to 15.

    Two drawn experts lose more than 40.
    """
    rng = np.random.default_rng(0)
    dense = accuracy("domains", lambda _, scores: scores)
    best_two = accuracy("domains", lambda _, scores: top(scores, 2))
    best_one = accuracy("domains", lambda _, scores: top(scores, 1))
    drawn_two = accuracy(
        "domains", lambda _, scores: scores * (top(rng.random(scores.shape), 2) > 0)
    )
    assert 0.005 < dense - best_two < 0.05
    assert 0.05 < dense - best_one < 0.15
    assert dense - drawn_two > 0.4


def test_domains_have_experts() -> None:
    """Every domain has an expert of its own.

    It gets five times the score there, and without it the domain loses most accuracy.
    """
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
        _, classes = forward(network, inputs, without(int(layer), int(expert)))
        lost = right.astype(float) - (classes == labels)
        assert lost[domains == domain].mean() > max(0.04, 2 * lost[domains != domain].mean())
    assert len(theirs) == 8


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
    np.savez(tmp_path / "x.npz", **vars(load_network("digits")) | {"w_in": np.array("words")})
    with pytest.raises(InputError, match="is not a network: could not convert string to float"):
        load_network(tmp_path / "x.npz")
    with pytest.raises(InputError, match=r"task = 'digit'; allowed: "):
        held_out("digit")
