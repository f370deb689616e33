"""Random small rounds: thresholds just met, zeros of both signs, wide ranges, dead links."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.campaigns.brute_force import TOLERANCE, UNIT


def draw(rng: np.random.Generator) -> dict[str, Any]:
    """The fields of a random round; `radio` is a dictionary of the fields of a radio."""
    experts = int(rng.integers(2, 6))
    tokens = int(rng.choice([0, 1, 2, 3, 4, 5, 6], p=[0.02, 0.2, 0.18, 0.15, 0.15, 0.15, 0.15]))
    carriers = int(rng.integers(1, 9))
    nodes, placed = _placed(rng, experts)
    shape = (nodes, nodes, carriers)
    scores = _scores(rng, (tokens, experts))
    most = int(rng.integers(1, experts + 1))
    threshold = rng.random(tokens) * rng.choice([0.5, 1.0, 1.5])
    exact = rng.random(tokens) < 0.4
    members = rng.random(scores.shape) < 0.5
    threshold = np.where(exact, np.where(members, scores, 0.0).sum(axis=1), threshold)
    threshold += rng.choice([0.0, 1e-9, 5e-10, 1.01e-9, 2e-9], size=tokens)
    if rng.random() < 0.2:  # all just above what two experts reach
        pair = np.argsort(rng.random(scores.shape), axis=1) < 2
        reached = np.where(pair, scores, 0.0).sum(axis=1)
        threshold = reached + TOLERANCE + rng.integers(1, 40) / UNIT
    on_shortfall = str(rng.choice(["top_d", "infeasible"], p=[0.8, 0.2]))
    if on_shortfall == "infeasible" and rng.random() < 0.7:
        threshold = np.minimum(threshold, np.sort(scores, axis=1)[:, -most:].sum(axis=1))
    fields: dict[str, Any] = {
        "source": rng.integers(0, rng.choice([1, nodes]), size=tokens),
        "scores": scores,
        "threshold": threshold,
        "max_experts": most,
        "on_shortfall": on_shortfall,
        "compute_energy": _energies(rng, (experts,)),
        **placed,
    }
    if rng.random() < 0.5:
        return fields | {"link_energy": _link_energies(rng, shape)}
    return fields | {"radio": _radio(rng, shape)}


def _placed(rng: np.random.Generator, experts: int) -> tuple[int, dict[str, Any]]:
    """The number of nodes and, in half of the rounds, experts on nodes, mostly sent once."""
    if rng.random() < 0.5:
        return experts, {}
    nodes = int(rng.integers(1, 4))
    placement = rng.integers(0, nodes, size=experts)
    return nodes, {"placement": placement, "send_once": bool(rng.random() < 0.8)}


def _scores(rng: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.float64]:
    family = rng.choice(["uniform", "coarse", "equal"])
    if family == "coarse":
        scores = rng.integers(0, 9, size=shape) / 8
    elif family == "equal":
        scores = np.full(shape, 1 / shape[1])
    else:
        scores = rng.dirichlet(np.ones(shape[1]), size=shape[0])
    return np.where((scores == 0) & (rng.random(shape) < 0.5), -0.0, scores)


def _energies(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Energies: alike, in steps, or over many orders; some 0 or -0.0."""
    shares = [0.3, 0.25, 0.2, 0.2, 0.05]
    family = rng.choice(["uniform", "coarse", "wide", "near", "far"], p=shares)
    if family == "coarse":
        energy = rng.integers(0, 5, size=shape) / 4
    elif family == "wide":
        reach = rng.choice([3, 6, 9])
        energy = 10 ** rng.uniform(-reach, reach, size=shape)
    elif family == "far":
        energy = 10 ** rng.uniform(-100, 100, size=shape)
    elif family == "near":
        energy = 1 + rng.integers(0, 5, size=shape) * 10.0 ** rng.integers(-13, -5)
    else:
        energy = rng.random(shape)
    if rng.random() < 0.2:
        energy = np.where(rng.random(shape) < 0.2, 0.0, energy)
    return np.where((energy == 0) & (rng.random(shape) < 0.5), -0.0, energy)


def _link_energies(rng: np.random.Generator, shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """Energies of links; sometimes dead ones, or one subcarrier that is best for all."""
    energy = _energies(rng, shape)
    if rng.random() < 0.4:
        energy[:, :, rng.integers(shape[2])] *= rng.choice([0.5, 1e-3, 0.999])
    if rng.random() < 0.4:
        energy = np.where(rng.random(shape) < rng.choice([0.1, 0.4, 0.8]), 1e10, energy)
    return energy


def _radio(rng: np.random.Generator, shape: tuple[int, int, int]) -> dict[str, Any]:
    """A radio with Rayleigh gains or gains from 1e-24 to 1e3; sometimes dead ones."""
    gains = rng.exponential(size=shape)
    if rng.random() < 0.4:
        gains = 10 ** rng.uniform(-24, 3, size=shape)
    if rng.random() < 0.4:
        dead = rng.random(shape) < rng.choice([0.1, 0.4, 0.8])
        gains = np.where(dead, rng.choice([0.0, -0.0]), gains)
    if rng.random() < 0.3:
        gains[:, :, rng.integers(shape[2])] *= 10
    return {
        "gains": gains,
        "bandwidth_hz": float(rng.choice([1.0, 1e6])),
        "power_w": float(rng.choice([1.0, 0.01])),
        "noise_w": float(rng.choice([1.0, 1e-3])),
        "payload_bits": float(rng.choice([1.0, 8192.0])),
        "round_trip": bool(rng.random() < 0.3),
    }
