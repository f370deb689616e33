"""Subgradient steps of an ascent over prices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data.problem import MOST_ENERGY_J

Log = Callable[[float | None, float], None]
"""Called with incumbent and bound in J as a search goes on; neither ever gets worse."""

PROGRESS = 1e-3  # of the gap that counts as a better bound
PATIENCE = 10  # iterations without a better bound after which the step is cut
CUT = 1.5
SHORTEST_STEP = 1e-2
MEMORY = 0.7  # of the direction, which damps zigzags


class Effort(NamedTuple):
    """How much is spent on a round.

    Most `steps` of the ascent, with a repair every so many of them, and `runs` of DES for the
    activation bound.
    """

    steps: int
    repair_every: int
    runs: int


@dataclass
class Climb:
    """The state of an ascent."""

    prices: NDArray[np.float64]
    best_prices: NDArray[np.float64]
    best_value_j: float = 0.0
    step: float = 1.0
    stalled: int = 0
    direction: NDArray[np.float64] | None = None

    def record(self, value_j: float, target_j: float) -> None:
        """Remember the best prices, and how long there was no progress worth the name."""
        wanted_j = self.best_value_j + PROGRESS * (target_j - self.best_value_j)
        self.stalled = 0 if value_j > wanted_j else self.stalled + 1
        if value_j > self.best_value_j:
            self.best_value_j, self.best_prices = value_j, self.prices

    def cut(self) -> None:
        """Shorten the step and go back to the best prices."""
        self.step, self.stalled, self.prices = self.step / CUT, 0, self.best_prices

    def move(self, slope: NDArray[np.float64], scale: NDArray[np.float64], rise_j: float) -> bool:
        """A step that would raise L by `rise_j` if L were linear; False where numbers end.

        No price is above any energy: steps that long come from costs of hundreds of orders. Steps
        go with the price of a link, since links differ in strength by orders of magnitude. What
        would push a price below 0 does not count, or it would shorten all other steps.
        """
        slope = np.where((self.prices <= 0) & (slope < 0), 0.0, slope)
        if self.direction is None:
            self.direction = slope
        else:
            self.direction = MEMORY * self.direction + (1 - MEMORY) * slope
        steepness = float((scale * slope**2).sum())
        if not steepness > 0:
            return False
        with np.errstate(over="ignore", invalid="ignore"):
            length = self.step * rise_j / steepness
            moved = np.maximum(self.prices + length * scale * self.direction, 0.0)
        if not (moved <= MOST_ENERGY_J).all():
            return False
        self.prices = moved
        return True
