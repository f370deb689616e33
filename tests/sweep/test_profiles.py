"""Performance profiles of small sweeps, by hand."""

from __future__ import annotations

from pathlib import Path

from helpers.jobs import THREE_BY_TWO, judged, line

from dmoe_opt.sweep import analysis, profiles
from dmoe_opt.sweep.judging import contradictions


def test_profiles_by_hand(tmp_path: Path) -> None:
    """Three instances, two methods, one failure, and an answer within 1 % of the other's bound."""
    rows = profiles.profile_rows(judged(tmp_path, *THREE_BY_TWO))
    assert {(r.within, r.method, r.seed): r.ratio for r in rows} == {
        (1e-6, "a", 0): 1.0,
        (1e-6, "a", 1): None,
        (1e-6, "a", 2): 1.0,
        (1e-6, "b", 0): 2.0,
        (1e-6, "b", 1): 1.0,
        (1e-6, "b", 2): None,
        (0.01, "a", 0): 1.0,
        (0.01, "a", 1): None,
        (0.01, "a", 2): 3.0,
        (0.01, "b", 0): 2.0,
        (0.01, "b", 1): 1.0,
        (0.01, "b", 2): 1.0,
    }
    shares = {
        (s.within, s.method): (s.instances, s.run, s.fastest, s.within_10x, s.solved)
        for s in profiles.profile_shares(rows)
    }
    assert shares == {
        (1e-6, "a"): (3, 3, 2 / 3, 2 / 3, 2 / 3),
        (1e-6, "b"): (3, 3, 1 / 3, 2 / 3, 2 / 3),
        (0.01, "a"): (3, 3, 1 / 3, 2 / 3, 2 / 3),
        (0.01, "b"): (3, 3, 2 / 3, 1.0, 1.0),
    }


def test_ties_are_fastest_together(tmp_path: Path) -> None:
    """Equal times are both the best."""
    rows = profiles.profile_rows(judged(tmp_path, line("a"), line("b")))
    assert [s.fastest for s in profiles.profile_shares(rows)] == [1.0] * 4


def test_infeasible_is_an_answer(tmp_path: Path) -> None:
    """A method that says so has solved it, unless another method has an answer."""
    rows = [line("a", 0, "infeasible"), line("b", 0, "no_solution", wall_s=0.5)]
    both = judged(tmp_path, *rows)
    assert {s.method: s.solved for s in profiles.profile_shares(profiles.profile_rows(both))} == {
        "a": 1.0,
        "b": 0.0,
    }
    assert (analysis.gap_rows(both), contradictions(both)) == ([], [])
    three = judged(tmp_path, *rows, line("c"))
    assert {s.method: s.solved for s in profiles.profile_shares(profiles.profile_rows(three))} == {
        "a": 0.0,
        "b": 0.0,
        "c": 1.0,
    }
    assert contradictions(three) == ["selection, tiny seed=0: a says infeasible, c has an answer"]


def test_unfinished_sweeps_favour_nobody(tmp_path: Path) -> None:
    """An instance on which a method has yet to run is left out.

    A method that a setting does not have counts as not run there.
    """
    other = {"options": {"num_tokens": 4}, "instance_sha256": "hash other"}
    all_of_it = judged(tmp_path, line("a", 0), line("b", 0), line("a", 1), line("b", 0, **other))
    rows = profiles.profile_rows(all_of_it)
    assert {(r.setting, r.seed, r.method): r.status for r in rows} == {
        ("tiny", 0, "a"): "optimal",
        ("tiny", 0, "b"): "optimal",
        ("tiny num_tokens=4", 0, "a"): "not run",
        ("tiny num_tokens=4", 0, "b"): "optimal",
    }
    assert {s.method: (s.run, s.solved) for s in profiles.profile_shares(rows)} == {
        "a": (1, 0.5),
        "b": (2, 1.0),
    }
    assert profiles.left_out(all_of_it, rows) == 1
