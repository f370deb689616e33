"""What no policy can earn on average that does not know the future: a bound below the clairvoyant.

The clairvoyant optimum may know all arrivals. Here what it takes is charged for what it could not
have known::

    ceiling = mean over episodes of the max over schedules x of
              sum_ne (R[n, e] + theta Z[n, e]) x[n, e]

with the surprises Z of `dmoe_opt.offload.surprises`. For a policy that does not know the future the
charge has mean zero, so for any theta its mean return is at most the ceiling. The weights theta,
one row for each group of equal experts, are those that make the ceiling lowest on training
episodes. That is one linear program, as the dual of the linear relaxation of every episode is::

    min  sum_n u[n] + sum_e slots[e] (P[e, N] - P[e, 0])
         u[n] >= R[n, a]                                               device or loss
         u[n] + P[e, arrivals before finish] - P[e, n] >= R[n, e] + theta Z[n, e]
         P[e, .] does not decrease

P[e, n] adds up the prices of a slot of e at the first n arrivals; capacities of work and of the
device have prices in the same way. The charge on the policy of
reference, `price`, is taken off again: its mean is zero too, and the mean of the difference settles
with far fewer episodes.

Penalised information relaxation: D. Brown, J. Smith and P. Sun, *Information Relaxations and
Duality in Stochastic Dynamic Programs*, Operations Research 58 (2010). The penalties are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

from dmoe_opt.errors import LimitError
from dmoe_opt.offload import surprises
from dmoe_opt.offload.episode import Episode, draw
from dmoe_opt.offload.optimum import twins
from dmoe_opt.offload.pricing import Tariff, equal_experts
from dmoe_opt.offload.scenario import Array, Scenario, Whole
from dmoe_opt.offload.simulate import run

TRAINING = 2404
"""First part of the seeds of the episodes on which penalties are fitted."""
EPISODES = 15


def exists(scenario: Scenario) -> bool:
    """Whether there is a ceiling: neither load nor mix of types drifts, and jobs have no stages."""
    drift = scenario.drift
    is_steady = drift is None or (drift.load is None and drift.types is None)
    return is_steady and scenario.arrivals.job_quality is None


def fitted(scenario: Scenario, tariff: Tariff, seed: int = 0) -> Array:
    """The weights theta with the lowest ceiling on training episodes, (G, F).

    G groups of equal experts, F surprises. Takes half a minute for some 300 subtasks an episode.

    Raises
    ------
    LimitError
        If the solver finds no weights.
    """
    rng = np.random.default_rng([TRAINING, seed])
    groups = equal_experts(scenario)
    shape = int(groups.max()) + 1, surprises.size(scenario)
    program = _Dual(shape)
    for _ in range(EPISODES):
        episode = draw(scenario, rng)
        choice = run(episode, tariff.choose)
        found = surprises.surprises(episode, choice)
        credit = np.zeros(shape)
        np.add.at(credit, groups, surprises.taken(found, choice))
        program.add(episode, episode.reward, groups, found, credit)
    _, weights = program.solved("highs-ipm")
    return weights


def bound(episode: Episode, tariff: Tariff, weights: Array) -> float:
    """The best return under the charge, less the charge on the policy of reference.

    The mean over episodes that the scenario draws bounds the mean return of every policy that does
    not know the future. Of a single episode it bounds nothing.
    """
    groups = equal_experts(episode.scenario)
    choice = run(episode, tariff.choose)
    found = surprises.surprises(episode, choice)
    theta = weights[groups]
    reward = episode.reward.copy()
    reward[:, :-1] += (found * theta).sum(axis=2)
    program = _Dual((0, 0))
    program.add(episode, reward, groups)
    most, _ = program.solved("highs")
    return most - float((surprises.taken(found, choice) * theta).sum())


@dataclass
class _Row:
    """A block of rows `sum of value * column >= least`."""

    least: Array
    terms: list[tuple[Whole, Array | float]]


class _Dual:
    """The linear program above, of any number of episodes; its first columns are theta."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._shape = shape
        self._cost: list[Array] = []
        self._least: list[Array] = []
        self._rows: list[_Row] = []
        self._width = 0
        self._theta = self._columns(np.zeros(shape[0] * shape[1]), -np.inf)

    def _columns(self, cost: Array, least: float) -> Whole:
        """Numbers of new columns of these costs."""
        self._cost.append(cost)
        self._least.append(np.full(len(cost), least))
        first = self._width
        self._width += len(cost)
        return first + np.arange(len(cost))

    def add(
        self,
        episode: Episode,
        reward: Array,
        groups: Whole,
        found: Array | None = None,
        credit: Array | None = None,
    ) -> None:
        """Add an episode with rewards (N, E + 1), and perhaps the surprises that theta charges.

        `credit`, (G, F), is what theta pays for the policy of reference.
        """
        count = episode.num_subtasks
        if credit is not None:
            self._cost[0] -= credit.ravel()
        value = self._columns(np.ones(count), -np.inf)
        capacity = episode.scenario.room
        is_free = len(capacity) == len(groups)  # the device takes any number
        least = np.maximum(reward[:, -1], episode.loss_reward) if is_free else episode.loss_reward
        self._rows.append(_Row(least, [(value, 1.0)]))
        first = _merged(episode, reward, groups)
        first = np.append(first, np.arange(len(groups), len(capacity)))
        together = np.bincount(first, capacity)
        for e in np.unique(first).tolist():
            cost = np.zeros(count + 1)
            cost[[0, -1]] = -together[e], together[e]
            paid = self._columns(cost, 0.0)
            self._rows.append(_Row(np.zeros(count), [(paid[1:], 1.0), (paid[:-1], -1.0)]))
            n = np.flatnonzero(episode.may_start[:, e])
            leaves = np.searchsorted(episode.arrival_s, episode.finish_s[n, e])
            size = episode.size[n].astype(float)
            terms: list[tuple[Whole, Array | float]] = [
                (value[n], 1.0),
                (paid[np.maximum(leaves, n + 1)], size),
                (paid[n], -size),
            ]
            if found is not None and e < len(groups):
                theta = self._theta.reshape(self._shape)[groups[e]]
                terms += [(np.full(len(n), k), -found[n, e, f]) for f, k in enumerate(theta)]
            self._rows.append(_Row(reward[n, e], terms))

    def solved(self, method: str) -> tuple[float, Array]:
        """The mean over the episodes, and theta."""
        row = np.cumsum([0, *(len(block.least) for block in self._rows)])
        entries = [
            (first + np.arange(len(columns)), columns, np.broadcast_to(values, len(columns)))
            for first, block in zip(row, self._rows, strict=False)
            for columns, values in block.terms
        ]
        rows, columns, values = map(np.concatenate, zip(*entries, strict=True))
        matrix = coo_array((values, (rows, columns)), shape=(row[-1], self._width))
        least = np.concatenate(self._least)
        solved = linprog(
            np.concatenate(self._cost),
            A_ub=-matrix.tocsr(),
            b_ub=-np.concatenate([block.least for block in self._rows]),
            bounds=np.column_stack([least, np.full(len(least), np.inf)]),
            method=method,
        )
        if solved.status != 0:
            raise LimitError(f"the solver found no ceiling: {solved.message}")
        return float(solved.fun), solved.x[self._theta].reshape(self._shape)


def _merged(episode: Episode, reward: Array, groups: Whole) -> Whole:
    """For each expert the first of its group that equals it in the episode, (E,).

    Equal experts have the slots of all.
    """
    same = twins(episode)
    alike = [
        (same == same[e]) & (groups == groups[e]) & (reward[:, :-1] == reward[:, [e]]).all(axis=0)
        for e in range(len(groups))
    ]
    return np.array([int(np.argmax(row)) for row in alike])
