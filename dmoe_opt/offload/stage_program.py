"""The clairvoyant optimum of jobs of stages: an integer program for HiGHS.

Variable alpha[n, a] is 1 where stage n takes option a (an expert, the device, or its loss), Q[j] is
the quality of job j, and L[j] its loss::

    max  sum_j (Q[j] - loss L[j]) - sum_na paid[n, a] alpha[n, a]
         sum_a alpha[n, a] = 1, and crowds as in `dmoe_opt.models.offload_pyomo`
         L[j] >= alpha[n, lost]                                          for each stage n of job j
    minimum:  Q[j] <= sum_a u[n, a] alpha[n, a]                          for each stage n of job j
    product:  V[n] <= sum_a u[n, a] z[n, a],  Q[j] = V[last stage of j]
              z[n, a] <= alpha[n, a],  sum_a z[n, a] <= V[stage before n]

Since alpha is binary, z[n, a] is V[stage before n] alpha[n, a] at the optimum, so the products are
exact: G. McCormick, *Computability of Global Solutions to Factorable Nonconvex Programs*,
Mathematical Programming 10 (1976). No job is worth more than the mean of its stages by any weights,
so the optimum of the same episode with weighted means is another upper bound, and a weaker one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from highspy import HighsStatus, SolutionStatus, kHighsInf

from dmoe_opt.joint import highs
from dmoe_opt.offload import optimum
from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.optimum import Optimum
from dmoe_opt.offload.scenario import Array, Whole
from dmoe_opt.offload.simulate import LOST, account, run


def solve(episode: Episode, time_limit: float | None = None) -> Optimum:
    """The best schedule found, at least as good as that of `greedy`, and an upper bound."""
    program = _Program(episode)
    solver = highs.loaded(program.model(), np.inf if time_limit is None else time_limit)
    greedy = run(episode, lambda state: state.best_open(state.reward))
    taken = np.arange(program.taken, dtype=np.int32)
    status = solver.setSolution(program.taken, taken, program.values(greedy))
    assert status == HighsStatus.kOk
    highs.run(solver)
    return _concluded(episode, program, solver, greedy)


def _concluded(episode: Episode, program: _Program, solver: Any, greedy: Whole) -> Optimum:
    """The better of the solver's schedule and that of `greedy`, and the solver's bound."""
    choices = [greedy]
    if solver.getInfo().primal_solution_status == SolutionStatus.kSolutionStatusFeasible:
        values = np.array(solver.getSolution().col_value)[: program.taken]
        chosen = [program.options[k] for k in np.flatnonzero(values > 0.5)]
        choices.append(optimum.dealt_out(episode, chosen))
    returns = [account(episode, choice).return_ for choice in choices]
    best = int(np.argmax(returns))
    alone = optimum.most_alone(episode)
    bound = min(-solver.getInfo().mip_dual_bound * program.unit, alone)
    return Optimum("stages", max(bound, returns[best]), returns[best], choices[best], program.unit)


class _Program:
    """The program with columns alpha, z, V, Q and L; `options` are those of alpha."""

    def __init__(self, episode: Episode) -> None:
        self._episode = episode
        self.unit = optimum.unit(episode)
        self.options = optimum.options(episode)
        self.taken = len(self.options)
        self._subtask, self._action = np.array(self.options).T
        self._job = np.unique(episode.job, return_inverse=True)[1]
        self._stages, self._jobs = episode.num_subtasks, int(self._job.max()) + 1
        self._is_lost = self._action == episode.scenario.num_experts + 1
        action = np.where(self._is_lost, 0, self._action)
        self._quality = np.where(self._is_lost, 0.0, episode.quality[self._subtask, action])
        self._paid = np.where(self._is_lost, 0.0, episode.paid[self._subtask, action])
        self._before = np.full(self._stages, -1)
        last: dict[int, int] = {}
        for n, job in enumerate(self._job.tolist()):
            self._before[n] = last.get(job, -1)
            last[job] = n
        self._last = np.array([last[job] for job in range(self._jobs)])
        ends = np.cumsum([0, self.taken, self.taken, self._stages, self._jobs, self._jobs])
        self._z, self._v, self._q, self._l, self._width = ends[1:].tolist()

    def model(self) -> Any:
        """The program as HiGHS takes it: minimise what is paid and lost, less the qualities."""
        rows = highs.Rows(self._width)
        option = np.arange(self.taken)
        rows.add(self._stages, 1.0, 1.0, (self._subtask, option, 1.0))
        self._add_crowds(rows)
        lost = np.flatnonzero(self._is_lost)  # one of each stage, in order
        stage = np.arange(self._stages)
        loss = self._l + self._job
        rows.add(self._stages, 0.0, kHighsInf, (stage, loss, 1.0), (stage, lost, -1.0))
        if self._episode.scenario.arrivals.job_quality == "minimum":
            quality = self._q + self._job
            terms = (stage, quality, 1.0), (self._subtask, option, -self._quality)
            rows.add(self._stages, -kHighsInf, 0.0, *terms)
        else:
            self._add_products(rows)
        cost = np.zeros(self._width)
        cost[: self.taken] = self._paid
        cost[self._q : self._l] = -1.0
        cost[self._l :] = self._episode.scenario.prices.loss
        return rows.program(
            cost / self.unit, np.zeros(self._width), np.ones(self._width), self.taken
        )

    def _add_crowds(self, rows: highs.Rows) -> None:
        column = {option: k for k, option in enumerate(self.options)}
        for expert, crowd, capacity in optimum.crowds(self._episode):
            member = np.array([column[n, expert] for n in crowd])
            size = self._episode.size[crowd].astype(float)
            rows.add(1, -np.inf, float(capacity), (np.zeros_like(member), member, size))

    def _add_products(self, rows: highs.Rows) -> None:
        option, stage, job = np.arange(self.taken), np.arange(self._stages), np.arange(self._jobs)
        of_z = self._subtask, self._z + option
        rows.add(self.taken, -kHighsInf, 0.0, (option, of_z[1], 1.0), (option, option, -1.0))
        worth = stage, self._v + stage, 1.0
        rows.add(self._stages, -kHighsInf, 0.0, worth, (*of_z, -self._quality))
        later = np.flatnonzero(self._before >= 0)
        previous = later, self._v + self._before[later], -1.0
        most = np.where(self._before >= 0, 0.0, 1.0)
        rows.add(self._stages, -kHighsInf, most, (*of_z, 1.0), previous)
        last = self._v + self._last
        rows.add(self._jobs, -kHighsInf, 0.0, (job, self._q + job, 1.0), (job, last, -1.0))

    def values(self, choice: Whole) -> Array:
        """The columns alpha of a choice; the solver finds those of z, V, Q and L."""
        first = np.append(optimum.twins(self._episode), self._episode.scenario.num_experts)
        lost = self._episode.scenario.num_experts + 1
        actions = [lost if action == LOST else int(first[action]) for action in choice.tolist()]
        taken = set(enumerate(actions))
        return np.array([float(option in taken) for option in self.options])
