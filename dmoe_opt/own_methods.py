"""Methods of users: any function from an instance to an answer, run and checked like the rest.

A function may return a `Decision`, a selection as an array or as lists, a pair of selection and
allocation, a `Result`, or None for no answer (`answer.given` reads them). It may have parameters
besides the instance: `seed`, `time_limit` and `selection` are given to it where it has them, and
others are its options.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from contextlib import nullcontext, redirect_stdout
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dmoe_opt.allocation.assignment import serve
from dmoe_opt.allocation.links import active_links, chosen_experts
from dmoe_opt.answer.check import decision_of
from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.given import allocation_from, decision_from
from dmoe_opt.answer.result import Result, Status, build, infeasible
from dmoe_opt.data import validate
from dmoe_opt.data.formats import Solution
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.data.rules import OPTIONAL_RULES
from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError, MethodError
from dmoe_opt.method_options import SEED, SELECTION, START, TIME_LIMIT, Option
from dmoe_opt.method_table import METHODS, Method, Proof, look_up, methods

DECLARED = {option.name: option for option in (TIME_LIMIT, SEED, SELECTION, START)}
"""Options that `solve` hands to every method that takes them."""
ALLOWED = 'the name of a method, "package.module:function", a function, or (name, function)'


class OwnMethod(NamedTuple):
    """A function of a user, and the name that its rows and results have.

    `to_stderr` sends there what it prints, since a command prints its own answer to stdout.
    """

    name: str
    function: Callable[..., Any]
    to_stderr: bool = False


Given = str | Callable[..., Any] | tuple[str, str | Callable[..., Any]] | OwnMethod
"""How a method is named: one of the table by its name; or an own one."""


def is_path(method: object) -> bool:
    """Whether a method is named by the place of its function, such as `mypackage.mine:solve`."""
    return isinstance(method, str) and ":" in method


def own(method: Given) -> OwnMethod | None:
    """The own method that is meant; None for the name of a method of the table.

    Raises
    ------
    InputError
        If it is neither, its function cannot be imported, or its name belongs to the table.

    Examples
    --------
    >>> from dmoe_opt.own_methods import own
    >>> own("des") is None, own("statistics:mean").name
    (True, 'statistics:mean')
    """
    if isinstance(method, OwnMethod):
        return method
    if isinstance(method, tuple) and len(method) == 2:
        name, function = method
        validate.word("method", name)
    else:
        name, function = _name_of(method), method
    if isinstance(method, str) and not is_path(method):
        return None
    chosen = _imported(str(function)) if is_path(function) else function
    if not callable(chosen):
        raise fail("method", method, ALLOWED)
    if any(name in rows for rows in METHODS.values()):
        raise fail("method", name, f'a name of its own, such as ("my {name}", function)')
    return OwnMethod(name, chosen, to_stderr=is_path(function))


def _name_of(method: Any) -> str:
    if isinstance(method, str):
        return method
    if isinstance(method, partial):
        return _name_of(method.func)
    return str(getattr(method, "__name__", type(method).__name__))


def _imported(path: str) -> Any:
    """The function at `package.module:function`; modules of this folder are found as well."""
    module, _, name = path.partition(":")
    allowed = '"package.module:function", importable from this folder'
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        value: Any = import_module(module)
        for part in name.split("."):
            value = getattr(value, part)
    except Exception as error:  # whatever the code of a module raises
        reason = f"{type(error).__name__}: {error}"
        raise InputError(f'method = "{path}" ({reason}); allowed: {allowed}') from error
    return value


def find(problem: str, method: Given) -> tuple[str, Method]:
    """The name of a method, and its row: that of the table, or one for an own method.

    The options of an own method are the parameters of its function after the instance.

    Raises
    ------
    InputError
        As `own`, or if there is no such problem.
    """
    chosen = own(method)
    if chosen is None:
        return str(method), look_up(problem, str(method))
    methods(problem)  # raises if there is no such problem
    options = [DECLARED.get(name) or _option(name) for name in _parameters(chosen.function)]
    if problem == "allocation" and SELECTION not in options:
        options.append(SELECTION)
    call = partial(run, chosen, problem)
    return chosen.name, Method(call, Proof.NO, "", tuple(options), OPTIONAL_RULES)


def _parameters(function: Callable[..., Any]) -> list[str]:
    """Names of the parameters after the instance."""
    try:
        parameters = list(inspect.signature(function).parameters.values())[1:]
    except (TypeError, ValueError):  # of some functions written in C
        return []
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [parameter.name for parameter in parameters if parameter.kind in kinds]


def _option(name: str) -> Option:
    """An option of an own method; the function itself judges its values."""
    return Option(name, lambda name, value: None, "An option of an own method.", str)


def run(
    method: OwnMethod, problem: str, data: Instance | SelectionProblem, **options: Any
) -> Result:
    """Call a function with the instance and options, and check what it returns.

    Raises
    ------
    MethodError
        If it raises an error, or returns what is no answer to the instance.
    """
    experts = None
    if problem == "allocation":
        assert isinstance(data, Instance)  # `solve` has seen to it
        experts = chosen_experts(data, options.pop(SELECTION.name, None))
        if SELECTION.name in _parameters(method.function):
            options[SELECTION.name] = experts
    try:
        with redirect_stdout(sys.stderr) if method.to_stderr else nullcontext():
            value = method.function(data, **options)
    except (Exception, SystemExit) as error:
        raise MethodError(f"method {method.name} raised {type(error).__name__}: {error}") from error
    try:
        return _result(data, problem, method.name, value, experts)
    except InputError as error:
        text = f"method {method.name} returned what is no answer: {error}"
        raise MethodError(text) from error


def _result(
    data: Instance | SelectionProblem, problem: str, name: str, value: Any, experts: Any
) -> Result:
    """The checked result of what a function returned."""
    if value is None:
        return build(data, name, problem=problem, message="it returned None: no answer")
    if isinstance(value, Result):
        return _again(data, problem, name, value)
    if experts is None:
        return _built(data, problem, name, decision_from(data, value))
    assert isinstance(data, Instance)
    if isinstance(value, Decision) or (isinstance(value, tuple) and len(value) == 2):
        decision = decision_from(data, value)
    else:
        decision = Decision(data, experts, allocation_from(data, value))
    if (decision.selection != experts).any():
        raise InputError("selection is another one; allowed: the experts that were given")
    return build(data, name, decision, problem=problem)


def _again(data: Instance | SelectionProblem, problem: str, name: str, result: Result) -> Result:
    """A result under the name of the method, evaluated and checked again."""
    if result.instance_sha256 != data.sha256:
        raise InputError(f"a result of another instance ({result.instance or 'unnamed'})")
    if result.status == Status.INFEASIBLE:
        return infeasible(data, name, result.message, problem=problem)
    decision = None if result.decision is None else decision_from(data, result.decision)
    return _built(
        data,
        problem,
        name,
        decision,
        bound_j=result.bound_j,
        stats=result.stats,
        message=result.message,
    )


def start_from(instance: Instance, value: Any) -> Decision:
    """An answer to begin with, given as a function of a user may return one, or as a `Solution`.

    Raises
    ------
    InputError
        If it is none, belongs to another instance, or breaks a rule.
    """
    allowed = "an answer to this instance that keeps its rules"
    if isinstance(value, Result):
        value = value.solution()
    if isinstance(value, Solution):
        if value.instance_sha256 != instance.sha256 or value.selection is None:
            raise InputError(f"start is of {value.instance or 'unnamed'}; allowed: {allowed}")
        decision, complaints = decision_of(instance, value)
        if decision is None:
            raise InputError(f"start: {complaints[0]}; allowed: {allowed}")
        value = decision
    result = _built(instance, "jesa", "start", decision_from(instance, value))
    if result.decision is None:
        raise InputError(f"start: {result.message}; allowed: {allowed}")
    return result.decision


def _built(
    data: Instance | SelectionProblem,
    problem: str,
    name: str,
    decision: Decision | None,
    **known: Any,
) -> Result:
    """`build`, where a decision without allocation gets the best one for its links."""
    if problem != "jesa" or decision is None or decision.allocation is not None:
        return build(data, name, decision, problem=problem, **known)
    assert isinstance(data, Instance)
    if decision.violations:
        return build(data, name, decision, problem=problem, **known)
    served = serve(data, decision.selection)
    if served is None:
        known["message"] = str(active_links(data, np.asarray(decision.selection)))
    return build(data, name, served, problem=problem, **known)
