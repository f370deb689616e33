"""What the solver adapters report of one solve."""

from __future__ import annotations

from typing import NamedTuple


class Outcome(NamedTuple):
    """What a solver says: whether the model holds a solution, the proven bound, infeasibility.

    The bound is None if it is unknown; `infeasible` is True if infeasibility is proven.
    """

    solved: bool
    bound: float | None
    infeasible: bool = False
