"""The front door: solve an instance by a method of the table, and check the answer."""

from __future__ import annotations

import time
from typing import Any, Unpack

from dmoe_opt import compiling
from dmoe_opt.answer.result import Result, infeasible
from dmoe_opt.data import validate
from dmoe_opt.data.instance import Instance, as_problem
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.errors import InputError
from dmoe_opt.method_options import SEED, START, TIME_LIMIT, Options
from dmoe_opt.method_table import Method, default_method, require_rules
from dmoe_opt.own_methods import Given, find, start_from
from dmoe_opt.selection import search

LITTLE = {"selection": search.LITTLE, "allocation": search.LITTLE, "jesa": search.LITTLE // 32}
"""Scores of an instance that is solved before numba is loaded; rounds call DES many times."""


def prepare(problem: str, scores: int | None = None) -> None:
    """Compile the kernels of a problem's methods, or load them from numba's cache.

    The time this takes is not the time of any method. An instance with few `scores` needs none.
    """
    if problem != "selection":  # imported before the clock runs
        from dmoe_opt.joint import lagrangian
    if scores is not None and scores <= LITTLE[problem]:
        return
    search.prepare()  # every method takes a bound from DES
    if problem == "jesa":
        lagrangian.prepare()


def solve(
    instance: Instance | SelectionProblem,
    problem: str = "selection",
    method: Given | None = None,
    time_limit: float | None = None,
    seed: int = 0,
    **options: Unpack[Options],
) -> Result:
    """Solve an instance and check the answer.

    Parameters
    ----------
    instance
        A round or a selection problem; of a round, `selection` prices every link on its best
        subcarrier.
    problem, method
        A problem and a method of `method_table.METHODS`. The default method is `des` for
        `selection`, `assignment` for `allocation`, `exact` for `jesa`. A method of your own is a
        function from the instance to an answer, `(name, function)`, or the place of the function
        such as `"mypackage.mine:solve"`; see `dmoe_opt.own_methods`.
    time_limit
        Seconds; methods that can be stopped then return what they have, with a valid bound.
        `exact` stops after 60 s if no limit is given.
    seed
        For methods that draw random numbers.
    options
        Further options of the method, such as `solver="gurobi"`, `node_limit=1000`, `restarts=10`
        or `log`, a function of incumbent and bound in J that follows a search. None is "not given".
        `allocation` takes `selection`, bool (T, K), whose links are to be served; by default the
        one that DES finds with every link on its best subcarrier. `start` is an answer to begin
        with, such as a result; it is checked first, and the result is never worse.

    Returns
    -------
    Result
        Its status is derived from objective, bound and checker; an infeasible instance is a result,
        not an error.

    Raises
    ------
    InputError
        If there is no such problem, method or option.
    MethodError
        If a method of your own raises an error, or returns what is no answer.

    Examples
    --------
    >>> import dmoe_opt
    >>> round_ = dmoe_opt.load("tiny-s1")
    >>> dmoe_opt.solve(round_, problem="jesa", method="bcd", restarts=4, seed=1).solved
    True
    """
    require_instance(instance)
    name, row = find(problem, method or default_method(problem))
    if problem != "selection" and not isinstance(instance, Instance):
        allowed = "selection, for an instance without a radio"
        raise validate.fail("problem", problem, allowed)
    require_rules(problem, name, row, instance.optional_rules)
    given = _checked(name, row, dict(options)) | _shared(row, time_limit, seed)
    if START.name in given and isinstance(instance, Instance):
        given[START.name] = start_from(instance, given[START.name])
    prepare(problem, instance.scores.size)
    loading_s = compiling.loading_s()
    started = time.perf_counter()
    data = as_problem(instance) if problem == "selection" else instance
    reason = instance.infeasibility()
    if reason is None:
        result = row.solve(data, **given)
    else:
        result = infeasible(data, name, reason, problem=problem)
    wall_s = time.perf_counter() - started - (compiling.loading_s() - loading_s)
    return Result(**vars(result) | {"wall_s": wall_s, "data": instance})


def require_instance(value: object) -> None:
    """Raise `InputError` for what is neither a round nor a selection problem."""
    if not isinstance(value, Instance | SelectionProblem):
        allowed = "an Instance or a SelectionProblem; dmoe_opt.load reads one from a file"
        raise validate.fail("instance", value, allowed)


def _checked(method: str, row: Method, options: dict[str, Any]) -> dict[str, Any]:
    """The options that are given, each known to the method and of an allowed value."""
    given = {name: value for name, value in options.items() if value is not None}
    if not given:
        return given
    declared = {option.name: option for option in row.options}
    for name in sorted(given):
        if name not in declared or name in (TIME_LIMIT.name, SEED.name):
            takes = ", ".join(sorted(declared)) or "none"
            raise InputError(f"option {name} is unknown to method {method}; allowed: {takes}")
        declared[name].check(name, given[name])
    return given


def _shared(row: Method, time_limit: float | None, seed: int) -> dict[str, Any]:
    """Time limit and seed, checked for every method, and handed to those that take them."""
    SEED.check(SEED.name, seed)
    shared: dict[str, Any] = {SEED.name: seed}
    if time_limit is not None:  # a method may have a limit of its own
        TIME_LIMIT.check(TIME_LIMIT.name, time_limit)
        shared[TIME_LIMIT.name] = time_limit
    return {name: value for name, value in shared.items() if row.takes(name)}
