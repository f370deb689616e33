"""The one table of methods: the function behind each name, what it proves, and its options.

This file is light: it imports no method and no numpy, so that the command line can read the table
before it knows what is to be solved. Every function imports its method when it is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dmoe_opt.data.rules import OPTIONAL_RULES
from dmoe_opt.errors import InputError
from dmoe_opt.method_options import (
    COUNT,
    GAP,
    LOG,
    NODE_LIMIT,
    PROGRESS,
    RELAX,
    RESTARTS,
    SEED,
    SELECTION,
    SOLVER,
    START,
    THREADS,
    TIME_LIMIT,
    Option,
)
from dmoe_opt.method_options import Method as Method  # also names of this module
from dmoe_opt.method_options import Proof as Proof

if TYPE_CHECKING:
    from dmoe_opt.answer.result import Result
    from dmoe_opt.data.instance import Instance
    from dmoe_opt.data.problem import SelectionProblem


def _des(problem: SelectionProblem, count: int | None = None, **options: Any) -> Result:
    from dmoe_opt.selection.des import solve_des
    from dmoe_opt.selection.ranking import solve_ranked

    return solve_ranked(problem, count, **options) if count else solve_des(problem, **options)


def _exhaustive(problem: SelectionProblem, **options: Any) -> Result:
    from dmoe_opt.selection.exhaustive import solve_exhaustive

    return solve_exhaustive(problem, **options)


def _selection_pyomo(problem: SelectionProblem, **options: Any) -> Result:
    from dmoe_opt.models.selection_pyomo import solve

    return solve(problem, **options)


def _selection_cvxpy(problem: SelectionProblem, **options: Any) -> Result:
    from dmoe_opt.models.selection_cvxpy import solve

    return solve(problem, **options)


def _topk(problem: SelectionProblem) -> Result:
    from dmoe_opt.selection.baselines import solve_topk

    return solve_topk(problem)


def _topp(problem: SelectionProblem) -> Result:
    from dmoe_opt.selection.baselines import solve_topp

    return solve_topp(problem)


def _greedy(problem: SelectionProblem) -> Result:
    from dmoe_opt.selection.baselines import solve_greedy

    return solve_greedy(problem)


def _assignment(instance: Instance, **options: Any) -> Result:
    from dmoe_opt.allocation.links import solve_assignment

    return solve_assignment(instance, **options)


def _allocation_pyomo(instance: Instance, **options: Any) -> Result:
    from dmoe_opt.models.allocation_pyomo import solve

    return solve(instance, **options)


def _allocation_cvxpy(instance: Instance, **options: Any) -> Result:
    from dmoe_opt.models.allocation_cvxpy import solve

    return solve(instance, **options)


def _networkx(instance: Instance, **options: Any) -> Result:
    from dmoe_opt.models.allocation_networkx import solve

    return solve(instance, **options)


def _bcd(instance: Instance, **options: Any) -> Result:
    from dmoe_opt.joint.bcd import solve_bcd

    return solve_bcd(instance, **options)


def _lagrangian(instance: Instance, **options: Any) -> Result:
    from dmoe_opt.joint.lagrangian import solve_lagrangian

    return solve_lagrangian(instance, **options)


def _exact(instance: Instance, count: int | None = None, **options: Any) -> Result:
    from dmoe_opt.data.instance import require_plain
    from dmoe_opt.joint.exact import solve_exact
    from dmoe_opt.joint.ranking import solve_ranked

    if count:
        require_plain(instance, "count")
        return solve_ranked(instance, count, **options)
    if "gap" in options:
        raise InputError("gap is given without count; allowed: both, or count alone")
    return solve_exact(instance, **options)


def _joint_pyomo(instance: Instance, **options: Any) -> Result:
    from dmoe_opt.models.joint_pyomo import solve

    return solve(instance, **options)


def _joint_cvxpy(instance: Instance, **options: Any) -> Result:
    from dmoe_opt.models.joint_cvxpy import solve

    return solve(instance, **options)


def _relaxed(instance: Instance) -> Result:
    from dmoe_opt.selection.relaxed import solve_relaxed

    return solve_relaxed(instance)


def _activation(instance: Instance) -> Result:
    from dmoe_opt.joint.activation import solve_activation

    return solve_activation(instance)


def _joint_topk(instance: Instance) -> Result:
    from dmoe_opt.joint.baselines import solve_topk

    return solve_topk(instance)


def _joint_topp(instance: Instance) -> Result:
    from dmoe_opt.joint.baselines import solve_topp

    return solve_topp(instance)


def _homogeneous(instance: Instance) -> Result:
    from dmoe_opt.joint.baselines import solve_homogeneous

    return solve_homogeneous(instance)


SELECTION_METHODS = {
    "des": Method(
        _des,
        Proof.YES,
        "branch and bound on the relaxation with both rows, compiled",
        (TIME_LIMIT, NODE_LIMIT, THREADS, COUNT, PROGRESS),
    ),
    "exhaustive": Method(
        _exhaustive,
        Proof.YES,
        "every set of at most D experts, for tiny instances",
        (TIME_LIMIT,),
    ),
    "pyomo": Method(
        _selection_pyomo,
        Proof.YES,
        "integer program in Pyomo, HiGHS or --solver",
        (TIME_LIMIT, SOLVER, PROGRESS),
    ),
    "cvxpy": Method(
        _selection_cvxpy,
        Proof.YES,
        "integer program in CVXPY, HiGHS or --solver",
        (TIME_LIMIT, SOLVER, PROGRESS),
    ),
    "topk": Method(_topk, Proof.BOUND_MET, "the D best scores, as mixtures are served"),
    "topp": Method(
        _topp, Proof.BOUND_MET, "the best scores until the threshold is reached (Top-p)"
    ),
    "greedy": Method(_greedy, Proof.BOUND_MET, "cheapest per unit of relevance first"),
}
ALLOCATION_METHODS = {
    "assignment": Method(
        _assignment,
        Proof.YES,
        "minimum-cost assignment of links to subcarriers in scipy",
        (SELECTION,),
    ),
    "pyomo": Method(
        _allocation_pyomo,
        Proof.YES,
        "the assignment as an integer program in Pyomo, HiGHS or --solver",
        (SELECTION, TIME_LIMIT, SOLVER, RELAX),
    ),
    "cvxpy": Method(
        _allocation_cvxpy,
        Proof.YES,
        "the assignment as an integer program in CVXPY, HiGHS or --solver",
        (SELECTION, TIME_LIMIT, SOLVER, RELAX),
    ),
    "networkx": Method(
        _networkx, Proof.YES, "the assignment as a minimum-cost flow in networkx", (SELECTION,)
    ),
}
JOINT_METHODS = {
    "exact": Method(
        _exact,
        Proof.YES,
        "prices on links, then an integer program on what they leave open",
        (TIME_LIMIT, COUNT, GAP, LOG, START),
        OPTIONAL_RULES,
    ),
    "bcd": Method(
        _bcd,
        Proof.BOUND_MET,
        "block coordinate descent of DES and assignment",
        (RESTARTS, SEED, START),
        OPTIONAL_RULES,
    ),
    "lagrangian": Method(
        _lagrangian,
        Proof.BOUND_MET,
        "prices on links: a bound close to the optimum, answers on the way",
        (TIME_LIMIT, LOG, START),
        OPTIONAL_RULES,
    ),
    "pyomo": Method(
        _joint_pyomo,
        Proof.YES,
        "both at once as an integer program in Pyomo, HiGHS or --solver",
        (TIME_LIMIT, SOLVER, START),
        OPTIONAL_RULES,
    ),
    "cvxpy": Method(
        _joint_cvxpy,
        Proof.YES,
        "both at once as an integer program in CVXPY, HiGHS or --solver",
        (TIME_LIMIT, SOLVER, START),
        OPTIONAL_RULES,
    ),
    "relaxed": Method(
        _relaxed,
        Proof.BOUND_ONLY,
        "every link on its best subcarrier; an optimum where these differ",
    ),
    "activation": Method(
        _activation, Proof.BOUND_MET, "which links may be active, at best-subcarrier prices"
    ),
    "topk": Method(
        _joint_topk, Proof.BOUND_MET, "the D best scores, subcarriers allocated optimally"
    ),
    "topp": Method(
        _joint_topp,
        Proof.BOUND_MET,
        "the best scores until the threshold is reached, subcarriers allocated optimally",
    ),
    "homogeneous": Method(
        _homogeneous,
        Proof.BOUND_MET,
        "one threshold for all tokens by DES, subcarriers allocated optimally",
    ),
}
METHODS = {
    "selection": SELECTION_METHODS,
    "allocation": ALLOCATION_METHODS,
    "jesa": JOINT_METHODS,
}
"""Methods by problem and name, the default method first."""
PROBLEMS = tuple(METHODS)


def methods(problem: str = "selection") -> list[str]:
    """Names of the methods of a problem.

    Raises
    ------
    InputError
        If there is no such problem.

    Examples
    --------
    >>> import dmoe_opt
    >>> dmoe_opt.methods("allocation")
    ['assignment', 'pyomo', 'cvxpy', 'networkx']
    """
    if problem not in METHODS:
        raise InputError(f'problem = "{problem}"; allowed: {", ".join(METHODS)}')
    return list(METHODS[problem])


def default_method(problem: str) -> str:
    """The method that is used where none is named."""
    return methods(problem)[0]


def look_up(problem: str, method: str) -> Method:
    """The row of a method; raises `InputError` if there is none."""
    names = methods(problem)
    if method not in names:
        raise InputError(f'method = "{method}"; allowed for {problem}: {", ".join(names)}')
    return METHODS[problem][method]


def require_rules(problem: str, method: str, row: Method, given: tuple[str, ...]) -> None:
    """Raise `InputError` if a method does not take all the optional fields that a round has."""
    foreign = [rule for rule in given if rule not in row.rules]
    if not foreign:
        return
    others = [name for name, row in METHODS[problem].items() if set(given) <= set(row.rules)]
    allowed = ", ".join(others) or "no method of this problem, but those of jesa"
    refused = f"the {problem} method {method} does not take a round with {foreign[0]}"
    raise InputError(f"{refused}; allowed: {allowed}")


def takers() -> dict[Option, list[str]]:
    """Every option of some method, with the names of the methods that take it, each once."""
    names: dict[Option, list[str]] = {}
    for rows in METHODS.values():
        for name, row in rows.items():
            for option in row.options:
                if name not in names.setdefault(option, []):
                    names[option].append(name)
    return names
