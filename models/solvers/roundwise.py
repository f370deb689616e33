"""What the back-ends for P2 share: a result from the outcome of the one program of a round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.result import Result, build, infeasible
from dmoe_opt.data.instance import Instance
from dmoe_opt.joint.highs import NO_ALLOCATION
from dmoe_opt.models.solvers.outcome import Outcome
from dmoe_opt.selection.relaxed import relaxed_bound


def empty(instance: Instance, method: str, stats: Mapping[str, Any]) -> Result:
    """The result of a round in which no token may use an expert: nothing is chosen."""
    nothing = Decision(instance, np.zeros(instance.scores.shape, dtype=bool))
    return build(instance, method, nothing, bound_j=0.0, stats=stats)


def conclude(
    instance: Instance,
    method: str,
    outcome: Outcome,
    factor: float,
    decision: Decision | None,
    stats: Mapping[str, Any],
) -> Result:
    """The result of a program whose objective is the energy times `factor`.

    `decision` is the answer of the solver, if it has one. Where the solver hands no bound on, the
    relaxed bound takes its place.
    """
    if outcome.infeasible:
        return infeasible(instance, method, NO_ALLOCATION.format(instance.num_subcarriers))
    if outcome.bound is None:
        bound_j = relaxed_bound(instance)[1]
    else:
        bound_j = max(outcome.bound / factor, 0.0)
    message = "no answer within the limit" if decision is None else ""
    return build(instance, method, decision, bound_j=bound_j, stats=stats, message=message)
