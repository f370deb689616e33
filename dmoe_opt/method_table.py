"""The one table of methods: the function behind each name, what it proves, and its options.

This file is light: it imports no method and no numpy, so that the command line can read the table
before it knows what is to be solved; the functions are in `method_calls`.
"""

from __future__ import annotations

from dmoe_opt import method_calls as calls
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

ONCE = ("send_once",)
SELECTION_METHODS = {
    "des": Method(
        calls.des,
        Proof.YES,
        "branch and bound on the relaxation with both rows, compiled",
        (TIME_LIMIT, NODE_LIMIT, THREADS, COUNT, PROGRESS),
        ONCE,
    ),
    "exhaustive": Method(
        calls.exhaustive,
        Proof.YES,
        "every set of at most D experts, for tiny instances",
        (TIME_LIMIT,),
        ONCE,
    ),
    "pyomo": Method(
        calls.selection_pyomo,
        Proof.YES,
        "integer program in Pyomo, HiGHS or --solver",
        (TIME_LIMIT, SOLVER, PROGRESS),
        ONCE,
    ),
    "cvxpy": Method(
        calls.selection_cvxpy,
        Proof.YES,
        "integer program in CVXPY, HiGHS or --solver",
        (TIME_LIMIT, SOLVER, PROGRESS),
        ONCE,
    ),
    "topk": Method(
        calls.topk, Proof.BOUND_MET, "the D best scores, as mixtures are served", rules=ONCE
    ),
    "topp": Method(
        calls.topp,
        Proof.BOUND_MET,
        "the best scores until the threshold is reached (Top-p)",
        rules=ONCE,
    ),
    "greedy": Method(
        calls.greedy, Proof.BOUND_MET, "cheapest per unit of relevance first", rules=ONCE
    ),
}
ALLOCATION_METHODS = {
    "assignment": Method(
        calls.assignment,
        Proof.YES,
        "minimum-cost assignment of links to subcarriers; under a deadline HiGHS",
        (SELECTION, TIME_LIMIT),
        OPTIONAL_RULES,
    ),
    "pyomo": Method(
        calls.allocation_pyomo,
        Proof.YES,
        "the assignment as an integer program in Pyomo, HiGHS or --solver",
        (SELECTION, TIME_LIMIT, SOLVER, RELAX),
        OPTIONAL_RULES,
    ),
    "cvxpy": Method(
        calls.allocation_cvxpy,
        Proof.YES,
        "the assignment as an integer program in CVXPY, HiGHS or --solver",
        (SELECTION, TIME_LIMIT, SOLVER, RELAX),
        OPTIONAL_RULES,
    ),
    "networkx": Method(
        calls.networkx,
        Proof.YES,
        "the assignment as a minimum-cost flow in networkx",
        (SELECTION,),
        tuple(rule for rule in OPTIONAL_RULES if rule != "air_deadline_s"),
    ),
}
JOINT_METHODS = {
    "exact": Method(
        calls.exact,
        Proof.YES,
        "prices on links, then an integer program on what they leave open",
        (TIME_LIMIT, COUNT, GAP, LOG, START),
        OPTIONAL_RULES,
    ),
    "bcd": Method(
        calls.bcd,
        Proof.BOUND_MET,
        "block coordinate descent of DES and assignment",
        (TIME_LIMIT, RESTARTS, SEED, START),
        OPTIONAL_RULES,
    ),
    "lagrangian": Method(
        calls.lagrangian,
        Proof.BOUND_MET,
        "prices on links: a bound close to the optimum, answers on the way",
        (TIME_LIMIT, LOG, START),
        OPTIONAL_RULES,
    ),
    "pyomo": Method(
        calls.joint_pyomo,
        Proof.YES,
        "both at once as an integer program in Pyomo, HiGHS or --solver",
        (TIME_LIMIT, SOLVER, START),
        OPTIONAL_RULES,
    ),
    "cvxpy": Method(
        calls.joint_cvxpy,
        Proof.YES,
        "both at once as an integer program in CVXPY, HiGHS or --solver",
        (TIME_LIMIT, SOLVER, START),
        OPTIONAL_RULES,
    ),
    "relaxed": Method(
        calls.relaxed,
        Proof.BOUND_ONLY,
        "every link on its best subcarrier; an optimum where these differ",
        (TIME_LIMIT,),
        OPTIONAL_RULES,
    ),
    "activation": Method(
        calls.activation,
        Proof.BOUND_MET,
        "which links may be active, at best-subcarrier prices",
        (TIME_LIMIT,),
        ONCE,
    ),
    "topk": Method(
        calls.joint_topk,
        Proof.BOUND_MET,
        "the D best scores, subcarriers allocated optimally",
        rules=OPTIONAL_RULES,
    ),
    "topp": Method(
        calls.joint_topp,
        Proof.BOUND_MET,
        "the best scores until the threshold is reached, subcarriers allocated optimally",
        rules=OPTIONAL_RULES,
    ),
    "homogeneous": Method(
        calls.homogeneous,
        Proof.BOUND_MET,
        "one threshold for all tokens by DES, subcarriers allocated optimally",
        rules=OPTIONAL_RULES,
    ),
    "wlr": Method(
        calls.wlr,
        Proof.BOUND_MET,
        "most score per second of link and computing first, until the threshold is reached",
        rules=OPTIONAL_RULES,
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
    if method in names:
        return METHODS[problem][method]
    others = " or ".join(f"--problem {other}" for other in METHODS if method in METHODS[other])
    hint = f" (with {others})" if others else ""
    raise InputError(f'method = "{method}"{hint}; allowed for {problem}: {", ".join(names)}')


def require_rules(problem: str, method: str, row: Method, given: tuple[str, ...]) -> None:
    """Raise `InputError` if a method does not take all the optional fields that a round has."""
    foreign = [rule for rule in given if rule not in row.rules]
    if not foreign:
        return
    others = [name for name, row in METHODS[problem].items() if set(given) <= set(row.rules)]
    allowed = ", ".join(others) or "no method of this problem, but those of jesa (--problem jesa)"
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
