"""Instances that Hypothesis draws, and enumeration for what is drawn."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from dmoe_opt import Instance, Radio, SelectionProblem
from dmoe_opt.answer.objective import Selection, loads, round_energy_j


def draws(part: float) -> settings:
    """Draw this part of what the profile draws: less of slow examples, more of fast ones."""
    return settings(max_examples=round(part * settings.default.max_examples))


class Ended(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


@st.composite
def problems(
    draw: st.DrawFn, most_experts: int = 6, most_tokens: int = 4, on_grid: bool = True
) -> SelectionProblem:
    """Small problems full of ties and zeros: D >= K, thresholds met exactly, shortfalls, T = 0."""
    tokens = draw(st.integers(0, most_tokens))
    experts = draw(st.integers(1, most_experts))
    coarse = draw(st.sampled_from([4, 8, 1024, 2**20]))
    score = st.integers(0, coarse).map(lambda n: n / coarse) if on_grid else st.floats(0, 1)
    price = st.one_of(
        st.integers(0, 4).map(float),
        st.floats(1e-4, 1.0, allow_subnormal=False)
        if not on_grid
        else st.integers(0, 2**20).map(lambda n: n / 2**20),
    )

    def table(element: st.SearchStrategy[float]) -> np.ndarray[Any, Any]:
        rows = draw(
            st.lists(
                st.lists(element, min_size=experts, max_size=experts),
                min_size=tokens,
                max_size=tokens,
            )
        )
        return np.array(rows).reshape(tokens, experts)

    scores = table(score)
    cost = table(price)
    threshold = []
    for row in scores:
        members = draw(st.lists(st.booleans(), min_size=experts, max_size=experts))
        exactly = float(sum(itertools.compress(row, members)))
        threshold.append(draw(st.sampled_from([0.0, exactly, exactly / 2, 1.0, float(experts)])))
    usable = table(st.sampled_from([True, True, True, False])).astype(bool)
    return SelectionProblem(
        scores=scores,
        cost=cost,
        threshold=np.array(threshold),
        max_experts=draw(st.integers(1, most_experts + 1)),
        on_shortfall=draw(st.sampled_from(["top_d", "infeasible"])),
        usable=usable,
    )


@st.composite
def on_nodes(draw: st.DrawFn) -> SelectionProblem:
    """A small problem with its experts on up to four nodes, some of them free, some empty."""
    problem = draw(problems(most_experts=6, most_tokens=2))
    nodes = draw(st.integers(1, 4))
    price = st.one_of(st.integers(0, 4).map(float), st.integers(0, 2**20).map(lambda n: n / 2**20))
    rows = st.lists(price, min_size=nodes, max_size=nodes)
    tokens, experts = problem.scores.shape
    node_cost = draw(st.lists(rows, min_size=tokens, max_size=tokens))
    placement = draw(st.lists(st.integers(0, nodes - 1), min_size=experts, max_size=experts))
    return problem.replace(
        placement=placement, node_cost=np.array(node_cost).reshape(tokens, nodes)
    )


@st.composite
def rounds(draw: st.DrawFn) -> Instance:
    """Small rounds with ties, dead links, few subcarriers, and several experts on a node."""
    nodes = experts = draw(st.integers(1, 3))
    tokens = draw(st.integers(0, 3))
    placement = None
    if draw(st.booleans()):
        tokens, experts = min(tokens, 2), draw(st.integers(1, 4))
        placement = draw(st.lists(st.integers(0, nodes - 1), min_size=experts, max_size=experts))
    carriers = draw(st.integers(1, 4))
    score = st.integers(0, 8).map(lambda n: n / 8)
    gain = st.sampled_from([0.0, 0.25, 1.0, 3.0])

    def table(element: st.SearchStrategy[float], *shape: int) -> np.ndarray:
        flat = draw(st.lists(element, min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
        return np.array(flat, dtype=float).reshape(shape)

    return Instance(
        source=np.array([draw(st.integers(0, nodes - 1)) for _ in range(tokens)], dtype=int),
        scores=table(score, tokens, experts),
        threshold=table(score, tokens),
        max_experts=draw(st.integers(1, experts)),
        compute_energy=table(st.sampled_from([0.0, 0.5, 1.0]), experts),
        radio=Radio(table(gain, nodes, nodes, carriers), 1.0, 1.0, 1.0, 1.0),
        on_shortfall=draw(st.sampled_from(["top_d", "infeasible"])),
        placement=placement,
    )


def cheapest_allocation(instance: Instance, selection: Selection) -> float | None:
    """Enumeration, which shares only the objective with the methods, J.

    None if no allocation serves every link.
    """
    links = np.argwhere(loads(instance, selection))
    energies = []
    for columns in itertools.permutations(range(instance.num_subcarriers), len(links)):
        allocation = np.zeros(instance.link_energy.shape, dtype=bool)
        allocation[links[:, 0], links[:, 1], list(columns)] = True
        energies.append(round_energy_j(instance, selection, allocation))
    return min((e for e in energies if np.isfinite(e)), default=None)
