"""What the rows of the table of methods call; a method is imported when it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dmoe_opt.errors import InputError

if TYPE_CHECKING:
    from dmoe_opt.answer.result import Result
    from dmoe_opt.data.instance import Instance
    from dmoe_opt.data.problem import SelectionProblem


def des(problem: SelectionProblem, count: int | None = None, **options: Any) -> Result:
    """`des` of selection."""
    if count:
        from dmoe_opt.selection.ranking import solve_ranked

        return solve_ranked(problem, count, **options)
    from dmoe_opt.selection.des import solve_des

    return solve_des(problem, **options)


def exhaustive(problem: SelectionProblem, **options: Any) -> Result:
    """`exhaustive` of selection."""
    from dmoe_opt.selection.exhaustive import solve_exhaustive

    return solve_exhaustive(problem, **options)


def selection_pyomo(problem: SelectionProblem, **options: Any) -> Result:
    """`pyomo` of selection."""
    from dmoe_opt.models.selection_pyomo import solve

    return solve(problem, **options)


def selection_cvxpy(problem: SelectionProblem, **options: Any) -> Result:
    """`cvxpy` of selection."""
    from dmoe_opt.models.selection_cvxpy import solve

    return solve(problem, **options)


def topk(problem: SelectionProblem) -> Result:
    """`topk` of selection."""
    from dmoe_opt.selection.baselines import solve_topk

    return solve_topk(problem)


def topp(problem: SelectionProblem) -> Result:
    """`topp` of selection."""
    from dmoe_opt.selection.baselines import solve_topp

    return solve_topp(problem)


def greedy(problem: SelectionProblem) -> Result:
    """`greedy` of selection."""
    from dmoe_opt.selection.baselines import solve_greedy

    return solve_greedy(problem)


def assignment(instance: Instance, **options: Any) -> Result:
    """`assignment` of allocation."""
    from dmoe_opt.allocation.links import solve_assignment
    from dmoe_opt.joint.sending import solve_sending

    in_turn = solve_assignment if instance.air_deadline_s is None else solve_sending
    return in_turn(instance, **_with_experts(instance, options))


def allocation_pyomo(instance: Instance, **options: Any) -> Result:
    """`pyomo` of allocation."""
    from dmoe_opt.models.allocation_pyomo import solve

    return solve(instance, **_with_experts(instance, options))


def allocation_cvxpy(instance: Instance, **options: Any) -> Result:
    """`cvxpy` of allocation."""
    from dmoe_opt.models.allocation_cvxpy import solve

    return solve(instance, **_with_experts(instance, options))


def networkx(instance: Instance, **options: Any) -> Result:
    """`networkx` of allocation."""
    from dmoe_opt.models.allocation_networkx import solve

    return solve(instance, **_with_experts(instance, options))


def bcd(instance: Instance, **options: Any) -> Result:
    """`bcd` of jesa."""
    from dmoe_opt.joint.bcd import solve_bcd

    return solve_bcd(instance, **options)


def lagrangian(instance: Instance, **options: Any) -> Result:
    """`lagrangian` of jesa."""
    from dmoe_opt.joint.lagrangian import solve_lagrangian

    return solve_lagrangian(instance, **options)


def exact(instance: Instance, count: int | None = None, **options: Any) -> Result:
    """`exact` of jesa."""
    from dmoe_opt.joint.exact import solve_exact
    from dmoe_opt.joint.ranking import solve_ranked

    if count:
        return solve_ranked(instance, count, **options)
    if "gap" in options:
        raise InputError("gap is given without count; allowed: both, or count alone")
    return solve_exact(instance, **options)


def joint_pyomo(instance: Instance, **options: Any) -> Result:
    """`pyomo` of jesa."""
    from dmoe_opt.models.joint_pyomo import solve

    return solve(instance, **options)


def joint_cvxpy(instance: Instance, **options: Any) -> Result:
    """`cvxpy` of jesa."""
    from dmoe_opt.models.joint_cvxpy import solve

    return solve(instance, **options)


def relaxed(instance: Instance, time_limit: float | None = None) -> Result:
    """`relaxed` of jesa."""
    from dmoe_opt.joint import routing
    from dmoe_opt.selection.relaxed import solve_relaxed

    if instance.optional_rules:
        return routing.solve_relaxed(instance)  # one pass
    return solve_relaxed(instance, time_limit=time_limit)


def wlr(instance: Instance) -> Result:
    """`wlr` of jesa."""
    from dmoe_opt.joint.routing import solve_wlr

    return solve_wlr(instance)


def activation(instance: Instance, **options: Any) -> Result:
    """`activation` of jesa."""
    from dmoe_opt.joint.activation import solve_activation

    return solve_activation(instance, **options)


def joint_topk(instance: Instance) -> Result:
    """`topk` of jesa."""
    from dmoe_opt.joint.baselines import solve_topk

    return solve_topk(instance)


def joint_topp(instance: Instance) -> Result:
    """`topp` of jesa."""
    from dmoe_opt.joint.baselines import solve_topp

    return solve_topp(instance)


def homogeneous(instance: Instance) -> Result:
    """`homogeneous` of jesa."""
    from dmoe_opt.joint.baselines import solve_homogeneous

    return solve_homogeneous(instance)


def _with_experts(instance: Instance, options: dict[str, Any]) -> dict[str, Any]:
    """The options with a selection, that of the descent, where optional rules need one."""
    if not instance.optional_rules or options.get("selection") is not None:
        return options
    from dmoe_opt.joint.decided import solve_descent

    found = solve_descent(instance)
    if found.selection is None:
        raise InputError(f"selection is missing; allowed: experts to serve ({found.message})")
    return {**options, "selection": found.selection}
