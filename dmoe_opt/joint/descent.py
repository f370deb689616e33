"""JESA: joint expert and subcarrier allocation (P2) by block coordinate descent ([DMoE]; docs/problems/joint.md).

::

    alpha <- DES with every link on its best subcarrier
    repeat
        beta  <- assignment of the active links; then of the idle links to what is left, so that each has a price
        alpha <- DES at the prices of beta
    until the energy stops falling

Every link owns the subcarrier it is priced on, so neither step can raise the energy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.allocation.assignment import allocate, assign
from dmoe_opt.answer.objective import Allocation, Selection, loads, round_energy_j
from dmoe_opt.answer.result import Result, build, infeasible
from dmoe_opt.data.instance import Instance
from dmoe_opt.joint.activation import Fewest, fewest_links, serve_over, too_many_links
from dmoe_opt.selection import des
from dmoe_opt.selection.baselines import topk_selection
from dmoe_opt.selection.relaxed import relaxed_bound

MOST_ROUNDS = 100
FAR = 0.01  # above the bound: then two more descents start from assignments of all links
RANDOM_AMONG = 5
STEADY = 1e-12  # relative fall of the energy below which the descent has ended


def solve_bcd(instance: Instance, *, restarts: int = 0, seed: int = 0) -> Result:
    """Block coordinate descent from every link's best subcarrier; from two more starts where that ends far from its bound.

    Parameters
    ----------
    restarts
        Further descents, each from a random subcarrier among the best few of every link; the best answer counts.
    seed
        Seed of the restarts.

    Returns
    -------
    Result
        With the relaxed bound; `stats` has `iterations` and the `trace` of energies, which never rises. Where more
        links would be active than subcarriers exist, links are given up one by one; `infeasible` if it is proven that
        too many are needed, `no_solution` if no answer was found otherwise.

    Examples
    --------
    >>> import dmoe_opt
    >>> from dmoe_opt.joint.descent import solve_bcd
    >>> result = solve_bcd(dmoe_opt.load("scarce-8x36-s0"))
    >>> trace = result.stats["trace"]
    >>> trace == sorted(trace, reverse=True), result.gap > 0.01
    (True, True)
    """
    selection, bound = relaxed_bound(instance)
    fewest = cache(lambda: fewest_links(instance))  # asked for where links are too many, and then again and again
    best = _descend_from(instance, selection, fewest)
    starts = []
    if best is not None and best.trace[-1] * (1 - FAR) > bound:
        load = loads(instance, best.selection)
        starts = [_assigned_prices(instance, weight) for weight in (np.ones_like(load), np.maximum(load, 1))]
    rng = np.random.default_rng(seed)
    starts += [_random_prices(instance, rng) for _ in range(restarts)]
    for prices in starts:
        start = select(instance, prices)
        best = better(best, None if start is None else _descend_from(instance, start, fewest))
    if best is None and (reason := too_many_links(instance, fewest().needed)):
        return infeasible(instance, "bcd", reason)
    trace = [] if best is None else best.trace
    stats = {"iterations": len(trace), "trace": trace}
    message = f"more links are needed than the {instance.num_subcarriers} subcarriers can carry, as far as was tried"
    return conclude(instance, "bcd", best, bound, stats, message)


class Descent(NamedTuple):
    """Where a descent ended, and the energies on the way, J."""

    selection: Selection
    allocation: Allocation
    trace: list[float]

    @property
    def energy_j(self) -> float:
        """Energy of the answer."""
        return self.trace[-1]


def better(one: Descent | None, other: Descent | None) -> Descent | None:
    """The one that costs less; the first of equals."""
    return other if one is None or (other is not None and other.energy_j < one.energy_j) else one


def conclude(
    instance: Instance, method: str, answer: Descent | None, bound_j: float | None, stats: Mapping[str, Any], without: str
) -> Result:
    """The result of an answer and a bound; `without` says why there is none."""
    if answer is None:
        return build(instance, method, bound_j=bound_j, stats=stats, message=without)
    return build(
        instance, method, selection=answer.selection, allocation=answer.allocation, bound_j=bound_j, stats=stats
    )  # fmt: skip


def descend(instance: Instance, selection: Selection, allocation: Allocation) -> Descent:
    """The loop: DES at the prices of the allocation and assignment of what it uses, in turn."""
    trace = [round_energy_j(instance, selection, allocation)]
    while len(trace) < MOST_ROUNDS:
        next_selection = select(instance, price_idle(instance, allocation))
        next_allocation = None if next_selection is None else allocate(instance, loads(instance, next_selection))
        if next_selection is None or next_allocation is None:
            break
        energy_j = round_energy_j(instance, next_selection, next_allocation)
        if energy_j > trace[-1]:
            break
        selection, allocation = next_selection, next_allocation
        trace.append(energy_j)
        if trace[-1] >= trace[-2] * (1 - STEADY):
            break
    return Descent(selection, allocation, trace)


def _descend_from(instance: Instance, selection: Selection, fewest: Callable[[], Fewest]) -> Descent | None:
    allocation = allocate(instance, loads(instance, selection))
    if allocation is not None:
        return descend(instance, selection, allocation)
    found = _thin_out(instance, selection) or serve_over(instance, fewest().open_links)
    return None if found is None else descend(instance, *found)


def _assigned_prices(instance: Instance, weight: NDArray[np.int64]) -> NDArray[np.float64]:
    """J per token of every link (K, K) when all are assigned subcarriers as if they carried `weight` tokens."""
    ends = np.argwhere(~np.eye(instance.num_experts, dtype=bool))
    cost = instance.link_energy[ends[:, 0], ends[:, 1]]
    column = assign(weight[ends[:, 0], ends[:, 1], None] * cost)
    price = np.where(np.eye(instance.num_experts, dtype=bool), 0.0, np.inf)
    served = np.flatnonzero(column >= 0)
    price[ends[served, 0], ends[served, 1]] = cost[served, column[served]]
    return price


def _random_prices(instance: Instance, rng: np.random.Generator) -> NDArray[np.float64]:
    """J per token of every link (K, K) on a random one of its best few subcarriers."""
    few = min(RANDOM_AMONG, instance.num_subcarriers)
    best = np.partition(instance.link_energy, few - 1, axis=2)[:, :, :few]
    drawn = rng.integers(few, size=best.shape[:2])
    return np.asarray(np.take_along_axis(best, drawn[:, :, None], axis=2)[:, :, 0])


def price_idle(instance: Instance, allocation: Allocation) -> NDArray[np.float64]:
    """J per token of every link (K, K): on its own subcarrier if active, else on a free one reserved for it, else inf."""
    price = np.where(allocation, instance.link_energy, np.inf).min(axis=2)
    np.fill_diagonal(price, 0.0)
    idle = np.argwhere(~np.isfinite(price))
    free = np.flatnonzero(~allocation.any(axis=(0, 1)))
    if len(idle) and len(free):
        cost = instance.link_energy[idle[:, 0], idle[:, 1]][:, free]
        column = assign(cost)
        served = column >= 0
        price[idle[served, 0], idle[served, 1]] = cost[served, column[served]]
    return np.asarray(price)


def select(instance: Instance, price: NDArray[np.float64]) -> Selection | None:
    """DES at given link prices (K, K), inf for a link that cannot be used; None if a token cannot be served."""
    cost = instance.compute_energy + price[instance.source]
    usable = np.isfinite(cost)
    selection, bound = des.choose(instance.selection_problem(), np.where(usable, cost, 0.0), usable)
    return selection if np.isfinite(bound).all() else None


def _thin_out(instance: Instance, selection: Selection) -> tuple[Selection, Allocation] | None:
    """Close the least loaded links until the rest can be assigned; None if that fails."""
    problem = instance.selection_problem()
    tokens = [np.flatnonzero(instance.source == i) for i in range(instance.num_experts)]
    parts = [problem.rows(rows) for rows in tokens]
    selection = selection.copy()
    closed = np.zeros((instance.num_experts, instance.num_experts), dtype=bool)
    kept = closed.copy()
    while True:
        load = loads(instance, selection)
        allocation = allocate(instance, load)
        if allocation is not None:
            return selection, allocation
        link = min(np.argwhere((load > 0) & ~kept).tolist(), key=lambda link: load[link[0], link[1]], default=None)
        if link is None:
            return None
        i, j = link
        closed[i, j] = True
        others, bounds = des.choose(parts[i], parts[i].cost, parts[i].usable & ~closed[i])
        if np.isfinite(bounds).all():
            selection[tokens[i]] = others
        else:
            closed[i, j], kept[i, j] = False, True


def solve_topk(instance: Instance) -> Result:
    """Top-k routing with optimal allocation: every token takes its D best usable experts, whatever they cost."""
    return _allocated(instance, "topk", topk_selection(instance.selection_problem()))


def solve_homogeneous(instance: Instance) -> Result:
    """H(z, D): every token reaches for the same relevance, the largest threshold of the round, with optimal allocation.

    A round of a scheme without importance factors (gamma0 = 1, docs/problems/layers.md); tokens whose best D experts stay
    below take those. Experts are chosen by DES with every link on its best subcarrier.
    """
    problem = instance.selection_problem()
    uniform = problem.replace(threshold=float(problem.threshold.max(initial=0.0)), on_shortfall="top_d")
    return _allocated(instance, "homogeneous", des.choose(uniform, uniform.cost, uniform.usable)[0])


def _allocated(instance: Instance, method: str, selection: Selection) -> Result:
    """A selection with its optimal allocation."""
    load = loads(instance, selection)
    allocation = allocate(instance, load)
    _, bound = relaxed_bound(instance)
    if allocation is None:
        active = int((load > 0).sum())
        message = f"{active} links would be active and {instance.num_subcarriers} subcarriers exist"
        if active <= instance.num_subcarriers:
            message = "the links that would be active cannot all be given a subcarrier that works"
        return build(instance, method, bound_j=bound, message=message)
    return build(instance, method, selection=selection, allocation=allocation, bound_j=bound)
