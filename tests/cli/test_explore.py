"""`dmoe-opt explore` writes a page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from helpers.drawn import Ended

from dmoe_opt import SelectionProblem, save


def test_a_page_is_written_or_nothing(typed: Callable[..., Ended], tmp_path: Path) -> None:
    """The page bears the name of the file unless another is given; errors come before the work."""
    problem = SelectionProblem(
        scores=[[0.5, 0.25, 0.25]], cost=[[1.0, 3.0, 2.0]], threshold=0.6, max_experts=2
    )
    save(problem, tmp_path / "mine.json")
    done = typed("explore", "mine.json")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "wrote mine.html\n")
    assert "<svg" in (tmp_path / "mine.html").read_text()
    refused = typed("explore", "mine.json", "-o", "nowhere/mine.html")
    assert refused.returncode == 2
    assert (
        refused.stderr
        == "dmoe-opt: nowhere/mine.html: cannot be written: No such file or directory\n"
    )
