"""Subcarrier allocation (P3): links to subcarriers at least energy, a minimum-cost assignment.

One subcarrier per link is optimal: power is paid per subcarrier, so a set S costs
s0 q P0 / mean(r over S), never less than its best member alone. See docs/problems/allocation.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.allocation.least_cost import assign as assign  # also a name of this module
from dmoe_opt.allocation.transport import fill
from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import Allocation, Selection
from dmoe_opt.data.instance import Instance


def allocate(instance: Instance, load: NDArray[np.int64]) -> Allocation | None:
    """Optimal allocation for loads q (N, N) of the links; None if not all of them can be served.

    Under a deadline it is a good one, and None if none was found.
    """
    if instance.air_tokens is not None:
        return fill(instance, load)
    links = np.argwhere(load)
    if len(links) > instance.num_subcarriers:
        return None
    i, j = links.T
    columns = assign(load[i, j, None] * instance.link_energy[i, j])
    if (columns < 0).any():
        return None
    allocation = np.zeros(instance.link_energy.shape, dtype=bool)
    allocation[i, j, columns] = True
    return allocation


def serve(instance: Instance, selection: Selection) -> Decision | None:
    """A selection with the allocation of its links by `allocate`; None if it has none."""
    decision = Decision(instance, selection)
    allocation = allocate(instance, decision.loads)
    return None if allocation is None else decision.with_allocation(allocation)
