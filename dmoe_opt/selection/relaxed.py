"""Bounds of a round (P2)."""

from __future__ import annotations

import numpy as np

from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import Allocation, Selection, loads
from dmoe_opt.answer.result import Result, build
from dmoe_opt.clock import until
from dmoe_opt.data.instance import Instance
from dmoe_opt.selection import des


def relaxed_bound(instance: Instance) -> tuple[Selection, float]:
    """Every link on its best subcarrier, without exclusivity (C3): selection (T, K) and bound in J.

    It takes one run of DES. The bound holds for every decision of the round.

    Examples
    --------
    >>> import dmoe_opt
    >>> from dmoe_opt.selection.relaxed import relaxed_bound
    >>> selection, bound_j = relaxed_bound(dmoe_opt.load("tiny-s1"))
    >>> round(1e3 * bound_j, 4)
    2.6423
    """
    problem = instance.selection_problem()
    selection, bound = des.choose(problem, problem.cost, problem.usable)
    return selection, float(bound.sum())


def best_subcarriers(instance: Instance, selection: Selection) -> Allocation:
    """The active links, each on its best subcarrier, shared or not: bool (N, N, M)."""
    allocation = np.zeros(instance.link_energy.shape, dtype=bool)
    i, j = np.nonzero(loads(instance, selection))
    allocation[i, j, instance.link_energy[i, j].argmin(axis=1)] = True
    return allocation


def solve_relaxed(instance: Instance, *, time_limit: float | None = None) -> Result:
    """The relaxed bound; a proven optimum if the best subcarriers of the active links differ."""
    with until(time_limit):
        selection, bound = relaxed_bound(instance)
    allocation = best_subcarriers(instance, selection)
    links_on = allocation.sum(axis=(0, 1))
    shared = int((links_on > 1).sum())
    if shared:
        message = f"a bound only: links share {shared} of their best subcarriers"
        return build(instance, "relaxed", bound_j=bound, message=message)
    return build(instance, "relaxed", Decision(instance, selection, allocation), bound_j=bound)
