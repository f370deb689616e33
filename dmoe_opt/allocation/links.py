"""Subcarrier allocation (P3) as a problem of its own: the common part and the exact method.

The experts are chosen, so the load q of every link is known, and one subcarrier per link is
optimal. This is a minimum-cost assignment of n active links to M subcarriers at cost q c, with c
the energy of one token on one subcarrier (docs/problems/allocation.md).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from dmoe_opt.allocation.assignment import assign
from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import Selection, loads, violations
from dmoe_opt.answer.result import Result, build, infeasible
from dmoe_opt.data import validate
from dmoe_opt.data.instance import Instance
from dmoe_opt.errors import InputError
from dmoe_opt.selection.relaxed import relaxed_bound

MOST_NAMED = 10


class Links(NamedTuple):
    """The active links of a selection.

    `ends` (n, 2) holds their nodes i and j. `cost_j` (n, M) is the energy q c of their whole load
    on each subcarrier, J, inf where no optimum uses it. `unit_j` is an energy in J with
    unit_j <= optimum <= n unit_j; it is 1 if the optimum is 0.
    """

    ends: NDArray[np.int64]
    cost_j: NDArray[np.float64]
    unit_j: float


class LinkAnswer(NamedTuple):
    """The answer of a method; absent values are None.

    `chosen` (n, M) is True where a link uses a subcarrier; `bound` is proven, in units of `unit_j`.
    """

    chosen: NDArray[np.bool_] | None
    bound: float | None


def chosen_experts(instance: Instance, selection: Selection | None) -> Selection:
    """The selection (T, K) whose links are served.

    The default is the selection of DES with every link on its best subcarrier.

    Raises
    ------
    InputError
        If it has the wrong shape or breaks a rule of P1: (C1), (C2), or an expert behind a dead
        link.
    """
    if selection is None:
        return relaxed_bound(instance)[0]
    given = validate.flags("selection", selection, instance.scores.shape)
    if broken := violations(instance.selection_problem(), given):
        raise InputError(f"selection: {broken[0]}; allowed: a selection that keeps the rules")
    return given


def active_links(instance: Instance, selection: Selection) -> Links | str:
    """The links that a selection makes active; or why they cannot all have a subcarrier, in words.

    The unit is the bottleneck: the least energy such that all links can be served at no more than
    that each. It brings costs and optimum to the size that the absolute tolerances of solvers are
    made for.
    """
    load = loads(instance, selection)
    ends = np.argwhere(load)
    i, j = ends.T
    cost = load[i, j, None] * instance.link_energy[i, j]
    if len(ends) > instance.num_subcarriers:
        return _too_many(len(ends), instance.num_subcarriers)
    works = np.isfinite(cost)
    partner = _matching(works)
    if (partner < 0).any():
        return _crowd(ends, works, partner)
    unit = _bottleneck(cost) if len(ends) else 0.0
    # All links can be served for n units, so a subcarrier that alone costs more is in no optimum.
    cost = np.where(cost <= len(ends) * unit * (1 + 1e-9), cost, np.inf)
    return Links(ends, cost, unit or 1.0)


def _too_many(links: int, subcarriers: int) -> str:
    exist = "1 subcarrier exists" if subcarriers == 1 else f"{subcarriers} subcarriers exist"
    return f"{links} links are active and {exist}"


def _bottleneck(cost: NDArray[np.float64]) -> float:
    """The least cost, J, such that every link has a subcarrier of its own at no more than it."""

    def serves_all(most: float) -> bool:
        return bool((_matching(cost <= most) >= 0).all())

    values = np.unique(cost[np.isfinite(cost)])
    return float(values[bisect_left(values, True, key=serves_all)])


def _matching(works: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Subcarrier of every link in a largest matching (Hopcroft-Karp), shape (n,), -1 for none."""
    partner = maximum_bipartite_matching(csr_array(works), perm_type="column")
    return np.asarray(partner, dtype=np.int64)


def _crowd(ends: NDArray[np.int64], works: NDArray[np.bool_], partner: NDArray[np.int64]) -> str:
    """Links with too few working subcarriers between them (Hall's theorem), in words.

    The crowd grows from a link without partner: over the subcarriers that work for the crowd, to
    the links that hold these in the matching.
    """
    crowd = np.zeros(len(ends), dtype=bool)
    crowd[np.argmin(partner)] = True
    while True:
        shared = np.asarray(works[crowd].any(axis=0))
        grown = crowd | ((partner >= 0) & shared[partner])
        if (grown == crowd).all():
            break
        crowd = grown
    names = [f"{i} -> {j}" for i, j in ends[crowd].tolist()]
    listed = ", ".join(names[:MOST_NAMED])
    if len(names) > MOST_NAMED:
        listed += f" and {len(names) - MOST_NAMED} more"
    share = "1 working subcarrier" if shared.sum() == 1 else f"{shared.sum()} working subcarriers"
    return f"{len(names)} links share only {share}: {listed}"


def solve_with(
    method: str,
    assign_links: Callable[[NDArray[np.float64]], LinkAnswer],
    instance: Instance,
    selection: Selection | None,
    stats: Mapping[str, Any] | None = None,
) -> Result:
    """Allocate by a function from costs (n, M) to the subcarriers of n >= 1 links.

    The costs that the function gets are in units of at most the optimum, see `Links`.

    Returns
    -------
    Result
        The energy of the whole round in J. The bound is the computing energy of the selection plus
        the bound of the links. It is `infeasible` if the links cannot all be served, which a
        matching proves. `stats` has the number of active `links`.

    Raises
    ------
    InputError
        If the selection has the wrong shape or breaks a rule, see `chosen_experts`.
    """
    experts = chosen_experts(instance, selection)
    links = active_links(instance, experts)
    if isinstance(links, str):
        return infeasible(instance, method, links, problem="allocation")
    if len(links.ends):
        answer = assign_links(links.cost_j / links.unit_j)
    else:
        answer = LinkAnswer(np.zeros(links.cost_j.shape, dtype=bool), 0.0)
    bound_j = None
    if answer.bound is not None:
        computing = float(experts.sum(axis=0) @ instance.compute_energy)
        bound_j = computing + links.unit_j * answer.bound
    return build(
        instance,
        method,
        _decision(instance, experts, links, answer),
        problem="allocation",
        bound_j=bound_j,
        stats={"links": len(links.ends), **(stats or {})},
        message="no answer within the limit" if answer.chosen is None else "",
    )


def _decision(
    instance: Instance, experts: Selection, links: Links, answer: LinkAnswer
) -> Decision | None:
    """The answer for the links as a decision of the round."""
    if answer.chosen is None:
        return None
    i, j = links.ends.T
    allocation = np.zeros(instance.link_energy.shape, dtype=bool)
    allocation[i, j] = answer.chosen
    return Decision(instance, experts, allocation)


def solve_assignment(instance: Instance, *, selection: Selection | None = None) -> Result:
    """Exact, by shortest augmenting paths in scipy, the successor of Kuhn-Munkres.

    `selection` (T, K) as in `chosen_experts`.

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
        chosen[np.arange(len(cost)), assign(cost)] = True
        return LinkAnswer(chosen, float(cost[chosen].sum()))

    return solve_with("assignment", assign_links, instance, selection)
