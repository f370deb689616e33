"""The N best selections of every token, against enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from helpers.drawn import on_nodes, problems
from hypothesis import given
from hypothesis import strategies as st

from dmoe_opt import SelectionProblem, check, load, solve
from dmoe_opt.answer.objective import energy_j
from dmoe_opt.data.problem import SCORE_UNIT
from dmoe_opt.selection import des, ranking


def every_selection(problem: SelectionProblem, t: int) -> list[tuple[float, list[int]]]:
    """All selections of a token that keep the rules, by energy, then lexicographically."""
    alone = problem.rows(np.array([t]))
    sets = []
    for size in range(min(problem.max_experts, problem.num_experts) + 1):
        for experts in itertools.combinations(np.flatnonzero(problem.usable[t]).tolist(), size):
            reached = np.rint(problem.scores[t, list(experts)] * SCORE_UNIT).sum()
            if reached >= problem.need_units[t]:
                chosen = np.zeros((1, problem.num_experts), dtype=bool)
                chosen[0, list(experts)] = True
                sets.append((energy_j(alone, chosen), list(experts)))
    return sorted(sets)


@given(
    problem=st.one_of(problems(most_experts=5, most_tokens=3), on_nodes()), count=st.integers(1, 12)
)
def test_lists_are_those_of_enumeration(problem: SelectionProblem, count: int) -> None:
    """Ties, zeros, dead links, lowered thresholds, nodes paid once: the same lists, all proven."""
    result = solve(problem, count=count)
    if problem.infeasibility() is not None:
        assert result.token_ranking is None
        return
    assert result.token_ranking is not None
    for t, listed in enumerate(result.token_ranking):
        wanted = every_selection(problem, t)[:count]
        assert [(best.energy_j, best.experts) for best in listed] == wanted
        assert all(best.proven for best in listed)
    assert result.objective_j == pytest.approx(solve(problem).objective_j, rel=1e-12)
    assert check(problem, result) == []


@given(problem=problems(most_experts=6, most_tokens=2, on_grid=False))
def test_the_last_list_holds_everything(problem: SelectionProblem) -> None:
    """With a count that is large enough, scores off the grid too: each selection once."""
    result = solve(problem, count=64)
    for t, listed in enumerate(result.token_ranking or []):
        wanted = every_selection(problem, t)
        assert sorted(best.experts for best in listed) == sorted(experts for _, experts in wanted)
        energies = [best.energy_j for best in listed]
        assert energies == sorted(energies)


def test_a_limit_leaves_the_order_open() -> None:
    """What was found is listed and correct; what a missing one may precede is not proven."""
    problem = load("subset-sum-s1")
    limited = solve(problem, count=3, node_limit=20)
    assert limited.token_ranking is not None
    entries = [best for listed in limited.token_ranking for best in listed]
    assert not all(best.proven for best in entries)
    assert check(problem, limited) == []
    stopped = ranking.solve_ranked(problem, 1000, time_limit=0.05)
    assert check(problem, stopped) == []


def test_threads_and_large_batches_do_not_change_the_lists() -> None:
    """The first of each list is the answer of DES."""
    problem = load("edge-8x64-s1").selection_problem()
    one, two = solve(problem, count=4), solve(problem, count=4, threads=2)
    assert one.token_ranking == two.token_ranking
    assert (one.selection == des.solve_des(problem).selection).all()
    assert {len(listed) for listed in one.token_ranking or []} <= {1, 2, 3, 4}
