"""Pictures of comparisons."""

from __future__ import annotations

from dmoe_opt import compare
from dmoe_opt.comparing.judged import REFUSED
from dmoe_opt.plot.comparison import comparison


def test_rounds_that_do_not_pose_the_problem_have_no_line() -> None:
    """Every method of selection refuses a deadline; the picture is that of the other rounds."""
    asked = compare(["tiny-s1", "digits-l4", "deadline-8x64-s1"], methods=["topk", "greedy"]).rows
    posed = [row for row in asked if row.instance != "deadline-8x64-s1"]
    assert {row.status for row in asked if row not in posed} == {REFUSED}
    assert comparison(asked) == comparison(posed)
