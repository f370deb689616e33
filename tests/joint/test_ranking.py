"""The best answers to a round with distinct selections, against enumeration."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from helpers.drawn import Ended, cheapest_allocation, draws, rounds
from helpers.enumerated import drawn, drawn_on_nodes, energies
from hypothesis import given

from dmoe_opt import InputError, Instance, Status, check, load, solve
from dmoe_opt.answer.objective import violations


def energies_within(instance: Instance, gap: float) -> list[float]:
    """Energies of all selections with their best allocation, within a gap of the least."""
    sets = itertools.product([False, True], repeat=instance.num_experts)
    energies = []
    for rows in itertools.product(list(sets), repeat=instance.num_tokens):
        selection = np.array(rows, dtype=bool).reshape(instance.scores.shape)
        if not violations(instance.selection_problem(), selection):
            energies.append(cheapest_allocation(instance, selection))
    known = sorted(energy for energy in energies if energy is not None)
    return [energy for energy in known if energy <= known[0] * (1 + gap) * (1 + 1e-9)]


@draws(0.5)
@given(instance=rounds())
def test_lists_are_those_of_enumeration(instance: Instance) -> None:
    """As many as asked for or within the gap, in order and proven, each selection once."""
    result = solve(instance, "jesa", "exact", count=6, gap=0.5)
    if result.status is Status.INFEASIBLE:
        assert result.round_ranking is None
        return
    assert result.round_ranking is not None
    energies = [best.energy_j for best in result.round_ranking]
    assert energies == pytest.approx(energies_within(instance, 0.5)[:6], rel=1e-6, abs=1e-12)
    assert energies == sorted(energies)
    assert all(best.proven for best in result.round_ranking)
    assert check(instance, result) == []


@pytest.mark.parametrize("draw", [drawn, drawn_on_nodes])
def test_lists_under_optional_rules(draw: Callable[[int], Instance]) -> None:
    """The same with every optional rule, and with experts that tokens are sent to once per node."""
    lengths = set()
    for seed in range(9):
        instance = draw(seed)
        known = energies(instance)
        result = solve(instance, "jesa", "exact", count=4, gap=0.5)
        if not known:
            assert result.status is Status.INFEASIBLE
            continue
        listed = [best.energy_j for best in result.round_ranking or []]
        wanted = [energy for energy in known if energy <= known[0] * 1.5 * (1 + 1e-9)][:4]
        assert listed == pytest.approx(wanted, rel=1e-6, abs=1e-9), seed
        assert all(best.proven for best in result.round_ranking or [])
        assert check(instance, result) == []
        lengths.add(len(listed))
    assert {1, 4} <= lengths


def test_scarce_subcarriers() -> None:
    """Where links compete the second best is not what a change of one token suggests."""
    round_ = load("scarce-8x36-s0")
    result = solve(round_, "jesa", "exact", count=3)
    assert [best.proven for best in result.round_ranking or []] == [True] * 3
    assert check(round_, result) == []


def test_a_gap_without_a_count_is_refused() -> None:
    """It would do nothing."""
    with pytest.raises(InputError, match="gap is given without count"):
        solve(load("tiny-s1"), "jesa", "exact", gap=0.1)
    with pytest.raises(InputError, match=r"gap = 2; allowed: a number in \[0, 1\]"):
        solve(load("tiny-s1"), "jesa", "exact", count=2, gap=2)


def test_command(typed: Callable[..., Ended]) -> None:
    """Ranks, energies and what differs are printed; a file of them passes the check."""
    exact = ["--problem", "jesa", "--method", "exact", "--count", "2", "--gap", "0.2"]
    for arguments, said in ((["--count", "2"], "0, 1"), (exact, "token 2: 1, 2 for 0, 2")):
        printed = typed("solve", "tiny-s1", *arguments, "-o", "s.json")
        assert (printed.returncode, said in printed.stdout) == (0, True)
        checked = typed("check", "tiny-s1", "s.json")
        assert (checked.returncode, "order of all answers" in checked.stdout) == (0, True)
