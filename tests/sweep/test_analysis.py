"""Gaps and savings of small sweeps, by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from helpers.jobs import judged, line

from dmoe_opt.comparing.rows import half_width
from dmoe_opt.sweep import analysis


def test_gaps_by_hand(tmp_path: Path) -> None:
    """Gaps are to the best bound of any method; failures are no answers."""
    rows = [line("a", seed, objective=1.0) for seed in range(4)]
    rows += [
        line("b", s, "feasible", objective=v, bound_j=0.5) for s, v in enumerate((1.0, 1.25, 2.0))
    ] + [line("b", 3, "failed")]
    exact, rough = analysis.gap_summaries(analysis.gap_rows(judged(tmp_path, *rows)))
    assert (exact.jobs, exact.answers, exact.failed, exact.median, exact.worst, exact.proven) == (
        4,
        4,
        0,
        0.0,
        0.0,
        1.0,
    )
    assert (rough.jobs, rough.answers, rough.failed, rough.proven) == (4, 3, 1, 0.0)
    assert (rough.median, rough.p90, rough.worst) == pytest.approx((0.2, 0.44, 0.5))


def test_savings_by_hand(tmp_path: Path) -> None:
    """Mean and interval over the instances to which both have an answer."""
    rows = [
        line("topk", s, "feasible", objective=v, bound_j=0.0)
        for s, v in enumerate((2.0, 4.0, 5.0, 1.0))
    ]
    rows += [line("des", s, objective=v) for s, v in enumerate((1.0, 3.0, 5.0))] + [
        line("des", 3, "failed"),
        line("des", 4),
    ]
    (saving,) = analysis.savings(judged(tmp_path, *rows))
    assert (saving.method, saving.instances, saving.saved) == ("des", 3, pytest.approx(0.25))
    assert (
        saving.saved_ci95
        == pytest.approx(half_width(np.array([0.5, 0.25, 0.0])))
        == pytest.approx(4.3026527 * 0.25 / 3**0.5)
    )
    assert saving.against == "topk"
    topp = [line("topp", s, objective=v) for s, v in enumerate((2.0, 3.0))]
    both = analysis.savings(judged(tmp_path, *rows, *topp))
    found = {(s.against, s.method): (s.instances, s.saved) for s in both}
    assert found["topp", "des"] == (2, pytest.approx(0.25))
    assert found["topp", "topk"] == (2, pytest.approx(-1 / 6))
    assert found["topk", "topp"] == (2, pytest.approx(0.125))
    assert analysis.savings(judged(tmp_path, line("des"))) == []
