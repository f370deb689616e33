"""Jobs of stages: a job is worth the product or the minimum of the qualities of its stages.

A stage earns by how much it changes the worth of its job so far, less what it pays: the first one
its quality u, a later one worth(V, u) - V with the worth V before it, and a lost one takes V back
and costs the price of a lost job. The stages after a lost one cannot be placed and earn nothing.
So the rewards of a job add up to its quality less what is paid, and a policy sees in each reward
what is at stake.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.scenario import Array, Whole


@dataclass(frozen=True)
class Worth:
    """What a job is worth so far; `begun` is False before its first stage, `lost` after a loss."""

    value: float = 1.0
    begun: bool = False
    lost: bool = False

    @property
    def earned(self) -> float:
        """What its stages have earned by quality."""
        return self.value if self.begun else 0.0


NEW = Worth()
GONE = Worth(0.0, True, True)


def after(before: Worth, quality: float, how: str) -> Worth:
    """The worth of a job after a stage of a quality; `how` is "product" or "minimum"."""
    value = min(before.value, quality) if how == "minimum" else before.value * quality
    return Worth(value, True)


def rewards(episode: Episode, choice: Whole) -> Array:
    """Reward of every stage under a choice, (N,)."""
    return _played(episode, choice)[0]


def qualities(episode: Episode, choice: Whole) -> list[float]:
    """Quality of every job under a choice."""
    return [worth.value for worth in _played(episode, choice)[1].values()]


def _played(episode: Episode, choice: Whole) -> tuple[Array, dict[int, Worth]]:
    how = episode.scenario.arrivals.job_quality
    assert how is not None
    worths: dict[int, Worth] = {}
    earned = np.zeros(len(choice))
    for n, (job, action) in enumerate(zip(episode.job.tolist(), choice.tolist(), strict=True)):
        before = worths.get(job, NEW)
        if action >= 0:
            worth = GONE if before.lost else after(before, episode.quality[n, action], how)
            earned[n] = worth.value - before.earned - episode.paid[n, action]
        else:
            worth = GONE
            earned[n] = 0.0 if before.lost else -before.earned - episode.scenario.prices.loss
        worths[job] = worth
    return earned, worths
