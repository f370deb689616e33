"""Assignments by our own kernel, which a time limit can end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from dmoe_opt import Decision, clock, generate
from dmoe_opt.allocation import assignment, least_cost
from dmoe_opt.data.instance import Instance
from dmoe_opt.selection.relaxed import relaxed_bound

COSTS = st.sampled_from([0.0, 0.25, 1.0, 1 / 3, -2.0, least_cost.DEAD])
SHAPES = arrays.array_shapes(min_dims=2, max_dims=2, max_side=9)


@given(cost=arrays.arrays(np.float64, SHAPES, elements=COSTS))
def test_same_assignment_as_scipy(cost: np.ndarray) -> None:
    """Rows and columns are those of scipy, ties included, whichever side is longer."""
    mine = least_cost.match(cost)
    for one, other in zip(mine, linear_sum_assignment(cost), strict=True):
        assert one.tolist() == other.tolist()


@given(seed=st.integers(0, 100), dead=st.floats(0, 0.9))
@example(seed=84, dead=0.890625)
def test_all_links_are_served_where_the_time_is_up(seed: int, dead: float) -> None:
    """Without time for an assignment, links still have working subcarriers of their own."""
    whole = generate("edge-8x64", seed, num_tokens=32)
    assert isinstance(whole, Instance)
    drawn = np.random.default_rng(seed).random(whole.link_energy.shape)
    data = whole.replace(radio=None, link_energy=np.where(drawn < dead, 1e300, whole.link_energy))
    selection, _ = relaxed_bound(data)
    load = Decision(data, selection).loads
    with pytest.MonkeyPatch.context() as patch, clock.until(0.0):
        patch.setattr(least_cost, "LARGE", 0)
        allocation = assignment.allocate(data, load)
    works = np.where(drawn < dead, 0, 1)[load > 0]
    if (maximum_bipartite_matching(csr_matrix(works), perm_type="column") < 0).any():
        assert allocation is None  # too few subcarriers work
    else:
        assert not Decision(data, selection, allocation).violations
