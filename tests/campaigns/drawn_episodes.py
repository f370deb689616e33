"""Tiny episodes of offloading with every subset of the optional rules of a scenario."""

from __future__ import annotations

from typing import Any

import numpy as np

from dmoe_opt.offload.drift import Drift
from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.episode import draw as drawn
from dmoe_opt.offload.scenario import (
    Arrivals,
    BlockRadio,
    Device,
    Experts,
    Prices,
    Scenario,
    Types,
)

MOST_SUBTASKS = 7
OPTIONAL = ("drift", "late", "work", "finite device", "stages")


def draw(rng: np.random.Generator) -> tuple[Episode, set[str]]:
    """An episode of at most 7 subtasks, and which of `OPTIONAL` it has; each in half of them.

    In most episodes subtasks come fast, and stay long enough to want the same places.
    """
    has = {name for name in OPTIONAL if rng.random() < 0.5}
    if "stages" in has:
        has.discard("late")  # they do not go together
    return drawn(_scenario(rng, has), int(rng.integers(2**31))), has


def _scenario(rng: np.random.Generator, has: set[str]) -> Scenario:
    experts, kinds = int(rng.integers(1, 4)), int(rng.integers(1, 3))
    most = int(rng.integers(1, 4))
    loss = _some(rng, [0.0, 0.5, 3.0])
    jobs = MOST_SUBTASKS // most if rng.random() < 0.8 else 1
    late = _some(rng, [0.0, 0.2, 2.0]) if "late" in has else None
    quality = str(rng.choice(["product", "minimum"])) if "stages" in has else None
    gap_s = _some(rng, [0.0, 0.3])
    arrivals = Arrivals(jobs, _some(rng, [0.5, 2.0, 4.0, 9.0]), [1, most], gap_s, quality)
    fading = str(rng.choice(["none", "rayleigh"]))
    return Scenario(
        experts=_experts(rng, has, experts, kinds),
        device=_device(rng, has, kinds),
        types=_types(rng, kinds),
        arrivals=arrivals,
        radio=BlockRadio(1.0, 1.0, 1.0, 0.5, fading, _some(rng, [0.0, 0.5, 1.0])),
        prices=Prices(_some(rng, [0.0, 0.1, 1.0]), _some(rng, [0.0, 0.1]), loss, late),
        drift=_drift(rng) if "drift" in has else None,
    )


def _experts(rng: np.random.Generator, has: set[str], count: int, kinds: int) -> Experts:
    """Equal ones among them, some without slots, some out of reach."""
    unit = "work" if "work" in has else None
    sizes = [0.0, 0.3, 0.3, 1.0, 2.0] if unit else [0, 1, 1, 1, 2]
    pick = rng.integers(0, count, count) if rng.random() < 0.3 else np.arange(count)
    return Experts(
        skill=rng.choice([0.5, 1.0, *rng.random(4)], (count, kinds))[pick],
        capacity=rng.choice(sizes, count)[pick],
        speed=rng.choice([0.5, 1.0, 2.0], count)[pick],
        energy_per_work_j=rng.choice([0.0, 1.0], count)[pick],
        mean_gain=rng.choice([0.0, 1.0, 1.0, 1.0, 4.0], count)[pick],
        capacity_unit=unit,
    )


def _device(rng: np.random.Generator, has: set[str], kinds: int) -> Device:
    room = _some(rng, [0, 1, 2]) if "finite device" in has else None
    skill = rng.choice([0.0, 0.3, rng.random()], kinds)
    return Device(skill, _some(rng, [0.2, 1.0]), _some(rng, [0.0, 1.0]), room)


def _types(rng: np.random.Generator, kinds: int) -> Types:
    """Works of 0.1, 0.2 and 0.3 fill a capacity of 0.3 only but for rounding."""
    return Types(
        name=[f"type {y}" for y in range(kinds)],
        probability=np.ones(kinds),
        weight=rng.choice([1.0, 3.0], kinds),
        payload_bits=rng.choice([0.1, 0.5, 1.0], kinds),
        result_bits=rng.choice([0.1, 0.5], kinds),
        work=rng.choice([0.1, 0.2, 1.0, 2.0], kinds),
        deadline_s=rng.choice([0.5, 3.0, 9.0], kinds),
        spread=_some(rng, [0.0, 0.0, 0.5]),
    )


def _drift(rng: np.random.Generator) -> Drift:
    """Some of the four quantities drift, each in half of the episodes."""
    ranges: dict[str, Any] = {
        name: np.sort(rng.choice([0.2, 0.5, 1.0, 3.0], (2, 2)))
        for name in ("load", "types", "speed", "gain")
        if rng.random() < 0.5
    }
    return Drift(**ranges, period_s=_some(rng, [0.3, 2.0]))


def _some(rng: np.random.Generator, values: list[float]) -> Any:
    return values[int(rng.integers(len(values)))]
