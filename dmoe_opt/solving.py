"""The one table of methods, and the one function that runs them."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from dmoe_opt.answer.result import Result, as_problem, infeasible
from dmoe_opt.data import validate
from dmoe_opt.data.instance import Instance, SelectionProblem
from dmoe_opt.data.validate import InputError


class Method(NamedTuple):
    """Where a method is and what it does; it is imported when it is first used."""

    place: str
    proves: bool
    says: str


METHODS: dict[tuple[str, str], Method] = {
    ("selection", "des"): Method(
        "dmoe_opt.selection.des:solve_selection", True, "branch and bound on the relaxation with both rows, compiled"
    ),
    ("selection", "exhaustive"): Method(
        "dmoe_opt.selection.exhaustive:solve_selection", True, "every set of at most D experts, for tiny instances"
    ),
    ("selection", "pyomo"): Method(
        "dmoe_opt.models.selection_pyomo:solve_selection", True, "integer program in Pyomo, HiGHS or --solver"
    ),
    ("selection", "cvxpy"): Method(
        "dmoe_opt.models.selection_cvxpy:solve_selection", True, "integer program in CVXPY, HiGHS or --solver"
    ),
    ("selection", "topk"): Method(
        "dmoe_opt.selection.baselines:solve_topk", False, "the D best scores, as mixtures are served"
    ),
    ("selection", "greedy"): Method("dmoe_opt.selection.baselines:solve_greedy", False, "cheapest per unit of relevance first"),
    ("allocation", "assignment"): Method(
        "dmoe_opt.allocation.links:solve_assignment", True, "minimum-cost assignment of links to subcarriers in scipy"
    ),
    ("allocation", "pyomo"): Method(
        "dmoe_opt.models.allocation_pyomo:solve", True, "the assignment as an integer program in Pyomo, HiGHS or --solver"
    ),
    ("allocation", "cvxpy"): Method(
        "dmoe_opt.models.allocation_cvxpy:solve", True, "the assignment as an integer program in CVXPY, HiGHS or --solver"
    ),
    ("allocation", "networkx"): Method(
        "dmoe_opt.models.allocation_networkx:solve", True, "the assignment as a minimum-cost flow in networkx"
    ),
    ("jesa", "bcd"): Method(
        "dmoe_opt.joint.descent:solve_bcd",
        False,
        "block coordinate descent of DES and assignment; proven where its bound is met",
    ),
    ("jesa", "lagrangian"): Method(
        "dmoe_opt.joint.lagrangian:solve_lagrangian", False, "prices on links: a bound close to the optimum, answers on the way"
    ),
    ("jesa", "exact"): Method(
        "dmoe_opt.joint.exact:solve_exact", True, "prices on links, then an integer program on what they leave open"
    ),
    ("jesa", "pyomo"): Method(
        "dmoe_opt.models.joint_pyomo:solve", True, "both at once as an integer program in Pyomo, HiGHS or --solver"
    ),
    ("jesa", "cvxpy"): Method(
        "dmoe_opt.models.joint_cvxpy:solve", True, "both at once as an integer program in CVXPY, HiGHS or --solver"
    ),
    ("jesa", "relaxed"): Method(
        "dmoe_opt.selection.relaxed:solve_relaxed", False, "every link on its best subcarrier; an optimum where these differ"
    ),
    ("jesa", "activation"): Method(
        "dmoe_opt.joint.activation:solve_activation", False, "which links may be active, at best-subcarrier prices"
    ),
    ("jesa", "topk"): Method("dmoe_opt.joint.descent:solve_topk", False, "the D best scores, subcarriers allocated optimally"),
    ("jesa", "homogeneous"): Method(
        "dmoe_opt.joint.descent:solve_homogeneous",
        False,
        "one threshold for all tokens by DES, subcarriers allocated optimally",
    ),
}
DEFAULTS = {"selection": "des", "allocation": "assignment", "jesa": "bcd"}
MOST_SECONDS = 1e6
PROBLEMS = tuple(dict.fromkeys(problem for problem, _ in METHODS))


def methods(problem: str = "selection") -> list[str]:
    """Names of the methods of a problem.

    Examples
    --------
    >>> import dmoe_opt
    >>> dmoe_opt.methods("allocation")
    ['assignment', 'pyomo', 'cvxpy', 'networkx']
    """
    if problem not in PROBLEMS:
        raise InputError(f'problem = "{problem}"; allowed: {", ".join(PROBLEMS)}')
    return [name for of, name in METHODS if of == problem]


def default_method(problem: str) -> str:
    """The method that is used where none is named."""
    methods(problem)
    return DEFAULTS[problem]


def look_up(problem: str, method: str) -> Method:
    """The row of the table; raises `InputError` if there is none."""
    if method not in methods(problem):
        raise InputError(f'method = "{method}"; allowed for {problem}: {", ".join(methods(problem))}')
    return METHODS[problem, method]


def find(problem: str, method: str) -> Callable[..., Result]:
    """The function behind a name, imported now."""
    module, function = look_up(problem, method).place.split(":")
    found: Callable[..., Result] = getattr(import_module(module), function)
    return found


@cache
def method_options(problem: str, method: str) -> tuple[str, ...]:
    """Names of the options of a method."""
    parameters = inspect.signature(find(problem, method)).parameters
    return tuple(name for name in parameters if name not in ("problem", "instance"))


def prepare(problem: str) -> None:
    """Compile the kernels of a problem's methods, or load them from numba's cache: that is no method's time."""
    import_module("dmoe_opt.selection.des").prepare()  # every method takes a bound from DES
    if problem == "jesa":
        import_module("dmoe_opt.joint.lagrangian").prepare()


