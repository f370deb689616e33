"""What the solver adapters report of one solve."""

from __future__ import annotations

from typing import NamedTuple


class Outcome(NamedTuple):
    """Whether a solution was loaded into the model, the proven bound (None if unknown), and if infeasibility is proven."""

    solved: bool
    bound: float | None
    infeasible: bool = False
