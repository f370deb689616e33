"""Proofs by cases: where prices leave a gap, two cases close it."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.enumerated import drawn, drawn_on_nodes

from dmoe_opt import Instance, generate, prove, solve
from tests.campaigns.forgeries import three_pairs


def test_cases_close_the_gap_of_waking() -> None:
    """Each of three tokens has two of three experts to wake: 1.5 J by prices, 2 J by cases."""
    pairs = three_pairs()
    result = solve(pairs, "jesa")
    certificate = prove(pairs, result)
    assert (result.objective_j, certificate.fields["split"][0]) == (2.0, "expert")
    assert certificate.bound_j is not None
    assert 2 * (1 - 1e-6) < certificate.bound_j <= 2
    assert prove(pairs.replace(wake_energy=np.zeros(3)), result).bound_j == 0.0


@pytest.mark.parametrize("round_", [drawn_on_nodes(513), drawn(1261)], ids=["plain", "late"])
def test_more_links_than_subcarriers_are_a_case_without_an_answer(round_: Instance) -> None:
    """Prices drop half of a token that needs two links on one subcarrier, and cases do not."""
    result = solve(round_, "jesa")
    certificate = prove(round_, result)
    assert result.objective_j is not None
    assert certificate.bound_j is not None
    assert result.objective_j * (1 - 1e-6) <= certificate.bound_j <= result.objective_j


def test_a_link_pays_for_each_subcarrier_that_it_needs() -> None:
    """Under a deadline rents close what is left where a token counts on every subcarrier: 0.1 %."""
    late = generate("deadline-8x64", 3)
    result = solve(late, "jesa")
    certificate = prove(late, result)
    assert certificate.bound_j is not None
    assert result.objective_j is not None
    assert result.objective_j * (1 - 1e-6) <= certificate.bound_j <= result.objective_j
