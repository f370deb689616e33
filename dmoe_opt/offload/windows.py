"""The clairvoyant optimum by windows: relaxation, windows of subtasks, then what is left.

The program is that of `dmoe_opt.models.offload_pyomo`, handed to HiGHS itself:

1. The duals of its linear relaxation are prices of crowds, p[k] >= 0. Any prices bound the
   regret: sum_n min_a (regret[n, a] + prices of the crowds of (n, a)) - sum_k p[k] slots[k].
2. Subtasks in the order of arrival take the option with room that the relaxation prefers.
3. Windows of subtasks are solved while all others stay; then wider windows.
4. An option that costs more, at these prices, than what is left between schedule and bound is in no
   better schedule. The whole program without such options is solved from the best schedule on, as
   long as the time allows, and gives the last bound.

Windows are large neighbourhood search: P. Shaw, *Using Constraint Programming and Local Search
Methods to Solve Vehicle Routing Problems*, CP 1998.
"""

from __future__ import annotations

import numpy as np
from highspy import Highs, HighsModelStatus, HighsSolution, SolutionStatus
from numpy.typing import NDArray
from scipy.sparse import csc_array

from dmoe_opt import clock
from dmoe_opt.joint import highs
from dmoe_opt.offload import optimum, stage_program
from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.optimum import Optimum
from dmoe_opt.offload.scenario import Array
from dmoe_opt.offload.simulate import FITS

WIDTHS = (40, 60, 80, 100)
"""Subtasks of a window; the next window begins half a width later."""
WINDOW_S = 1.0
"""Time for a window, s; its best schedule by then counts."""
EXACT = 1e-9
"""A regret this near the bound, in units of `optimum.unit`, is proven."""

Schedule = NDArray[np.bool_]
"""The options that are taken, one of each subtask."""


def solve(episode: Episode, time_limit: float | None = None) -> Optimum:
    """The best schedule found, and a bound that is at least as good as that of the relaxation.

    Jobs of stages have a program of their own (`dmoe_opt.offload.stage_program`).

    Parameters
    ----------
    time_limit
        Seconds. The relaxation is solved whatever the limit.
    """
    if episode.scenario.arrivals.job_quality is not None:
        return stage_program.solve(episode, time_limit)
    with clock.until(time_limit):
        program = _Program(episode)
        program.relax()
        schedule = program.first_schedule()
        for width in WIDTHS:
            schedule = program.improved(schedule, width)
        schedule = program.completed(schedule)
    chosen = [program.options[k] for k in np.flatnonzero(schedule)]
    return optimum.conclude(episode, "windows", chosen, program.bound)


def prices(episode: Episode) -> list[tuple[int, float, float]]:
    """Dual prices of the linear relaxation: (expert, time in s, reward per unit of its capacity).

    At that time more subtasks could be there than have room. `twins` have the same prices.
    """
    program = _Program(episode)
    program.relax()
    first = optimum.twins(episode).tolist()
    priced = []
    for (place, crowd, _), price in zip(optimum.crowds(episode), program.prices, strict=True):
        same = [e for e, of in enumerate(first) if of == place] or [place]
        time_s = float(episode.arrival_s[crowd[-1]])
        if price > 0:
            priced += [(e, time_s, float(price) * optimum.unit(episode)) for e in same]
    return priced


