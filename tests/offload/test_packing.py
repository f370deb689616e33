"""Packing of stays: any prices bound the regret, and programs have the rows of crowds."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.offloads import episodes
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from dmoe_opt.models import offload_pyomo
from dmoe_opt.offload import optimum, windows
from dmoe_opt.offload.episode import Episode, draw
from dmoe_opt.offload.packing import Packing
from dmoe_opt.offload.presets import preset
from dmoe_opt.offload.scaling import scaled
from dmoe_opt.offload.simulate import violations


@settings(max_examples=25)
@given(episodes(), st.integers(0, 9))
def test_any_prices_bound_the_regret(episode: Episode, seed: int) -> None:
    """Drawn prices, those of the ascent, and of the relaxation, which are the best of all."""
    best = offload_pyomo.solve(episode)
    least = (optimum.most_alone(episode) - best.return_) / best.unit
    packing = Packing(episode)
    drawn = np.random.default_rng(seed).exponential(0.1, len(packing.slots))
    assert packing.bound(drawn).value <= least + 1e-9
    ascended, shares = packing.ascend(least)
    assert 0.0 <= ascended.value <= least + 1e-9
    assert np.bincount(packing.subtask, shares) == pytest.approx(1.0)
    relaxed = offload_pyomo.solve(episode, relax=True)
    assert ascended.value <= (optimum.most_alone(episode) - relaxed.bound) / best.unit + 1e-7


@settings(max_examples=25)
@given(episodes())
def test_the_program_has_a_row_for_each_crowd(episode: Episode) -> None:
    """The largest sets that would be together, found from arrivals and departures one by one."""
    packing = Packing(episode)
    program, at = packing.program(np.arange(len(packing.cost)), packing.slots)
    matrix = program.a_matrix_
    shape = program.num_row_, program.num_col_
    rows = sparse.csc_matrix((matrix.value_, matrix.index_, matrix.start_), shape=shape).tocsr()
    sets = set()
    for k in range(len(at)):
        options = packing.options[rows[[k]].indices]
        sets.add((int(options[0, 1]), frozenset(options[:, 0].tolist())))
    assert sets == {(e, frozenset(crowd)) for e, crowd, _ in optimum.crowds(episode)}


def test_steps_come_near_the_relaxation() -> None:
    """Within 1 % of the best bound on a preset."""
    episode = draw(preset("fading"), 0)
    relaxed = offload_pyomo.solve(episode, relax=True)
    most = (optimum.most_alone(episode) - relaxed.bound) / relaxed.unit
    found, _ = Packing(episode).ascend(5.0 * most)
    assert 0.99 * most <= found.value <= most + 1e-7


def test_many_experts_and_hardly_any_time() -> None:
    """A thousand subtasks have an honest bound when the time is over at once, and a schedule."""
    episode = draw(scaled(preset("mixed"), 3, 250), 0)
    answer = windows.solve(episode, time_limit=1e-9)
    assert violations(episode, answer.choice) == []
    assert answer.return_ <= answer.bound < optimum.most_alone(episode)
    assert answer.gap < 0.2
