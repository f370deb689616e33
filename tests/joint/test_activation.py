"""Fewest links and the activation bound against the enumeration of all sets of links."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from helpers.drawn import draws, rounds
from hypothesis import given

from dmoe_opt import Instance, SelectionProblem, Status, generate, solve
from dmoe_opt.data.instance import as_problem
from dmoe_opt.joint.activation import activate, fewest_links


def served(problem: SelectionProblem, usable: np.ndarray) -> bool:
    """Whether every token reaches its need with its best D usable experts."""
    best = -np.sort(-np.where(usable, problem.usable_units, 0.0), axis=1)[:, : problem.max_experts]
    return bool((best.sum(axis=1) >= problem.need_units).all())


def link_sets(instance: Instance) -> list[tuple[int, np.ndarray]]:
    """Every set of links that serves every token: its size, and the experts (T, K) in reach."""
    problem = as_problem(instance)
    links = np.argwhere(~np.eye(instance.num_nodes, dtype=bool)).tolist()
    found = []
    for size in range(len(links) + 1):
        for chosen in itertools.combinations(links, size):
            reach = np.eye(instance.num_nodes, dtype=bool)
            for i, j in chosen:
                reach[i, j] = True
            usable = problem.usable & instance.to_experts(reach)
            if served(problem, usable):
                found.append((size, usable))
    return found


@draws(0.5)  # each solves the round for every set of links
@given(instance=rounds())
def test_activation_against_enumeration(instance: Instance) -> None:
    """Fewest links and the activation bound are what trying every set of links gives."""
    problem = as_problem(instance)
    if problem.infeasibility():
        return
    sets = link_sets(instance)
    least = min(size for size, _ in sets)
    fewest = fewest_links(instance)
    assert fewest.needed.sum() == least == fewest.open_links.sum()
    result = solve(instance, "jesa", "activation")
    if least > instance.num_subcarriers:
        assert result.status == Status.INFEASIBLE
        assert f"at least {least} links must be active" in result.message
        return
    most = min(instance.num_subcarriers, max(size for size, _ in sets))
    energies = [
        solve(
            problem.replace(
                usable=usable, on_shortfall="infeasible", threshold=problem.effective_threshold
            )
        ).objective_j
        for size, usable in sets
        if size == most  # a set of fewer links is part of one of these, and costs no less
    ]
    bound = min(energy for energy in energies if energy is not None)
    assert activate(instance, fewest.needed).bound_j == pytest.approx(bound, rel=1e-9, abs=1e-12)
    assert result.bound_j == pytest.approx(bound, rel=1e-9, abs=1e-12)


def test_fewest_links_stopped_early() -> None:
    """A search that is cut short still gives lower bounds, and links that serve every token."""
    for seed in range(5):
        data = generate("scarce-8x48", seed)
        true = fewest_links(data).needed
        for limit in (0, 1, 500, 5_000):
            cut = fewest_links(data, limit)
            assert (cut.needed <= true).all()
            assert (cut.open_links.sum(axis=1) >= true).all()
