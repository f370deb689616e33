"""Reading jobs: names of methods, contradictions, broken files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.jobs import judged, line, write

from dmoe_opt import InputError
from dmoe_opt.sweep.judging import contradictions, read_jobs


def test_a_bound_above_an_answer_is_told(tmp_path: Path) -> None:
    """One of the two is wrong, and rounding is not."""
    false = judged(tmp_path, line("a", objective=1.0), line("b", 0, "feasible", 1.2, bound_j=1.1))
    assert contradictions(false) == [
        "selection, tiny seed=0: the bound 1.1 J of b is above the 1 J of a"
    ]
    assert contradictions(judged(tmp_path, line("a"), line("b", objective=1 + 1e-12))) == []


def test_settings_of_a_method_are_lines(tmp_path: Path) -> None:
    """Options of the method that differ are in its name.

    Options of the generator, and options that are the same everywhere, are not.
    """
    limit = {"num_tokens": 8, "time_limit": 9}
    rows = [
        line("bcd", options=limit),
        line("bcd", options=limit | {"restarts": 4}),
        line("des", options=limit),
    ]
    assert {j.line for j in judged(tmp_path, *rows)} == {"bcd", "bcd restarts=4", "des"}


def test_damaged_lines_are_passed_over(tmp_path: Path) -> None:
    """A row that a killed process left half written loses only itself."""
    rows = [line("a"), line("b")]
    whole = json.dumps(line("c"))
    text = whole[:30] + whole + "\n" + whole + "\n"
    assert [job.method for job in read_jobs(write(tmp_path, rows, text))] == ["a", "b", "c"]


def test_a_cut_last_line_is_passed_over(tmp_path: Path) -> None:
    """Of a job that is there twice the last line counts, with or without an end of line."""
    rows = [line("a", wall_s=1.0), line("b"), line("a", wall_s=2.0)]
    whole = json.dumps(line("c"))
    for cut in (1, len(whole) // 2, len(whole) - 1):
        assert [job.wall_s for job in read_jobs(write(tmp_path, rows, whole[:cut]))] == [2.0, 1.0]
    assert len(read_jobs(write(tmp_path, rows, whole))) == 3


@pytest.mark.parametrize(
    ("end", "says"),
    [
        ('{"key": "short"}\n', "line 2: preset is missing"),
        (json.dumps(line("a", wall_s=-1.0)) + "\n", "line 2: wall_s = -1.0; allowed: "),
        (
            json.dumps(line("a", 0, "solved")),
            'line 2: status = \'solved\'; allowed: "optimal" or "feasible" or ',
        ),
        (
            json.dumps(line("a")).replace("1.0", "NaN") + "\n",
            "line 2: objective_j = nan; allowed: finite numbers",
        ),
    ],
)
def test_a_broken_line_is_one_complaint(tmp_path: Path, end: str, says: str) -> None:
    """With file and number of the line."""
    with pytest.raises(InputError) as complaint:
        read_jobs(write(tmp_path, [line("b")], end))
    text = str(complaint.value)
    assert text.startswith(f"{tmp_path / 'results.jsonl'}: {says}")
    assert "\n" not in text
