"""Small placement problems, and their optima by enumeration."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from dmoe_opt.errors import InputError
from dmoe_opt.placing.problem import PlacementProblem


def drawn(seed: int, **changes: Any) -> PlacementProblem:
    """A problem of up to 6 experts, 3 nodes and 7 tokens; every other seed has unequal sizes."""
    rng = np.random.default_rng(seed)
    experts, nodes, tokens = rng.integers((2, 2, 1), (7, 4, 8)).tolist()
    price = rng.exponential(1e-3, (tokens, nodes))
    price[np.arange(tokens), rng.integers(nodes, size=tokens)] = 0.0
    size = rng.integers(1, 4, experts) if seed % 2 else np.ones(experts)
    fields: dict[str, Any] = {
        "chosen": rng.random((tokens, experts)) < 0.5,
        "price": price,
        "work": rng.uniform(1e-4, 1e-3, (tokens, experts)),
        "memory": np.full(nodes, -(-size.sum() // nodes) + 2 * (seed % 2)),
        "size": size,
        "factor": rng.uniform(0.5, 2.0, nodes),
        "send_once": seed % 3 > 0,
    }
    return PlacementProblem(**(fields | changes))


def optimum_j(problem: PlacementProblem) -> float:
    """The least energy of all placements, J."""
    energies = []
    for placement in product(range(problem.num_nodes), repeat=problem.num_experts):
        try:
            energies.append(problem.energy_j(placement))
        except InputError:  # it does not fit
            continue
    return min(energies)
