"""Accuracy against energy: the protocol over a grid of gamma0, z and D, and the Pareto front of every scheduler."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dmoe_opt.comparing.rows import half_width
from dmoe_opt.errors import InputError
from dmoe_opt.layers import protocol

SCHEDULERS = ("jesa", "homogeneous", "des", "topk", "relaxed", "dense")


@dataclass(frozen=True)
class FrontierPoint:
    """One setting of a scheduler over seeds: means, and half the width of 95 % confidence intervals (Student's t).

    `accuracy` is None without a task; `front` says that no other setting of this scheduler is as accurate for less
    energy, or more accurate for as much.
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
        """What energy buys, which is accuracy, or the relevance reached where there is no task."""
        return self.relevance if self.accuracy is None else self.accuracy


def frontier(
    preset: str,
    *,
    schedulers: Sequence[str] = SCHEDULERS,
    gamma0: Sequence[float] = (0.7, 0.8, 0.9, 1.0),
    z: Sequence[float] = (0.4, 0.6, 0.8),
    max_experts: Sequence[int] = (2,),
    seeds: int = 5,
    num_tokens: int | None = None,
    layers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[FrontierPoint]:
    """Run every setting on the same seeds.

    `homogeneous` has no gamma0, Top-k neither that nor z, `dense` none of the three: each is run once per setting it has.

    Raises
    ------
    InputError
        As `protocol.run`, or if a list is empty.

    Examples
    --------
    >>> from dmoe_opt.comparing.schedulers import frontier
    >>> points = frontier("digits", schedulers=["jesa", "topk"], gamma0=[0.8], z=[0.5, 1.0], seeds=2, num_tokens=32)
    >>> [(point.scheduler, point.z) for point in points]
    [('jesa', 0.5), ('jesa', 1.0), ('topk', 1.0)]
    """
    for name, values in (
        ("schedulers", schedulers),
        ("gamma0", gamma0),
        ("z", z),
        ("max_experts", max_experts),
    ):
        if not len(values):
            raise InputError(f"{name} is empty; allowed: at least one value")
    settings = [s for name in schedulers for s in _settings(name, gamma0, z, max_experts)]
    points = []
    for number, (scheduler, gamma, height, most) in enumerate(settings):
        runs = []
        for seed in range(seeds):
            if progress:
                progress(number * seeds + seed, len(settings) * seeds)
            runs.append(
                protocol.run(
                    preset,
                    scheduler,
                    gamma0=gamma,
                    z=height,
                    max_experts=most,
                    seed=seed,
                    num_tokens=num_tokens,
                    layers=layers,
                )
            )
        points.append(_point(scheduler, gamma, height, most, runs))
    return [
        point
        for name in schedulers
        for point in _with_front([p for p in points if p.scheduler == name])
    ]


def _settings(
    scheduler: str, gamma0: Sequence[float], z: Sequence[float], max_experts: Sequence[int]
) -> Iterable[tuple[str, float, float, int]]:
    if scheduler == "dense":
        return [(scheduler, 1.0, 1.0, max_experts[0])]
    if scheduler == "topk":
        return [(scheduler, 1.0, 1.0, most) for most in max_experts]
    if scheduler == "homogeneous":
        return [
            (scheduler, 1.0, height, most) for height, most in itertools.product(z, max_experts)
        ]
    return [(scheduler, *rest) for rest in itertools.product(gamma0, z, max_experts)]


def _point(
    scheduler: str, gamma0: float, z: float, max_experts: int, runs: list[protocol.Run]
) -> FrontierPoint:
    energy = np.array([run.total("energy_j") / max(run.layers[0].tokens, 1) for run in runs])
    accuracy = np.array([run.accuracy for run in runs if run.accuracy is not None])
    return FrontierPoint(
        scheduler=scheduler,
        gamma0=gamma0,
        z=z,
        max_experts=max_experts,
        seeds=len(runs),
        accuracy=float(accuracy.mean()) if len(accuracy) else None,
        accuracy_ci95=half_width(accuracy),
        relevance=float(np.mean([layer.relevance for run in runs for layer in run.layers])),
        energy_per_token_j=float(energy.mean()),
        energy_ci95_j=half_width(energy),
        latency_s=float(np.mean([run.total("latency_s") for run in runs])),
    )


def _with_front(points: list[FrontierPoint]) -> list[FrontierPoint]:
    """Points of one scheduler by energy, those on its front marked: by accuracy, or by relevance without a task."""
    best = -np.inf
    found = []
    for point in sorted(points, key=lambda p: (p.energy_per_token_j, -p.worth)):
        found.append(point if point.worth <= best else replace(point, front=True))
        best = max(best, point.worth)
    return found
