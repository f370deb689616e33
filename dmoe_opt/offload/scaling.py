"""Larger scenarios made of smaller ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dmoe_opt.data import validate
from dmoe_opt.offload.scenario import Scenario


def scaled(scenario: Scenario, copies: int = 1, num_jobs: int | None = None) -> Scenario:
    """A larger scenario: so many copies of each expert, for as many times the jobs per second.

    `num_jobs` is the number of jobs of an episode; by default it grows by the same factor.

    Examples
    --------
    >>> from dmoe_opt.offload.presets import preset
    >>> from dmoe_opt.offload.scaling import scaled
    >>> large = scaled(preset("mixed"), 5, 500)
    >>> large.num_experts, large.arrivals.jobs_per_s, large.name
    (50, 35.0, 'mixed-x5')
    """
    copies = validate.whole("copies", copies)
    arrivals = replace(
        scenario.arrivals,
        num_jobs=scenario.arrivals.num_jobs * copies if num_jobs is None else num_jobs,
        jobs_per_s=scenario.arrivals.jobs_per_s * copies,
    )
    name = scenario.name if copies == 1 else f"{scenario.name}-x{copies}"
    one = scenario.experts
    which = np.repeat(np.arange(scenario.num_experts), copies)
    experts = replace(
        one,
        skill=one.skill[which],
        capacity=one.capacity[which],
        speed=one.speed[which],
        energy_per_work_j=one.energy_per_work_j[which],
        mean_gain=one.mean_gain[which],
    )
    return replace(scenario, name=name, experts=experts, arrivals=arrivals)
