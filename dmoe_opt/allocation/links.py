"""Subcarrier allocation (P3) as a problem of its own: the shared parts of its methods.

The experts are chosen, so the load q of every link is known, and one subcarrier per link is
optimal: a minimum-cost assignment of n active links to M subcarriers at cost q c. See
docs/problems/allocation.md.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.allocation.assignment import assign, completed
from dmoe_opt.allocation.least_cost import matching
from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import Selection, loads, selection_violations
from dmoe_opt.answer.result import Result, build, infeasible
from dmoe_opt.clock import OUT_OF_TIME, is_over, until
from dmoe_opt.data import validate
from dmoe_opt.data.instance import Instance, require_plain
from dmoe_opt.data.words import counted, existing
from dmoe_opt.errors import InputError
from dmoe_opt.selection.relaxed import relaxed_bound

MOST_NAMED = 10
SLACK = 1e-9  # relative: costs within rounding of the limit are kept


class Links(NamedTuple):
    """The active links of a selection.

    `ends` (n, 2) holds their nodes i and j, `cost_j` (n, M) the energy q c of their whole load on
    each subcarrier, J, inf where no optimum uses it. `unit_j` is an energy with
    unit_j <= optimum <= n unit_j (1 if the optimum is 0).
    """

    ends: NDArray[np.int64]
    cost_j: NDArray[np.float64]
    unit_j: float


class LinkAnswer(NamedTuple):
    """What a method says: chosen (n, M), True where a link uses a subcarrier, and a proven bound.

    Both are None where it has none; `infeasible` says that none exists.
    """

    chosen: NDArray[np.bool_] | None
    bound: float | None
    infeasible: bool = False


def chosen_experts(instance: Instance, selection: Selection | None) -> Selection:
    """The selection (T, K) whose links are served.

    By default it is the one that DES finds with every link on its best subcarrier.

    Raises
    ------
    InputError
        If it has the wrong shape or breaks a rule of its own: (C1), (C2), (C5), or an expert behind
        a dead link. A round with optional rules has no selection by default.
    """
    if selection is None:
        require_plain(instance, "a selection by default")
        return relaxed_bound(instance)[0]
    given = validate.flags("selection", selection, instance.scores.shape)
    if broken := selection_violations(instance, given):
        raise InputError(f"selection: {broken[0]}; allowed: a selection that keeps the rules")
    return given


def active_links(instance: Instance, selection: Selection) -> Links | str:
    """The links that a selection makes active; or why they cannot all have a subcarrier, in words.

    The unit is the bottleneck: the least energy such that all links can be served at no more than
    that each. It brings costs and optimum to the size that the absolute tolerances of solvers are
    made for. As serving all links costs n units at most, no optimum uses a subcarrier that alone
    costs more.
    """
    load = loads(instance, selection)
    ends = np.argwhere(load)
    i, j = ends.T
    cost = load[i, j, None] * instance.link_energy[i, j]
    if len(ends) > instance.num_subcarriers:
        have = existing(instance.num_subcarriers, "subcarrier")
        return f"{len(ends)} links are active and {have}"
    partner = completed(cost, np.full(len(ends), -1))
    if (partner < 0).any():
        return _crowd(ends, np.isfinite(cost), partner)
    unit = _bottleneck(cost, partner) if len(ends) else 0.0
    cost = np.where(cost <= len(ends) * unit * (1 + SLACK), cost, np.inf)
    return Links(ends, cost, unit or 1.0)


def _bottleneck(cost: NDArray[np.float64], partner: NDArray[np.int64]) -> float:
    """The least cost at which all links can be served, by bisection over the costs.

    No link is served below its best subcarrier, and the subcarriers `partner` (n,) serve all. With
    many subcarriers little more than the former is needed: so the search begins there, and doubles
    its reach. A matching of few pairs is found soon. Where the time is up, the value is higher.
    """
    least, most = cost.min(axis=1).max(), cost[np.arange(len(cost)), partner].max()
    values = np.unique(cost[(cost >= least) & (cost <= most)])

    def serves_all(most: float) -> bool:
        return not is_over() and bool((matching(cost <= most) >= 0).all())

    reach = 1
    while reach < len(values) and not serves_all(values[reach - 1]):
        reach *= 2
    last = min(reach, len(values)) - 1
    return float(values[bisect_left(values, True, reach // 2, last, key=serves_all)])


def _crowd(ends: NDArray[np.int64], works: NDArray[np.bool_], partner: NDArray[np.int64]) -> str:
    """Links with fewer working subcarriers than there are links, in words."""
    crowd = crowd_of(works, partner, int(np.argmin(partner)))
    names = [f"{i} -> {j}" for i, j in ends[crowd].tolist()]
    listed = ", ".join(names[:MOST_NAMED])
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    share = counted(int(works[crowd].any(axis=0).sum()), "working subcarrier")
    return f"{len(names)} links share only {share}: {listed}{more}"


def crowd_of(
    works: NDArray[np.bool_], partner: NDArray[np.int64], unmatched: int
) -> NDArray[np.bool_]:
    """The crowd around an unmatched link: n links with n - 1 working subcarriers (Hall's theorem).

    All links that hold a subcarrier which works for the crowd join it, until none is left to join.
    Without any one of its links the others can be served. `works` (n, M), `partner` and the result
    (n,).
    """
    crowd = np.zeros(len(works), dtype=bool)
    crowd[unmatched] = True
    while True:
        shared = np.asarray(works[crowd].any(axis=0))
        grown = crowd | ((partner >= 0) & shared[partner])
        if (grown == crowd).all():
            return crowd
        crowd = grown


def solve_with(
    method: str,
    assign_links: Callable[[NDArray[np.float64]], LinkAnswer],
    instance: Instance,
    selection: Selection | None,
    stats: Mapping[str, Any] | None = None,
) -> Result:
    """Allocate by a function from costs (n, M) to the subcarriers of n >= 1 links.

    The costs are in units of at most the optimum.

    Returns
    -------
    Result
        The energy of the whole round; the bound is what the selection costs without links, and
        the proven bound of the links, or each on its best subcarrier where there is none. The
        status is `infeasible` if the links cannot all be served, proven by a matching; `stats` has
        the active `links`.
    """
    experts = chosen_experts(instance, selection)
    links = active_links(instance, experts)
    if isinstance(links, str):
        return infeasible(instance, method, links, problem="allocation", given=experts)
    answer = LinkAnswer(links.cost_j > 0, 0.0)
    if len(links.ends):
        answer = assign_links(links.cost_j / links.unit_j)
    allocation = np.zeros(instance.link_energy.shape, dtype=bool)
    if answer.chosen is not None:
        allocation[links.ends[:, 0], links.ends[:, 1]] = answer.chosen
    decision = Decision(instance, experts, allocation)
    known_j = decision.bill.apart_from_sending_j
    bound_j = float(links.cost_j.min(axis=1, initial=np.inf).sum())
    if answer.bound is not None:
        bound_j = links.unit_j * answer.bound
    return build(
        instance,
        method,
        None if answer.chosen is None else decision,
        problem="allocation",
        bound_j=known_j + bound_j,
        stats={"links": len(links.ends), **(stats or {})},
        message=OUT_OF_TIME if answer.chosen is None else "",
    )


def solve_assignment(
    instance: Instance, *, selection: Selection | None = None, time_limit: float | None = None
) -> Result:
    """Shortest augmenting paths (the successor of Kuhn-Munkres), exact.

    `selection` is as in `chosen_experts`. After `time_limit` seconds the links that are left get
    the best subcarriers that are free, and the bound is that of every link on its best one.

    Examples
    --------
    >>> import dmoe_opt
    >>> from dmoe_opt.allocation.links import solve_assignment
    >>> result = solve_assignment(dmoe_opt.load("tiny-s1"))
    >>> result.problem, str(result.status), result.stats["links"]
    ('allocation', 'optimal', 4)
    """

    def assign_links(cost: NDArray[np.float64]) -> LinkAnswer:
        chosen = np.zeros(cost.shape, dtype=bool)
        columns = assign(cost)
        is_optimal = bool((columns >= 0).all())
        if not is_optimal:
            columns = completed(cost, columns)
        chosen[np.arange(len(cost)), columns] = True
        bound = cost[chosen] if is_optimal else cost.min(axis=1)
        return LinkAnswer(chosen, float(bound.sum()))

    with until(time_limit):
        return solve_with("assignment", assign_links, instance, selection)
