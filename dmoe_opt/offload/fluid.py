"""The rule `lp`: a program of expected arrivals, solved again and again; its duals are prices.

Over a horizon, K sampled subtasks stand for all that are expected; each counts as w of them, and
x[k, a] is the share of those that take action a::

    max  w sum_ka R[k, a] x[k, a]
         sum_a x[k, a] = 1                                        for each sampled subtask
         w sum_k d[k, e] x[k, e] <= slots of e times horizon, less what is taken already

The dual of a capacity row is the price of a second of a slot. See G. Gallego and G. van Ryzin, *A
Multiproduct Dynamic Pricing Problem and its Applications to Network Yield Management*, Operations
Research 45 (1997), for the program, and S. Jasin and S. Kumar, *A Re-Solving Heuristic with Bounded
Revenue Loss for Network Revenue Management with Customer Choice*, Mathematics of Operations
Research 37 (2012), for solving it again. Sampled subtasks rather than mean ones are ours: with a
handful of mean types, prices jump.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array

from dmoe_opt.offload.episode import Episode, draw
from dmoe_opt.offload.pricing import best_at
from dmoe_opt.offload.scenario import Array
from dmoe_opt.offload.simulate import Choose, State

EVERY_S = 0.25
"""Time after which prices are computed again."""
SAMPLED = 100
"""Subtasks that stand for those to come."""


def resolving(seed: int) -> Choose:
    """Reward less duration times a price: duals of a program of expected arrivals, solved again."""
    sample: Episode | None = None
    prices: list[float] = []
    valid_until = -np.inf

    def choose(state: State) -> int:
        nonlocal sample, prices, valid_until
        if sample is None:
            sample = draw(state.episode.scenario, np.random.default_rng([seed, SAMPLED]))
        if state.now >= valid_until:
            prices = duals(state, sample).tolist()
            valid_until = state.now + EVERY_S
        return best_at(state, prices)

    return choose


def duals(state: State, sample: Episode) -> Array:
    """The price of a second of a slot at each expert, (E,), over the links as they are now.

    Subtasks of `sample`, an episode of the scenario, stand for those to come. Where the solver
    fails, prices are 0.
    """
    scenario = state.episode.scenario
    horizon_s = float(scenario.types.deadline_s.max())
    least, most = scenario.arrivals.subtasks_per_job
    expected = scenario.mean_jobs_per_s * (least + most) / 2 * horizon_s
    now = replace(sample, gains=np.broadcast_to(state.gains, sample.gains.shape))
    if state.episode.speed is not None:
        speed = state.episode.speed[state.n]
        now = replace(now, speed=np.broadcast_to(speed, (now.num_subtasks, len(speed))))
    rows = np.linspace(0, now.num_subtasks - 1, min(SAMPLED, now.num_subtasks)).astype(int)
    reward, is_open = now.reward[rows], now.may_start[rows]
    taken = np.where(is_open, now.duration_s[rows], 0.0) * now.size[rows, None]
    is_open[:, -1] = True  # a device that is too slow loses the subtask, as `reward` says
    weight = expected / len(rows)
    held_s = [
        sum(min(end - state.now, horizon_s) * size for end, size in heap) for heap in state.held
    ]
    places, actions = len(state.room), reward.shape[1]
    use = np.zeros((places, len(rows), actions))
    for e in range(places):
        use[e, :, e] = weight * taken[:, e]
    solved = linprog(
        -weight * reward.ravel(),
        A_ub=csr_array(use.reshape(places, -1)),
        b_ub=np.maximum(np.array(state.room) * horizon_s - held_s, 0.0),
        A_eq=csr_array(np.kron(np.eye(len(rows)), np.ones(actions))),
        b_eq=np.ones(len(rows)),
        bounds=[(0.0, float(is_open)) for is_open in is_open.ravel()],
    )
    prices = -solved.ineqlin.marginals if solved.status == 0 else np.zeros(places)
    return np.asarray(prices[: scenario.num_experts])
