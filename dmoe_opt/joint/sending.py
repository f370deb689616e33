"""Subcarriers under a deadline by HiGHS itself: the program of `allocation.routes`, exact."""

from __future__ import annotations

import numpy as np

from dmoe_opt.allocation.links import LinkAnswer
from dmoe_opt.allocation.routes import Routes, solve_routes
from dmoe_opt.answer.objective import Selection
from dmoe_opt.answer.result import Result
from dmoe_opt.clock import left_s, until
from dmoe_opt.data.instance import Instance
from dmoe_opt.joint.highs import Rows, decide


def solve_sending(
    instance: Instance, *, selection: Selection | None = None, time_limit: float | None = None
) -> Result:
    """The method `assignment` of a round with a deadline.

    Examples
    --------
    At half a second the faster subcarriers send one token each, so two are needed:

    >>> import numpy as np
    >>> import dmoe_opt
    >>> gains = np.zeros((2, 2, 3))
    >>> gains[0, 1] = [1.0, 3.0, 7.0]  # 1, 2 and 3 bit/s
    >>> radio = dmoe_opt.Radio(gains, 1.0, 1.0, 1.0, payload_bits=1.0)
    >>> round_ = dmoe_opt.Instance(
    ...     [0, 0], [[0, 1.0]] * 2, 0.5, 1, [0.0, 0.0], radio, air_deadline_s=0.5
    ... )
    >>> result = dmoe_opt.solve(round_, "allocation", selection=np.array([[False, True]] * 2))
    >>> np.argwhere(result.allocation).tolist(), round(result.objective_j, 6)
    ([[0, 1, 1], [0, 1, 2]], 0.833333)
    """
    with until(time_limit):
        return solve_routes("assignment", _send, instance, selection)


def _send(routes: Routes) -> LinkAnswer:
    link, m = np.nonzero(routes.room)
    use = np.arange(len(link))
    width = 2 * len(use)  # y, then f
    rows = Rows(width)
    inf = np.inf
    rows.add(routes.room.shape[1], -inf, 1.0, (m, use, 1.0))
    rows.add(len(routes.load), routes.load, routes.load, (link, len(use) + use, 1.0))
    rows.add(len(routes.load), routes.needed, inf, (link, use, 1.0))
    room = routes.room[link, m].astype(float)
    rows.add(len(use), -inf, 0.0, (use, len(use) + use, 1.0), (use, use, -room))
    cost = np.concatenate([np.zeros(len(use)), routes.energy[link, m]])
    upper = np.concatenate([np.ones(len(use)), room])
    value, bound_j, infeasible = decide(
        rows, cost, np.zeros(width), upper, len(use), time_limit=left_s()
    )
    if value is None:
        return LinkAnswer(None, None, infeasible)
    chosen = np.zeros(routes.room.shape, dtype=bool)
    chosen[link, m] = value[: len(use)] > 0.5
    return LinkAnswer(chosen, bound_j)
