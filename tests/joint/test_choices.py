"""Listed sets of experts: all that lose the threshold with each of their experts."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from helpers.enumerated import drawn
from hypothesis import given
from hypothesis import strategies as st

from dmoe_opt import generate
from dmoe_opt.joint.choices import choices_of


@given(st.integers(0, 2**32 - 1))
def test_listed_sets_are_those_that_no_expert_can_leave(seed: int) -> None:
    """Against every subset of at most D experts, by the relevance that methods must reach."""
    data = drawn(seed)
    problem = data.selection_problem()
    wanted = set()
    for t in range(data.num_tokens):
        enough = {
            experts
            for size in range(data.max_experts + 1)
            for experts in combinations(np.flatnonzero(problem.usable[t]).tolist(), size)
            if problem.usable_units[t, list(experts)].sum() >= problem.need_units[t]
        }
        for experts in enough:
            if not any({*experts} - {j} == {*other} for j in experts for other in enough):
                wanted.add((t, experts))
    choices = choices_of(data, problem.usable)
    assert choices is not None
    listed = [
        (int(t), tuple(np.flatnonzero(experts).tolist()))
        for t, experts in zip(*choices, strict=True)
    ]
    assert len(listed) == len(set(listed))
    assert set(listed) == wanted


def test_too_many_sets_are_not_listed() -> None:
    """Sets of 8 out of 64 experts are too many."""
    data = generate("olmoe-64", 0, num_tokens=4)
    assert choices_of(data, data.selection_problem().usable) is None
