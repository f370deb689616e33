"""The clairvoyant optimum by windows: relaxation, windows of subtasks, then what is left.

The program is that of `dmoe_opt.models.offload_pyomo`, handed to HiGHS itself:

1. Prices of places bound the regret (`dmoe_opt.offload.packing`). The best are the duals of the
   linear relaxation. Where that is too large for HiGHS, steps up the slope find prices nearly as
   good.
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
from highspy import Highs, HighsLp, HighsModelStatus, SolutionStatus

from dmoe_opt import clock
from dmoe_opt.joint import highs
from dmoe_opt.offload import optimum, stage_program
from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.optimum import Optimum
from dmoe_opt.offload.packing import Bound, Packing, Schedule
from dmoe_opt.offload.scenario import Array
from dmoe_opt.offload.simulate import FITS, account, run

WIDTHS = (40, 60, 80, 100)
"""Subtasks of a window; the next window begins half a width later."""
WINDOW_S = 1.0
"""Time for a window, s; its best schedule by then counts."""
EXACT = 1e-9
"""A regret this near the bound, in units of `optimum.unit`, is proven."""
MOST_STAYS = 100_000
"""Arrivals at which options stay, summed: HiGHS solves such a relaxation in half a second."""


def solve(episode: Episode, time_limit: float | None = None) -> Optimum:
    """The best schedule found, and an upper bound, by the prices that were found.

    Jobs of stages have a program of their own (`dmoe_opt.offload.stage_program`).

    Parameters
    ----------
    time_limit
        Seconds. A small relaxation is solved whatever the limit, and some steps towards good prices
        of a large one are taken.
    """
    if episode.scenario.arrivals.job_quality is not None:
        return stage_program.solve(episode, time_limit)
    with clock.until(time_limit):
        search = _Search(episode)
        schedule = search.first_schedule()
        for width in WIDTHS:
            schedule = search.improved(schedule, width)
        schedule = search.completed(schedule)
    chosen = [(int(n), int(a)) for n, a in search.packing.options[schedule]]
    return optimum.conclude(episode, "windows", chosen, search.bound)


def prices(episode: Episode) -> list[tuple[int, float, float]]:
    """Dual prices of the relaxation: (expert, time in s, reward per unit of its capacity).

    At that time more subtasks could be there than have room. `twins` have the same prices.
    """
    found = _Search(episode).prices * optimum.unit(episode)
    first = optimum.twins(episode).tolist()
    priced = []
    for row in np.flatnonzero(found).tolist():
        place, n = divmod(row, episode.num_subtasks)
        same = [e for e, of in enumerate(first) if of == place] or [place]
        priced += [(e, float(episode.arrival_s[n]), float(found[row])) for e in same]
    return priced


class _Search:
    """Prices of an episode, and the search for its best schedule.

    `bound` is a lower bound on the regret, in units of `optimum.unit`; `reduced` is what each
    option costs too much at the prices that prove it.
    """

    def __init__(self, episode: Episode) -> None:
        self.packing = Packing(episode)
        relaxed = self._relaxed()
        found, self._shares = relaxed or self.packing.ascend(_regret_of_greedy(episode))
        self.prices, self.reduced = found.prices, found.reduced
        self.bound = max(found.value, 0.0)

    def _relaxed(self) -> tuple[Bound, Array] | None:
        """What the linear relaxation proves, and its shares; None if it is too large for HiGHS."""
        packing = self.packing
        if (packing.end - packing.first).sum() > MOST_STAYS:
            return None
        every = np.arange(len(packing.cost))
        program, at = packing.program(every, packing.slots, whole=False)
        solver = _solved(program, np.inf)
        if solver.getModelStatus() != HighsModelStatus.kOptimal:
            return None
        solution = solver.getSolution()
        duals = np.zeros(len(packing.slots))
        duals[at] = np.maximum(-np.array(solution.row_dual)[: len(at)], 0.0)
        return packing.bound(duals), np.array(solution.col_value)

    def first_schedule(self) -> Schedule:
        """Each subtask takes the option with room of which the relaxation takes the most."""
        of = self.packing
        schedule = np.zeros(len(of.cost), dtype=bool)
        left = of.slots.copy()
        placed = -1
        for k in np.lexsort([self.reduced, -self._shares, of.subtask]).tolist():
            if of.subtask[k] == placed:
                continue
            rows = slice(of.first[k], of.end[k])
            if (left[rows] >= of.size[k] * FITS).all():
                schedule[k] = True
                left[rows] -= of.size[k]
                placed = int(of.subtask[k])
        return schedule

    def improved(self, schedule: Schedule, width: int) -> Schedule:
        """Solve every window of so many subtasks once, as long as the time allows."""
        subtask = self.packing.subtask
        step = width // 2
        for first in range(-step, int(subtask[-1]) + 1, step):
            if self._is_done(schedule):
                break
            inside = (subtask >= first) & (subtask < first + width)
            schedule, _ = self._better(schedule, inside, min(WINDOW_S, clock.left_s()))
        return schedule

    def completed(self, schedule: Schedule) -> Schedule:
        """Solve what the bound leaves open, as long as the time allows, and raise the bound."""
        if self._is_done(schedule):
            return schedule
        most = self._regret(schedule)
        every = np.ones(len(schedule), dtype=bool)
        schedule, least = self._better(schedule, every, clock.left_s())
        self.bound = max(self.bound, min(least, most))
        return schedule

    def _regret(self, schedule: Schedule) -> float:
        return float(self.packing.cost[schedule].sum())

    def _is_done(self, schedule: Schedule) -> bool:
        """Whether the schedule is proven, or the time is over."""
        return self._regret(schedule) <= self.bound + EXACT or clock.is_over()

    def _better(
        self, schedule: Schedule, inside: Schedule, limit_s: float
    ) -> tuple[Schedule, float]:
        """The best schedule found that differs at most in the options inside.

        Also a lower bound on the regret of all those, as far as they are better.
        """
        packing = self.packing
        useful = self.reduced <= self._regret(schedule) - self.bound + EXACT
        columns = np.flatnonzero(inside & (useful | schedule))
        left = packing.slots - packing.held(schedule & ~inside)
        program, _ = packing.program(columns, left)
        solver = _solved(program, limit_s, schedule[columns].astype(float))
        outside = float(packing.cost[schedule & ~inside].sum())
        least = outside + solver.getInfo().mip_dual_bound
        if solver.getInfo().primal_solution_status != SolutionStatus.kSolutionStatusFeasible:
            return schedule, least
        answer = schedule & ~inside
        answer[columns] = np.array(solver.getSolution().col_value) > 0.5
        return (answer if self._regret(answer) < self._regret(schedule) else schedule), least


def _solved(program: HighsLp, limit_s: float, start: Array | None = None) -> Highs:
    """HiGHS after so many seconds at most, begun with the values of a start."""
    solver = highs.loaded(program, limit_s, start)
    highs.run(solver)
    return solver


def _regret_of_greedy(episode: Episode) -> float:
    """The regret, in units of `optimum.unit`, of the choices of greatest reward now."""
    greedy = run(episode, lambda state: state.best_open(state.reward))
    lost = optimum.most_alone(episode) - account(episode, greedy).return_
    return lost / optimum.unit(episode)
