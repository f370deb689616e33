"""Rounded scores in DES: their bound holds, and a search with them loses no optimum."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from benchmarks.unlisted import DRAWS, draw

from dmoe_opt import compiling, solve
from dmoe_opt.selection import des_kernel
from dmoe_opt.selection.des_bound import E, G, H, best_dual
from dmoe_opt.selection.des_kernel import workspace
from dmoe_opt.selection.des_rounded import rounded_dual


def test_rounded_scores_bound_all_sets() -> None:
    """Sets that reach the need have the worth that is asked, and none costs less than the bound.

    Scores reach from near-ties to a factor of 1000, and the cap of three binds at times.
    """
    rng = np.random.default_rng(7)
    better = 0
    for spread in np.repeat([1e-3, 0.1, 1.0, 3.0], 25):
        m, hi = 9, 3
        w = workspace(m, hi)
        g, e = w.real[G], w.real[E]
        g[:m] = np.rint(1e6 * 10.0 ** -rng.uniform(0, spread, m))
        e[:m] = np.sqrt(g[:m] / 1e6) * rng.uniform(0.9, 1.1, m)
        need = np.floor(rng.uniform(0.1, 0.95) * np.sort(g[:m])[-hi:].sum())
        sets = [s for n in range(1, hi + 1) for s in combinations(range(m), n)]
        sets = [list(s) for s in sets if g[list(s)].sum() >= need]
        with np.errstate(all="ignore"):
            plain, price, _, _ = best_dual(g, e, m, need, 0, hi, np.inf, 0, w)
            bound, _, worth = rounded_dual(g, e, m, need, hi, price, 0.0, w)
        assert min(w.real[H][s].sum() for s in sets) >= worth * (1 - 1e-12)
        assert bound <= min(e[s].sum() for s in sets) * (1 + 1e-12)
        better += bound > plain * 1.001
    assert better >= 50


def test_the_bound_of_rounded_scores_is_kept() -> None:
    """Where costs are stairs it is tight, though sets that cost nearly the same keep nodes busy.

    The bounds of single sizes leave a gap of 0.5 %.
    """
    problem = draw("stairs", 256, 32, 2, 0.5).rows(np.array([0]))
    result = solve(problem, node_limit=3_000)
    assert result.gap is not None
    assert result.gap < 1e-4


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_rounded_scores_lose_no_optimum(share: float) -> None:
    """Also where they are tried before the first node, and whatever they leave of the gap."""
    for family in DRAWS:
        problem = draw(family, 12, 4, 4, share)
        with pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
            patch.setattr(compiling, "call", lambda kernel, *args, little: kernel(*args))
            patch.setattr(des_kernel, "EASY_NODES", 0)
            patch.setattr(des_kernel, "NARROWER", 0.0)
            found = solve(problem)
        optimum = solve(problem, method="exhaustive").objective_j
        assert found.objective_j == pytest.approx(optimum, rel=1e-12), family
