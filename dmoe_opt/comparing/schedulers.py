"""Accuracy against energy: the protocol over a grid of settings, and the front of each scheduler.

A setting is a choice of gamma0, z and D. It is on the Pareto front of its scheduler if no other
setting of that scheduler is as accurate for less energy, or more accurate for as much.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from dmoe_opt.comparing.rows import grouped, half_width
from dmoe_opt.data import validate
from dmoe_opt.errors import InputError
from dmoe_opt.layers import protocol
from dmoe_opt.layers.schedulers import (
    ALL,
    GAMMA0_GRID,
    MAX_EXPERTS_GRID,
    SEEDS,
    Z_GRID,
    todays_name,
)


@dataclass(frozen=True)
class FrontierPoint:
    """One setting of a scheduler over seeds: means over the runs.

    `accuracy_ci95` and `energy_ci95_j` are half the widths of 95 % confidence intervals (Student's
    t), None for a single run. `accuracy` is None without a task. `latency_s` is the latency of all
    layers. `front` marks the settings on the front of their scheduler.
    """

    scheduler: str
    gamma0: float
    z: float
    max_experts: int
    seeds: int
    accuracy: float | None
    accuracy_ci95: float | None
    relevance: float
    energy_per_token_j: float
    energy_ci95_j: float | None
    latency_s: float
    front: bool = False

    @property
    def worth(self) -> float:
        """The value that energy buys: accuracy, or without a task the relevance reached."""
        return self.relevance if self.accuracy is None else self.accuracy


class Setting(NamedTuple):
    """The arguments that all runs of a point share."""

    scheduler: str
    gamma0: float
    z: float
    max_experts: int


def frontier(
    preset: str,
    *,
    schedulers: Sequence[str] = ALL,
    gamma0: Sequence[float] = GAMMA0_GRID,
    z: Sequence[float] = Z_GRID,
    max_experts: Sequence[int] = MAX_EXPERTS_GRID,
    seeds: int = SEEDS,
    num_tokens: int | None = None,
    layers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[FrontierPoint]:
    """Run every setting on the same seeds.

    `homogeneous` has no gamma0, `topk` has neither gamma0 nor z, `dense` has none of the three:
    each is run once per setting that it has.

    Parameters
    ----------
    preset, num_tokens, layers
        As in `protocol.run`.
    schedulers
        Names as in `protocol.run`.
    gamma0, z, max_experts
        The values of the grid.
    seeds
        Number of runs of every setting; their seeds are 0, 1, 2, ...
    progress
        Called before each run with the number of runs done, and of all runs.

    Returns
    -------
    list
        The points of one scheduler after another, each scheduler's by energy.

    Raises
    ------
    DmoeError
        As `protocol.run`; `InputError` also if a list is empty.

    Examples
    --------
    >>> from dmoe_opt.comparing.schedulers import frontier
    >>> grid = {"schedulers": ["joint", "topk"], "gamma0": [0.8], "z": [0.5, 1.0]}
    >>> points = frontier("digits", **grid, seeds=2, num_tokens=32)
    >>> [(point.scheduler, point.z) for point in points]
    [('joint', 0.5), ('joint', 1.0), ('topk', 1.0)]
    """
    _require_values(schedulers=schedulers, gamma0=gamma0, z=z, max_experts=max_experts)
    seeds = validate.whole("seeds", seeds)
    listed: list[Setting] = []
    for name in schedulers:
        listed += _settings(todays_name(name), gamma0, z, max_experts)
    settings = list(dict.fromkeys(listed))  # an old name and today's are the same scheduler
    points = []
    for number, setting in enumerate(settings):
        runs = []
        for seed in range(seeds):
            if progress:
                progress(number * seeds + seed, len(settings) * seeds)
            runs.append(_run(preset, setting, seed, num_tokens, layers))
        points.append(_point(setting, runs))
    return _with_fronts(points)


def _require_values(**lists: Sequence[object]) -> None:
    for name, values in lists.items():
        if not len(values):
            raise InputError(f"{name} is empty; allowed: at least one value")


def _settings(
    scheduler: str, gamma0: Sequence[float], z: Sequence[float], max_experts: Sequence[int]
) -> list[Setting]:
    """The settings of one scheduler; a value that it does not look at is given as 1."""
    if scheduler == "dense":
        gamma0, z, max_experts = (1.0,), (1.0,), max_experts[:1]
    elif scheduler == "topk":
        gamma0, z = (1.0,), (1.0,)
    elif scheduler == "homogeneous":
        gamma0 = (1.0,)
    return [Setting(scheduler, *values) for values in itertools.product(gamma0, z, max_experts)]


def _run(
    preset: str, setting: Setting, seed: int, num_tokens: int | None, layers: int | None
) -> protocol.Run:
    return protocol.run(
        preset,
        setting.scheduler,
        gamma0=setting.gamma0,
        z=setting.z,
        max_experts=setting.max_experts,
        seed=seed,
        num_tokens=num_tokens,
        layers=layers,
    )


def _point(setting: Setting, runs: Sequence[protocol.Run]) -> FrontierPoint:
    """The means of the runs of a setting."""
    energy_j = np.array([run.total("energy_j") / run.layers[0].tokens for run in runs])
    accuracy = np.array([run.accuracy for run in runs if run.accuracy is not None])
    relevance = [layer.relevance for run in runs for layer in run.layers]
    return FrontierPoint(
        *setting,
        seeds=len(runs),
        accuracy=float(accuracy.mean()) if len(accuracy) else None,
        accuracy_ci95=half_width(accuracy),
        relevance=float(np.mean(relevance)),
        energy_per_token_j=float(energy_j.mean()),
        energy_ci95_j=half_width(energy_j),
        latency_s=float(np.mean([run.total("latency_s") for run in runs])),
    )


def by_scheduler(points: Sequence[FrontierPoint]) -> dict[str, list[FrontierPoint]]:
    """The points of each scheduler by energy; of equal energy, the best first."""
    groups = grouped((point.scheduler, point) for point in points)
    for group in groups.values():
        group.sort(key=lambda point: (point.energy_per_token_j, -point.worth))
    return groups


def _with_fronts(points: Sequence[FrontierPoint]) -> list[FrontierPoint]:
    """The points of each scheduler by energy, those on its front marked."""
    marked = []
    for group in by_scheduler(points).values():
        best = -np.inf
        for point in group:
            marked.append(replace(point, front=point.worth > best))
            best = max(best, point.worth)
    return marked
