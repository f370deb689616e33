"""Experts by the integer program, with every link on its best subcarrier: what ties experts alone.

Capacities and wake-up energies tie tokens together where links do not: without (C3) and (C7) the
program has one subcarrier for each link, and HiGHS decides it in tenths of a second. Its experts
are better than those of `staffing`, which moves tokens one by one, and where it has no answer the
round has none.
"""

from __future__ import annotations

import numpy as np

from dmoe_opt.answer.decision import Decision
from dmoe_opt.data.radio import DEAD_LINK_J
from dmoe_opt.joint.multipliers import Frame
from dmoe_opt.joint.open_part import Open
from dmoe_opt.joint.program import OpenAnswer, solve_scaled


def solve_apart(frame: Frame, part: Open, known: Decision | None, time_limit: float) -> OpenAnswer:
    """Experts within what is open, in at most `time_limit` seconds.

    The decision gives each link a subcarrier of its own and is none of the round, but its experts
    are. `known` is an answer of the round, for the scale.
    """
    instance = frame.instance
    i, n = frame.ends.T
    own = np.arange(len(frame.ends))
    usable = np.where(part.subcarriers[i, n], frame.link_j, np.inf)
    least_j = usable.min(axis=1, initial=np.inf)
    # Links are closed by what is open. One that works still counts for thresholds, a dead one not.
    shape = instance.num_nodes, instance.num_nodes, max(len(own), 1)
    energy = np.broadcast_to(instance.best_link_energy[:, :, None], shape).copy()
    energy[i, n, own] = np.where(np.isfinite(least_j), least_j, energy[i, n, own])
    energy = np.minimum(energy, 2 * DEAD_LINK_J)
    subcarriers = np.zeros(energy.shape, dtype=bool)
    subcarriers[i, n, own] = np.isfinite(least_j)
    apart = instance.replace(radio=None, link_energy=energy, air_deadline_s=None)
    known_j = None if known is None else known.energy_j
    open_ = part._replace(subcarriers=subcarriers)
    return solve_scaled(apart, open_, known_j, time_limit=time_limit)
