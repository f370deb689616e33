"""VIPR files: every step is judged again, in fractions, by a reader that knows the format alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import pytest
from helpers.drawn import Ended, draws, problems, rounds
from hypothesis import given

from dmoe_opt import InputError, Instance, SelectionProblem, load, prove, solve
from dmoe_opt.proof.vipr import as_vipr

Terms = dict[int, Fraction]
Row = tuple[str, Fraction, Terms]
SIGNS = {"G": 1, "L": -1, "E": 0}


class Wrong(Exception):
    """A file that proves nothing; the message says which row."""


def proven(text: str) -> Fraction:
    """The bound of the file of a minimisation, if every row follows from those before."""
    words = iter(text.split())
    assert [next(words), next(words)] == ["VER", "1.0"]
    names = [next(words) for _ in range(_count(words, "VAR"))]
    integer = {int(next(words)) for _ in range(_count(words, "INT"))}
    assert [next(words), next(words)] == ["OBJ", "min"]
    objective = _terms(words)
    given = _count(words, "CON")
    next(words)
    rows: list[Row] = [_row(words) for _ in range(given)]
    assert [next(words), next(words)] == ["RTP", "range"]
    bound, most = Fraction(next(words)), next(words)
    assert most == "inf"
    best = [
        sum((objective[k] * v for k, v in point.items()), Fraction(0))
        for point in _points(words, rows, integer)
    ]
    assumed: list[frozenset[int]] = [frozenset()] * given
    for number in range(given, given + _count(words, "DER")):
        row = _row(words)
        assert next(words) == "{"
        reason = []
        while (word := next(words)) != "}":
            reason.append(word)
        next(words)
        rows.append(row)
        assumed.append(_follows(row, reason, rows[:-1], assumed, integer, number, best, objective))
    assert len(names) > max(integer, default=-1)
    sense, right, terms = rows[-1]
    if assumed[-1] or sense != "G" or right < bound or terms != objective:
        raise Wrong("the last row")
    return bound


def _points(words: Iterator[str], rows: list[Row], integer: set[int]) -> list[Terms]:
    """The solutions, each of them checked."""
    points = []
    for _ in range(_count(words, "SOL")):
        next(words)
        point = _terms(words)
        for sense, right, terms in rows:
            value = sum((c * point.get(k, 0) for k, c in terms.items()), Fraction(0))
            if not {"G": value >= right, "L": value <= right, "E": value == right}[sense]:
                raise Wrong("a solution")
        if any(point.get(k, Fraction(0)).denominator != 1 for k in integer):
            raise Wrong("a solution")
        points.append(point)
    return points


def _follows(
    row: Row, reason: list[str], rows: list[Row], assumed: list[frozenset[int]],
    integer: set[int], number: int, best: list[Fraction], objective: Terms,
) -> frozenset[int]:  # fmt: skip
    """What a row assumes, if its reason holds."""
    kind, *words = reason
    if kind == "asm":
        return frozenset([number])
    if kind == "sol":
        if not _dominates(("L", min(best), objective), row):
            raise Wrong(f"row {number}: sol")
        return frozenset()
    if kind == "uns":
        left, a, right, b = map(int, words)
        (_, below, one), (_, above, other) = rows[a], rows[b]
        split = {rows[a][0], rows[b][0]} == {"G", "L"} and one == other and abs(above - below) == 1
        whole = all(k in integer and c.denominator == 1 for k, c in one.items())
        apart = (above > below) == (rows[b][0] == "G")
        if not (split and whole and apart and below.denominator == 1):
            raise Wrong(f"row {number}: no disjunction")
        if not (_dominates(rows[left], row) and _dominates(rows[right], row)):
            raise Wrong(f"row {number}: uns")
        return (assumed[left] - {a}) | (assumed[right] - {b})
    parts = _terms(iter(words))
    made = _sum(parts, rows, row[0])
    if kind == "rnd":
        made = _rounded(made, integer)
    if kind not in ("lin", "rnd") or made is None or not _dominates(made, row):
        raise Wrong(f"row {number}: {kind}")
    return frozenset().union(*(assumed[k] for k in parts))


def _sum(parts: Terms, rows: list[Row], wanted: str) -> Row | None:
    """Rows times multipliers, as a row of the wanted sense; None if the signs do not fit."""
    right, terms = Fraction(0), {}
    for number, multiplier in parts.items():
        sense, value, coefficients = rows[number]
        if SIGNS[wanted] * SIGNS[sense] * multiplier < 0:
            return None
        right += multiplier * value
        for k, c in coefficients.items():
            terms[k] = terms.get(k, Fraction(0)) + multiplier * c
    return wanted, right, {k: c for k, c in terms.items() if c}


def _rounded(row: Row | None, integer: set[int]) -> Row | None:
    if row is None or any(k not in integer or c.denominator != 1 for k, c in row[2].items()):
        return None
    sense, right, terms = row
    return sense, Fraction(math.ceil(right) if sense == "G" else math.floor(right)), terms


def _dominates(row: Row, other: Row) -> bool:
    """Whether whatever meets a row meets the other."""
    sense, right, terms = row
    if not terms and {"G": right > 0, "L": right < 0, "E": right != 0}[sense]:
        return True  # nothing at all meets 0 >= 1
    if terms != other[2] or sense != other[0]:
        return False
    return SIGNS[sense] * (right - other[1]) >= 0


def _count(words: Iterator[str], section: str) -> int:
    assert next(words) == section
    return int(next(words))


def _terms(words: Iterator[str]) -> Terms:
    return {int(next(words)): Fraction(next(words)) for _ in range(int(next(words)))}


def _row(words: Iterator[str]) -> Row:
    next(words)
    return next(words), Fraction(next(words)), _terms(words)


def written(data: Instance | SelectionProblem, problem: str) -> tuple[str, Any]:
    certificate = prove(data, solve(data, problem))
    return as_vipr(data, certificate.fields), certificate.bound_j


@given(problem=problems())
def test_experts_are_proven(problem: SelectionProblem) -> None:
    """The reader proves the bound that the checker has accepted."""
    if solve(problem).objective_j is not None:
        text, bound_j = written(problem, "selection")
        assert float(proven(text)) == pytest.approx(bound_j, rel=1e-12)


@draws(0.5)
@given(instance=rounds())
def test_rounds_are_proven(instance: Instance) -> None:
    """With prices and rents too, and several experts on a node."""
    if solve(instance, "jesa").objective_j is not None:
        text, bound_j = written(instance, "jesa")
        assert float(proven(text)) == pytest.approx(bound_j, rel=1e-9, abs=1e-300)


def test_trees_by_size_are_proven() -> None:
    """The chain over the number of experts, with branches of too few and of too many."""
    problem = SelectionProblem([[0.5, 0.25, 0.25]], [[1.0, 3.0, 2.0]], 0.6, 2)
    two = [0, [1, [2, 0, 0], 8.0], [1, [2, 0, 0], 0]]
    fields = {
        "problem": "selection",
        "bound_j": 3.0,
        "tokens": [{"z": 3, "tree": ["sizes", [0, 0, two]]}],
    }
    assert proven(as_vipr(problem, fields)) == 3


def test_the_reader_refuses() -> None:
    """A bound that is raised, and any row that is, unless nothing meets it anyway."""
    text, _ = written(load("tiny-s1"), "selection")
    lines = text.splitlines()
    for k, line in enumerate(lines):
        if line.startswith("RTP"):
            changed = "RTP range 1 inf"
        elif "{ rnd" in line:
            changed = line.replace("G ", "G 1", 1)
        elif "{ lin" in line and " 0 { lin" not in line:
            changed = line.replace(" G ", " G 9", 1)
        else:
            continue
        with pytest.raises(Wrong):
            proven("\n".join([*lines[:k], changed, *lines[k + 1 :]]))


HAND = """VER 1.0 VAR 1 x INT 1 0 OBJ min 1 0 3 CON 2 1 C0 G 0 1 0 1 C1 G 1 1 0 2
RTP range {bound} inf SOL 1 best 1 0 2 DER 3 D2 L {most} 1 0 3 {{ sol }} -1
D3 G 1 1 0 1 {{ rnd 1 1 1/2 }} -1 D4 G 3 1 0 3 {{ lin 1 3 3 }} -1"""
"""At least 3 x, for a whole x of at least 1/2; the solution x = 2 is worth 6."""


def test_a_file_by_hand() -> None:
    """The reason that ours do not need: no better solution than one that is listed."""
    assert proven(HAND.format(bound=3, most=6)) == 3
    for bound, most in ((4, 6), (3, 5)):
        with pytest.raises(Wrong):
            proven(HAND.format(bound=bound, most=most))


def test_what_vipr_does_not_hold(typed: Callable[..., Ended]) -> None:
    """Given experts, and rounds without an answer; on the command line the suffix asks for it."""
    for fields in ({"problem": "allocation", "bound_j": 1.0}, {"problem": "jesa", "bound_j": None}):
        with pytest.raises(InputError, match="allowed: a bound of selection or jesa"):
            as_vipr(load("tiny-s1"), fields)
    solve_tiny = ("solve", "tiny-s1", "-o", "s.json", "--proof", "p.vipr", "--problem")
    ended = typed(*solve_tiny, "selection")
    assert (ended.returncode, "optimal" in ended.stdout) == (0, True)
    refused = typed("check", "tiny-s1", "s.json", "--proof", "p.vipr")
    assert (refused.returncode, "checker of VIPR" in refused.stderr) == (2, True)
    assert typed(*solve_tiny, "allocation").returncode == 2
