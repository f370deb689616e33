"""The front door: `solve` accepts, and answers show, what the table of methods declares."""

from __future__ import annotations

from typing import Any

import pytest

from dmoe_opt import InputError, Status, load, solve
from dmoe_opt.method_table import METHODS, Proof, takers
from dmoe_opt.solving import prepare

ROWS = [(problem, name) for problem, rows in METHODS.items() for name in rows]
SLOW = ("jesa", "pyomo")
"""It takes half a minute to refute a round of eight nodes."""
VALUES: dict[str, Any] = {
    "time_limit": 60.0,
    "seed": 1,
    "node_limit": 1000,
    "threads": 1,
    "restarts": 1,
    "solver": "highs",
    "relax": True,
    "count": 2,
    "gap": 0.1,
    "progress": lambda done, total: None,
    "log": lambda energy_j, bound_j: None,
    "start": solve(load("tiny-s1"), "jesa", "topk"),
}


@pytest.mark.parametrize(("problem", "method"), ROWS)
def test_methods_take_the_options_that_are_declared(problem: str, method: str) -> None:
    """Each option reaches the method, all together; any other is refused with the list."""
    round_ = load("tiny-s1")
    options = METHODS[problem][method].options
    given = {option.name: VALUES[option.name] for option in options if option.name in VALUES}
    assert solve(round_, problem, method, **given).problem == problem
    for option in takers():
        if option not in options and option.name not in ("time_limit", "seed", "selection"):
            with pytest.raises(InputError, match=f"option {option.name} is unknown to method"):
                solve(round_, problem, method, **{option.name: VALUES[option.name]})


@pytest.mark.parametrize(
    ("problem", "method", "instance"),
    [(*row, "tiny-s1") for row in ROWS] + [(*row, "scarce-8x36-s1") for row in ROWS if row != SLOW],
)
def test_methods_prove_what_the_table_says(problem: str, method: str, instance: str) -> None:
    """`yes` always proves, `no` never does; an answer is optimal only where its bound is met."""
    proves = METHODS[problem][method].proves
    result = solve(load(instance), problem, method)
    if proves is Proof.YES:
        assert result.status in (Status.OPTIMAL, Status.INFEASIBLE)
    if proves is Proof.NO:
        assert result.status in (Status.FEASIBLE, Status.NO_SOLUTION)
        assert result.bound_j is None
    if result.status is Status.OPTIMAL:
        assert result.objective_j == pytest.approx(result.bound_j, rel=1e-8)


@pytest.mark.parametrize("problem", METHODS)
def test_kernels_are_prepared_apart_from_the_clock(problem: str) -> None:
    """Preparing twice costs nothing and changes nothing."""
    prepare(problem)
    prepare(problem)