class _Program:
    """The integer program of an episode inside HiGHS, with a column for each option.

    `bound` is a lower bound on the regret, in units of `optimum.unit`.
    """

    def __init__(self, episode: Episode) -> None:
        self.options = optimum.options(episode)
        regrets = optimum.regret(episode)
        self.cost: Array = np.array([regrets[option] for option in self.options])
        self.subtask = np.array([n for n, _ in self.options])
        self.size = episode.size[self.subtask].astype(float)
        self.bound = 0.0
        width = len(self.options)
        rows = highs.Rows(width)
        self._add_crowds(episode, rows)
        rows.add(episode.num_subtasks, 1.0, 1.0, (self.subtask, np.arange(width), 1.0))
        self._solver = Highs()
        for name, value in highs.options(np.inf).items():
            self._solver.setOptionValue(name, value)
        self._solver.passModel(rows.program(self.cost, np.zeros(width), np.ones(width), width))

    def _add_crowds(self, episode: Episode, rows: highs.Rows) -> None:
        """A row for each set of subtasks that would be at an expert together."""
        column = {option: k for k, option in enumerate(self.options)}
        crowds = optimum.crowds(episode)
        self.slots: Array = np.array([slots for _, _, slots in crowds], dtype=float)
        row = np.repeat(np.arange(len(crowds)), [len(crowd) for _, crowd, _ in crowds])
        member = np.array([column[n, e] for e, crowd, _ in crowds for n in crowd], dtype=int)
        shape = len(crowds), len(self.options)
        self.crowds = csc_array((self.size[member], (row, member)), shape=shape)
        rows.add(len(crowds), -np.inf, self.slots, (row, member, self.size[member]))

    def relax(self) -> None:
        """Solve the linear relaxation: its bound, and what every option costs at its prices."""
        self._solver.setOptionValue("solve_relaxation", True)
        highs.run(self._solver)
        self._solver.setOptionValue("solve_relaxation", False)
        prices = self.prices = np.zeros(len(self.slots))
        self.share = np.zeros(len(self.options))
        if self._solver.getModelStatus() == HighsModelStatus.kOptimal:
            solution = self._solver.getSolution()
            prices = self.prices = np.maximum(-np.array(solution.row_dual)[: len(prices)], 0.0)
            self.share = np.array(solution.col_value)
        priced = self.cost + self.crowds.T @ prices
        least = np.minimum.reduceat(priced, np.searchsorted(self.subtask, range(self._subtasks)))
        self.reduced = priced - least[self.subtask]
        self.bound = float(max(least.sum() - prices @ self.slots, 0.0))

    @property
    def _subtasks(self) -> int:
        return int(self.subtask[-1]) + 1

    def first_schedule(self) -> Schedule:
        """Each subtask takes the option with room of which the relaxation takes the most."""
        schedule = np.zeros(len(self.options), dtype=bool)
        left = self.slots.copy()
        placed = -1
        for k in np.lexsort([self.reduced, -self.share, self.subtask]).tolist():
            crowds = self.crowds.indices[self.crowds.indptr[k] : self.crowds.indptr[k + 1]]
            if self.subtask[k] > placed and (left[crowds] >= self.size[k] * FITS).all():
                schedule[k] = True
                left[crowds] -= self.size[k]
                placed = int(self.subtask[k])
        return schedule

    def improved(self, schedule: Schedule, width: int) -> Schedule:
        """Solve every window of so many subtasks once, as long as the time allows."""
        step = width // 2
        for first in range(-step, self._subtasks, step):
            if self._is_done(schedule):
                break
            inside = (self.subtask >= first) & (self.subtask < first + width)
            schedule = self._solved(schedule, inside, min(WINDOW_S, clock.left_s()))
        return schedule

    def completed(self, schedule: Schedule) -> Schedule:
        """Solve what the bound leaves open, as long as the time allows, and raise the bound."""
        if self._is_done(schedule):
            return schedule
        most = self._regret(schedule)
        schedule = self._solved(schedule, np.ones(len(schedule), dtype=bool), clock.left_s())
        self.bound = max(self.bound, min(self._solver.getInfo().mip_dual_bound, most))
        return schedule

    def _regret(self, schedule: Schedule) -> float:
        return float(self.cost[schedule].sum())

    def _is_done(self, schedule: Schedule) -> bool:
        """Whether the schedule is proven, or the time is over."""
        return self._regret(schedule) <= self.bound + EXACT or clock.is_over()

    def _solved(self, schedule: Schedule, inside: Schedule, limit_s: float) -> Schedule:
        """The best schedule found that differs at most in the options inside."""
        useful = self.reduced <= self._regret(schedule) - self.bound + EXACT
        lower = np.where(inside, 0.0, schedule)
        upper = np.where(inside, useful | schedule, schedule).astype(float)
        solver = self._solver
        solver.clearSolver()
        columns = np.arange(len(schedule), dtype=np.int32)
        solver.changeColsBounds(len(schedule), columns, lower, upper)
        start = HighsSolution()
        start.col_value = schedule.astype(float).tolist()
        solver.setSolution(start)
        solver.setOptionValue("time_limit", max(limit_s, 0.01))
        highs.run(solver)
        if solver.getInfo().primal_solution_status != SolutionStatus.kSolutionStatusFeasible:
            return schedule
        answer = np.array(solver.getSolution().col_value) > 0.5
        return answer if self._regret(answer) < self._regret(schedule) else schedule
