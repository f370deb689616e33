"""Cuts of sets that fall short."""

from __future__ import annotations

import itertools

import numpy as np

from dmoe_opt.selection.covers import cuts


def test_cuts_remove_the_set_and_no_set_that_reaches_the_need() -> None:
    """Against enumeration, with equal and nearly equal scores, scores of 0, sets of every size."""
    rng = np.random.default_rng(0)
    kinds = [0, 0, 0]
    for _ in range(600):
        experts = int(rng.integers(1, 7))
        most = int(rng.integers(1, experts + 1))
        base = rng.choice([0, 100], size=experts, p=rng.choice([[1, 0], [0.1, 0.9]]))
        units = rng.integers(0, 9, size=experts) + base.astype(float)
        chosen = np.zeros(experts, dtype=bool)
        chosen[rng.permutation(experts)[: rng.integers(0, most + 1)]] = True
        need = units[chosen].sum() + rng.integers(1, 12)
        found = cuts(units, need, most, chosen)
        sizes = range(most + 1)
        sets = [list(s) for n in sizes for s in itertools.combinations(range(experts), n)]
        for number, (weights, least) in enumerate(found):
            kinds[number] += 1
            assert weights[chosen].sum() < least
            for members in sets:
                assert units[members].sum() < need or weights[members].sum() >= least
    assert min(kinds) > 100
