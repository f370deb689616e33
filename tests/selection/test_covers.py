"""Cuts of sets that fall short."""

from __future__ import annotations

import itertools

import numpy as np

from dmoe_opt.selection.covers import one_needed


def test_cuts_remove_the_set_and_no_set_that_reaches_the_need() -> None:
    """Against enumeration, with equal scores, scores of 0, and sets of every size."""
    rng = np.random.default_rng(0)
    cuts = 0
    for _ in range(400):
        experts = int(rng.integers(1, 7))
        most = int(rng.integers(1, experts + 1))
        units = rng.integers(0, 9, size=experts).astype(float)
        need = float(rng.integers(1, 20))
        chosen = np.zeros(experts, dtype=bool)
        chosen[rng.permutation(experts)[: rng.integers(0, most + 1)]] = True
        if units[chosen].sum() >= need:
            continue
        cuts += 1
        needed = one_needed(units, need, most, chosen)
        assert not (needed & chosen).any()
        for size in range(most + 1):
            for members in map(list, itertools.combinations(range(experts), size)):
                assert units[members].sum() < need or needed[members].any()
    assert cuts > 100
