"""Small offloading scenarios that Hypothesis draws, and one to work by hand."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from dmoe_opt.offload.drift import Drift
from dmoe_opt.offload.episode import Episode, draw
from dmoe_opt.offload.scenario import Arrivals, BlockRadio, Device, Experts, Prices, Scenario, Types


def by_hand(device_speed: float = 1.0) -> Episode:
    """One expert with one slot; three jobs of one subtask each.

    The jobs are of types A, B, A and arrive at 0, 1 and 2 s. At signal-to-noise ratio 1 the link
    carries 1 bit/s, so payload and result of half a bit take 1 s and 1 J, and with 1 s of computing
    a subtask holds the slot for 2 s. The expert earns 0.6 - 0.1 = 0.5 on A and 1.0 - 0.1 = 0.9 on
    B, the device 0.3 and 0.2. Greedy gives the expert jobs 0 and 2, as 0 leaves when 2 arrives:
    0.5 + 0.2 + 0.5 = 1.2. The best gives it job 1 alone: 0.3 + 0.9 + 0.3 = 1.5.
    """
    scenario = Scenario(
        experts=Experts(
            skill=[[0.6, 1.0]],
            capacity=[1],
            speed=[1.0],
            energy_per_work_j=[0.0],
            mean_gain=[1.0],
        ),
        device=Device(skill=[0.3, 0.2], speed=device_speed, energy_per_work_j=0.0),
        types=Types(
            name=["A", "B"],
            probability=[1, 1],
            weight=[1, 1],
            payload_bits=[0.5, 0.5],
            result_bits=[0.5, 0.5],
            work=[1, 1],
            deadline_s=[2, 2],
        ),
        arrivals=Arrivals(num_jobs=3, jobs_per_s=1.0, subtasks_per_job=[1, 1], gap_s=0.0),
        radio=BlockRadio(
            bandwidth_hz=1.0, power_w=1.0, noise_w=1.0, coherence_s=1.0, fading="none"
        ),
        prices=Prices(communication_per_j=0.1, computation_per_j=0.1, loss=0.25),
        name="hand",
    )
    ones = np.ones(3)
    return Episode(
        scenario,
        arrival_s=[0, 1, 2],
        job=[0, 1, 2],
        type=[0, 1, 0],
        weight=ones,
        payload_bits=ones / 2,
        result_bits=ones / 2,
        work=ones,
        deadline_s=2 * ones,
        gains=np.ones((3, 1)),
    )


@st.composite
def episodes(draw_: st.DrawFn, most_jobs: int = 4) -> Episode:
    """Episodes with full, equal, dead and slotless experts, late devices, free or costly energy.

    Some have late results at a price, a finite device, capacities of work, speeds that
    drift, or jobs of stages.
    """
    experts, types = draw_(st.integers(1, 3)), draw_(st.integers(1, 2))

    def table(values: list[float], *shape: int) -> np.ndarray:
        flat = draw_(
            st.lists(
                st.sampled_from(values), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))
            )
        )
        return np.array(flat).reshape(shape)

    job_quality = draw_(st.sampled_from([None, None, "product", "minimum"]))
    late_per_s = draw_(st.sampled_from([None, None, 0.0, 0.2]))
    scenario = Scenario(
        experts=Experts(
            skill=table([0.0, 0.5, 1.0], experts, types),
            capacity=table([0, 1, 1, 2], experts).astype(int),
            speed=table([0.5, 1.0, 2.0], experts),
            energy_per_work_j=table([0.0, 1.0], experts),
            mean_gain=table([0.0, 1.0, 1.0, 4.0], experts),
            capacity_unit=draw_(st.sampled_from([None, "subtasks", "work"])),
        ),
        device=Device(
            skill=table([0.0, 0.5], types),
            speed=draw_(st.sampled_from([0.2, 1.0])),
            energy_per_work_j=1.0,
            capacity=draw_(st.sampled_from([None, None, 0, 1, 2])),
        ),
        types=Types(
            name=[f"type {y}" for y in range(types)],
            probability=np.ones(types),
            weight=table([1.0, 3.0], types),
            payload_bits=table([0.5, 1.0], types),
            result_bits=table([0.5, 1.0], types),
            work=table([1.0, 2.0], types),
            deadline_s=table([2.0, 3.0, 9.0], types),
            spread=draw_(st.sampled_from([0.0, 0.5])),
        ),
        arrivals=Arrivals(
            num_jobs=draw_(st.integers(1, most_jobs)),
            jobs_per_s=draw_(st.sampled_from([0.5, 2.0])),
            subtasks_per_job=[1, 2],
            gap_s=draw_(st.sampled_from([0.0, 0.5])),
            job_quality=job_quality,
        ),
        radio=BlockRadio(
            1.0,
            1.0,
            1.0,
            0.5,
            draw_(st.sampled_from(["none", "rayleigh"])),
            draw_(st.sampled_from([0.0, 0.5, 1.0])),
        ),
        prices=Prices(
            draw_(st.sampled_from([0.0, 0.1, 1.0])),
            0.1,
            draw_(st.sampled_from([0.0, 0.5])),
            None if job_quality else late_per_s,
        ),
        drift=draw_(st.sampled_from([None, Drift(speed=[[0.5, 2.0]], period_s=1.0)])),
    )
    return draw(scenario, draw_(st.integers(0, 1000)))