def _check_options(time_limit: object, seed: object, given: dict[str, Any]) -> None:
    if time_limit is not None and not (validate.real("time_limit", time_limit) <= MOST_SECONDS):
        raise validate.fail("time_limit", time_limit, f"at most {MOST_SECONDS:g} seconds")
    validate.whole("seed", seed, least=0)
    for name, least in (("threads", 1), ("node_limit", 0), ("restarts", 0)):
        if name in given:
            validate.whole(name, given[name], least)
    if "solver" in given:
        validate.word("solver", given["solver"])
    if "relax" in given:
        validate.flag("relax", given["relax"])


def solve(
    instance: Instance | SelectionProblem,
    problem: str = "selection",
    method: str | None = None,
    time_limit: float | None = None,
    seed: int = 0,
    **options: Any,
) -> Result:
    """Solve an instance and check the answer.

    Parameters
    ----------
    instance
        A round or a selection problem; of a round, `selection` prices every link on its best subcarrier.
    problem, method
        A row of `METHODS`; the default method is `des` for `selection`, `assignment` for `allocation`, `bcd` for `jesa`.
    time_limit
        Seconds; methods that can be stopped then return what they have, with a valid bound.
    seed
        For methods that draw random numbers.
    options
        Further options of the method, such as `solver="gurobi"`, `node_limit=1000`, `restarts=10` or `log`, a function
        of incumbent and bound in J that follows a search. None is "not given".
        `allocation` takes `selection`, bool (T, K), whose links are to be served; by default the one that DES finds with
        every link on its best subcarrier.

    Returns
    -------
    Result
        Its status is derived from objective, bound and checker; an infeasible instance is a result, not an error.

    Raises
    ------
    InputError
        If there is no such problem, method or option.

    Examples
    --------
    >>> import dmoe_opt
    >>> round_ = dmoe_opt.load("tiny-s1")
    >>> dmoe_opt.solve(round_, problem="jesa", method="bcd", restarts=4, seed=1).solved
    True
    """
    if not isinstance(instance, Instance | SelectionProblem):
        raise validate.fail("instance", instance, "an Instance or a SelectionProblem; dmoe_opt.load reads one from a file")
    method = method or default_method(problem)
    function = find(problem, method)
    if problem != "selection" and not isinstance(instance, Instance):
        raise validate.fail("problem", problem, "selection, for an instance without a radio")
    known = method_options(problem, method)
    given = {name: value for name, value in options.items() if value is not None}
    if unknown := sorted(set(given) - set(known)):
        takes = ", ".join(name for name in known if name not in ("progress", "log")) or "none"
        raise InputError(f"option {unknown[0]} is unknown to method {method}; allowed: {takes}")
    _check_options(time_limit, seed, given)
    shared = {"time_limit": time_limit, "seed": seed}
    given |= {name: value for name, value in shared.items() if name in known}
    prepare(problem)
    started = time.perf_counter()
    data = as_problem(instance) if problem == "selection" else instance
    reason = as_problem(instance).infeasibility()
    result = infeasible(data, method, reason, problem=problem) if reason else function(data, **given)
    return replace(result, wall_s=time.perf_counter() - started, instance_sha256=instance.sha256)
