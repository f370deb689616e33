"""What the solver adapters report of one solve."""

from __future__ import annotations

import math
from typing import Any, NamedTuple


class Outcome(NamedTuple):
    """The report of one solve.

    `solved` says whether a solution was loaded into the model, `bound` is proven (None if unknown),
    and `infeasible` says whether it is proven that there is no solution.
    """

    solved: bool
    bound: float | None
    infeasible: bool = False


def finite(bound: Any) -> float | None:
    """A bound as solvers hand it on, None if it says nothing."""
    if isinstance(bound, int | float) and math.isfinite(bound):
        return float(bound)
    return None
