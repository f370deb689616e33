"""Data made in Python is checked, copied and read-only."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from dmoe_opt import InputError, Instance, Radio, SelectionProblem, load
from dmoe_opt.data import validate


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: SelectionProblem(scores=[[0.5, 2]], cost=[[1, 1]], threshold=1, max_experts=1),
            "scores[0][1] = 2.0",
        ),
        (
            lambda: SelectionProblem(scores=[["a"]], cost=[[1]], threshold=1, max_experts=1),
            "scores = [['a']]",
        ),
        (
            lambda: SelectionProblem(scores=[[1]], cost=[[1]], threshold=1, max_experts=True),
            "max_experts = True",
        ),
        (
            lambda: SelectionProblem(scores=[[1]], cost=[[1, 2]], threshold=1, max_experts=1),
            "cost has shape 1 x 2",
        ),
        (lambda: Radio(np.ones((2, 3, 1)), 1, 1, 1, 1), "radio.gains has shape"),
        (
            lambda: Radio(np.ones((1, 1, 1)), "x", 1, 1, 1),  # type: ignore[arg-type]
            "radio.bandwidth_hz = 'x'",
        ),
        (
            lambda: Instance([0], [[1.0]], 0.5, 1, [1.0]),  # type: ignore[arg-type]
            "exactly one of them",
        ),
    ],
)
def test_constructors_check(make: Callable[[], object], message: str) -> None:
    """Data made in Python is checked by the same rules."""
    with pytest.raises(InputError) as caught:
        make()
    assert message in str(caught.value)


def test_data_is_read_only_and_apart() -> None:
    """Arrays cannot be changed, neither through the instance nor through what it was made from."""
    scores, cost = np.array([[0.5]]), np.array([[1.0]])
    problem = SelectionProblem(scores=scores, cost=cost, threshold=np.array([0.5]), max_experts=1)
    scores[0, 0] = 0.0
    assert problem.scores[0, 0] == 0.5
    with pytest.raises(ValueError, match="read-only"):
        problem.scores[0, 0] = 1.0
    other = problem.replace(threshold=0.25)
    assert (problem.threshold[0], other.threshold[0]) == (0.5, 0.25)


def nested(value: object, levels: int) -> object:
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (
            [[0.5, 0.5], [0.5]],
            "scores[1] has 1 entries; allowed: as many as scores[0], which has 2",
        ),
        (
            [0.5, [0.5]],
            "scores[1] has 1 entries; allowed: as many as scores[0], which has a single",
        ),
        ([np.ones(2), np.ones(3)], "scores[1] has 3 entries; allowed: as many as scores[0], which"),
        ([np.ones(2), 0.5], "scores[1] has a single value; allowed: as many as scores[0], which"),
        (
            [[[0.5], [0.5]], [[0.5, 0.5], [0.5, 0.5]]],
            "scores[1] has 2 rows of another length than scores[0]; allowed: a full array",
        ),
        (nested(0.5, 75), "scores = [[["),
        (nested([0.5, [0.5]], 75), "scores = [[["),
    ],
)
def test_uneven_rows(scores: object, message: str) -> None:
    """The first row that does not fit its neighbours is named; absurd nesting is refused."""
    with pytest.raises(InputError) as caught:
        validate.real_array("scores", scores, (None, None))
    assert str(caught.value).startswith(message)


def test_notes_are_one_line() -> None:
    """A key of the notes may hold a line break; the complaint does not."""
    with pytest.raises(InputError, match=r"^meta\.a b = 1000000000000000000000000000000; "):
        validate.plain("meta", {"a\nb": 10**30})


def test_an_absent_placement_is_the_same_round() -> None:
    """The digest of a committed round is what it was before rounds had placements."""
    digest = "3a7e216df3cc65750e9d85ff42785d9b6b994f99f7c1ef958d957a8fb18c9dc9"
    assert load("tiny-s1").sha256 == digest


@pytest.mark.parametrize("value", [0, -0.0, "", [], 1, np.zeros(2)])
def test_a_flag_is_true_or_false(value: object) -> None:
    """Nothing else stands for either, also if Python takes it for one."""
    with pytest.raises(InputError, match=r"^send_once = .*; allowed: true or false$"):
        load("tiny-s1").replace(send_once=value)


def test_numbers_are_checked_up_to_their_ends() -> None:
    """Both ends of the range are allowed, and the least number beyond each of them is not."""
    ends = validate.real_array("x", [0.0, 5e-324, 1.0], (None,), most=1.0)
    assert ends.tolist() == [0.0, 5e-324, 1.0]
    zero = validate.real_array("x", [1.0, -0.0], (None,), most=1.0)
    assert zero.tobytes() == np.array([1.0, 0.0]).tobytes()
    for beyond in (np.nextafter(1.0, 2.0), -5e-324, np.nan, -np.nan, np.inf, -np.inf):
        with pytest.raises(InputError, match=r"^x\[1\] = "):
            validate.real_array("x", [0.5, beyond], (None,), most=1.0)


def test_notes_are_nested_so_deep_at_most() -> None:
    """The notes and 49 lists inside are read, one list more is refused."""
    deepest = {"a": nested(0.5, validate.MOST_DEPTH - 1)}
    assert validate.plain("meta", deepest) == deepest
    with pytest.raises(InputError, match="allowed: at most 50 levels of nesting"):
        validate.plain("meta", {"a": [deepest["a"]]})


@pytest.mark.parametrize(
    "note", ["\ud800", {"\ud800": 1}, 2**63, -(2**63) - 1, np.inf, {1: 2}, {2}]
)
def test_notes_that_json_has_not(note: object) -> None:
    """Refused alone, in an object and in a list: they could not be written to a file."""
    for notes in ({"a": note}, {"a": [note]}, {"a": {"b": note}}):
        with pytest.raises(InputError):
            validate.plain("meta", notes)
