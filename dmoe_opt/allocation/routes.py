"""Subcarriers under a deadline as a problem of its own: the shared parts of its exact methods.

The experts are chosen, so the load q of every link is known. Subcarrier m of link l sends at most
U[l, m] tokens in time::

    min  sum_lm c[l, m] f[l, m]
    (C3) sum_l y[l, m] <= 1
    (C4) sum_m f[l, m] = q[l],  sum_m y[l, m] >= (subcarriers that the link needs at least)
    (C7) f[l, m] <= U[l, m] y[l, m]
         y binary, f >= 0

See docs/problems/richer-round.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.allocation.links import LinkAnswer, chosen_experts
from dmoe_opt.allocation.transport import fewest
from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import Selection, loads
from dmoe_opt.answer.result import Result, build, infeasible
from dmoe_opt.clock import OUT_OF_TIME
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.words import counted
from dmoe_opt.errors import InputError


class Routes(NamedTuple):
    """Active links, `ends` (n, 2), their loads (n,), and each subcarrier of each link (n, M).

    `energy` of a token is in units of `unit_j`, 0 where the link cannot use the subcarrier; there
    the `room` in tokens is 0. `needed` (n,) are the subcarriers that a link needs at least.
    """

    ends: NDArray[np.int64]
    load: NDArray[np.int64]
    energy: NDArray[np.float64]
    room: NDArray[np.int64]
    needed: NDArray[np.int64]
    unit_j: float


def routes_of(instance: Instance, selection: Selection) -> Routes | str:
    """The routes of a selection; or why its links cannot all send in time, in words."""
    assert instance.air_tokens is not None
    carried = loads(instance, selection)
    ends = np.argwhere(carried)
    i, n = ends.T
    load = carried[i, n]
    room = np.minimum(instance.air_tokens[i, n], load[:, None])
    needed = fewest(load, room)
    late = np.flatnonzero(room.sum(axis=1) < load)
    if len(late):
        link = int(late[0])
        sends = f"can send {room[link].sum()} of {counted(int(load[link]), 'token')}"
        where = f"before {instance.air_deadline_s:g} s on all subcarriers together"
        return f"link {i[link]} -> {n[link]} {sends} {where}"
    if needed.sum() > instance.num_subcarriers:
        have = counted(instance.num_subcarriers, "subcarrier")
        need = f"the {len(ends)} active links need at least {needed.sum()} subcarriers"
        return f"{need} to send in {instance.air_deadline_s:g} s, and there are {have}"
    energy = np.where(room > 0, instance.link_energy[i, n], 0.0)
    best = np.where(room > 0, energy, np.inf).min(axis=1, initial=np.inf)
    unit_j = float((best * load).sum()) / max(len(ends), 1) or 1.0
    return Routes(ends, load, energy / unit_j, room, needed, unit_j)


def require_whole(relax: bool) -> None:
    """Raise `InputError` for a linear relaxation, whose optimum is no allocation here."""
    if relax:
        raise InputError("relax is given for a round with air_deadline_s; allowed: without it")


def solve_routes(
    method: str,
    send: Callable[[Routes], LinkAnswer],
    instance: Instance,
    selection: Selection | None,
    stats: Mapping[str, Any] | None = None,
) -> Result:
    """Allocate under a deadline by a function from routes to the subcarriers of n >= 1 links.

    The bound of the function is in the unit of the routes.
    """
    experts = chosen_experts(instance, selection)
    routes = routes_of(instance, experts)
    if isinstance(routes, str):
        return infeasible(instance, method, routes, problem="allocation", given=experts)
    answer = LinkAnswer(np.zeros(routes.room.shape, dtype=bool), 0.0)
    if len(routes.ends):
        answer = send(routes)
    if answer.infeasible:
        reason = "proven by the solver: the links cannot all send their tokens in time"
        return infeasible(instance, method, reason, problem="allocation", given=experts)
    allocation = np.zeros(instance.link_energy.shape, dtype=bool)
    if answer.chosen is not None:
        allocation[routes.ends[:, 0], routes.ends[:, 1]] = answer.chosen
    decision = Decision(instance, experts, allocation)
    known_j = decision.bill.apart_from_sending_j
    return build(
        instance,
        method,
        None if answer.chosen is None else decision.without_idle_links(),
        problem="allocation",
        bound_j=None if answer.bound is None else known_j + routes.unit_j * answer.bound,
        stats={"links": len(routes.ends), **(stats or {})},
        message=OUT_OF_TIME if answer.chosen is None else "",
    )
