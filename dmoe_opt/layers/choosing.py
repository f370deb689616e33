"""What a scheduler chooses for a round of the protocol, and that choice on the true channel."""

from __future__ import annotations

import numpy as np

from dmoe_opt.allocation.links import solve_assignment
from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.result import Result, Status
from dmoe_opt.data.instance import Instance
from dmoe_opt.errors import InfeasibleError, LimitError
from dmoe_opt.layers.schedulers import takes
from dmoe_opt.method_table import METHODS
from dmoe_opt.selection.relaxed import best_subcarriers, relaxed_bound
from dmoe_opt.solving import solve


def schedule(instance: Instance, scheduler: str) -> tuple[Decision, float | None]:
    """Experts and subcarriers, and the gap that the scheduler left open; None without a bound.

    A deadline that the scheduler does not know, or finds no answer for, is left out.
    """
    if not takes(scheduler, "air_deadline_s"):
        instance = _without_deadline(instance)
    if scheduler == "relaxed":
        selection, _ = relaxed_bound(instance)
        return Decision(instance, selection, best_subcarriers(instance, selection)), 0.0
    result = _solve(instance, scheduler)
    if result.decision is None and instance.air_deadline_s is not None:
        late = _solve(_without_deadline(instance), scheduler)
        if late.decision is not None:
            return late.decision, None
    if result.decision is None:
        error = InfeasibleError if result.status is Status.INFEASIBLE else LimitError
        raise error(
            f"{instance.name}: {scheduler} has no answer: {result.message}; "
            "allowed: rounds that can be served"
        )
    return result.decision, result.gap


def over(true: Instance, choice: Decision) -> Decision:
    """The same choice over the true channel; without the deadline if it is missed there."""
    if choice.data is not true:  # else its loads are computed already
        choice = Decision(true, choice.selection, choice.allocation)
    if true.air_deadline_s is None or np.isfinite(choice.energy_j):
        return choice
    return Decision(_without_deadline(true), choice.selection, choice.allocation)


def _without_deadline(instance: Instance) -> Instance:
    return instance if instance.air_deadline_s is None else instance.replace(air_deadline_s=None)


def _solve(instance: Instance, scheduler: str) -> Result:
    """The answer of a scheduler that keeps all rules of a round."""
    if scheduler in ("joint", "homogeneous"):
        return solve(instance, "jesa", "bcd")
    if scheduler == "dense":
        return solve_assignment(instance, selection=instance.selection_problem().usable)
    if scheduler in METHODS["jesa"]:
        return solve(instance, "jesa", scheduler)
    experts = solve(instance, "selection", scheduler)
    if experts.selection is None:
        return experts
    return solve_assignment(instance, selection=experts.selection)
