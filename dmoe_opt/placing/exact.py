"""What the integer programs share: the unit of their objective, and what their values mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.tolerances import BOUND_NOISE
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.errors import InputError
from dmoe_opt.placing.baselines import in_order
from dmoe_opt.placing.problem import Placed, PlacementProblem


def factor_of(problem: PlacementProblem, choice: SelectionProblem | None = None) -> float:
    """One over the energy of a token at the experts in order, 1/J: objectives become O(tokens).

    Raises
    ------
    InputError
        If `choice` has other tokens or experts than the problem, or a token without an answer.
    """
    if choice is not None:
        if choice.scores.shape != problem.chosen.shape:
            allowed = " x ".join(map(str, problem.chosen.shape))
            have = " x ".join(map(str, choice.scores.shape))
            raise InputError(f"choice has {have} scores; allowed: {allowed}, as chosen has")
        if (reason := choice.infeasibility()) is not None:
            raise InputError(f"choice: {reason}; allowed: tokens that can be served")
    energy_j = problem.energy_j(in_order(problem))
    if energy_j <= 0:
        energy_j = float(problem.price.max(initial=0.0) + problem.work.max(initial=0.0)) or 1.0
    return max(problem.num_tokens, 1) / energy_j


def most_together(problem: PlacementProblem) -> int:
    """The most experts of one token that a node can hold: larger unions need no cuts."""
    room = float(problem.room.max())
    fitting = int(np.searchsorted(np.cumsum(np.sort(problem.size)), room, side="right"))
    return min(fitting, int(problem.chosen.sum(axis=1).max(initial=0)))


def placed(
    problem: PlacementProblem,
    x: NDArray[np.float64] | None,
    alpha: NDArray[np.float64] | None,
    bound: float | None,
    factor: float,
) -> Placed:
    """The answer of a program, priced by `PlacementProblem.energy_j`."""
    bound_j = None if bound is None else bound / factor
    if x is None:
        return Placed(None, None, bound_j)
    placement = x.argmax(axis=1).astype(np.int64)
    chosen = problem.chosen if alpha is None else np.asarray(alpha > 0.5)
    energy_j = problem.replace(chosen=chosen).energy_j(placement)
    if bound_j is not None and bound_j > energy_j * (1 - BOUND_NOISE):  # above it by rounding only
        bound_j = min(bound_j, energy_j)
    return Placed(placement, energy_j, bound_j, None if alpha is None else chosen)
