"""The part `drift` of a scenario: ranges of load, mix of types, speeds and links."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError
from dmoe_opt.offload.parts import Array, Part

LEAST_FACTOR, MOST_FACTOR = 0.01, 100.0
"""Range of what drifts, as a factor."""


@dataclass(frozen=True, eq=False)
class Drift(Part):
    """How load, mix of types, speeds and links differ between episodes, and within an episode.

    A quantity is multiplied by a factor. The factor is drawn at the times 0, `period_s`,
    2 `period_s`, ..., uniform between two ends, and runs straight from one time to the next. Each
    type and each expert has factors of its own. A field that is None does not drift.

    Parameters
    ----------
    load, types, speed, gain
        Factors of `arrivals.jobs_per_s`, `types.probability`, `experts.speed` and
        `experts.mean_gain`: least and most at each of K times, (K, 2), in [0.01, 100]. After the
        K-th the list begins again. Equal ends give a profile, such as [[1, 1], [3, 3]].
    period_s
        Time between two draws, s. None: factors are drawn once for an episode, from K = 1.
    """

    load: Array | None = None
    types: Array | None = None
    speed: Array | None = None
    gain: Array | None = None
    period_s: float | None = None
    part = "drift"

    def __post_init__(self) -> None:
        if self.period_s is not None:
            self._number("period_s")
        for name in ("load", "types", "speed", "gain"):
            if getattr(self, name) is not None:
                self._check_ranges(name)

    def _check_ranges(self, name: str) -> None:
        """There are ranges, each with its least first, and one only if there is no period."""
        self._numbers(name, (None, 2), LEAST_FACTOR, MOST_FACTOR)
        ranges = getattr(self, name)
        if not len(ranges) or (len(ranges) > 1 and self.period_s is None):
            allowed = "1 or more" if self.period_s else "1, or more with drift.period_s"
            raise InputError(f"drift.{name} has {len(ranges)} ranges; allowed: {allowed}")
        wrong = np.flatnonzero(ranges[:, 0] > ranges[:, 1])
        if len(wrong):
            place = f"drift.{name}[{wrong[0]}]"
            raise fail(place, ranges[wrong[0]].tolist(), "[least, most] with least <= most")
