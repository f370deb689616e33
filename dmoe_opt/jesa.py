"""JESA: joint expert and subcarrier allocation (P2) by block coordinate descent ([DMoE]; MODEL.md section 2).

    alpha <- DES with every link on its best subcarrier
    repeat
        beta  <- assignment of the active links; then of the idle links to what is left, so that each has a price
        alpha <- DES at the prices of beta
    until the energy stops falling

Every link owns the subcarrier it is priced on, so neither step can raise the energy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmoe_opt import des
from dmoe_opt.assignment import allocate, assign
from dmoe_opt.baselines import topk_selection
from dmoe_opt.bounds import relaxed
from dmoe_opt.evaluate import Allocation, Selection, loads, round_energy_j
from dmoe_opt.instance import Instance
from dmoe_opt.result import Result, build

MOST_ROUNDS = 100
STEADY = 1e-12  # relative fall of the energy below which the descent has ended


def solve_bcd(instance: Instance) -> Result:
    """Block coordinate descent from every link's best subcarrier.

    Returns
    -------
    Result
        With the relaxed bound; `stats` has `iterations` and the `trace` of energies, which never rises. Where more
        links would be active than subcarriers exist, links are given up one by one; `no_solution` if that fails.
    """
    selection, bound = relaxed(instance)
    trace: list[float] = []
    found = _thin_out(instance, selection)
    if found is None:
        message = f"more links are needed than the {instance.num_subcarriers} subcarriers can carry, as far as was tried"
        return build(instance, "bcd", bound_j=bound, message=message, stats={"iterations": 0, "trace": trace})
    selection, allocation = found
    for _ in range(MOST_ROUNDS):
        trace.append(round_energy_j(instance, selection, allocation))
        if len(trace) > 1 and trace[-1] >= trace[-2] * (1 - STEADY):
            break
        next_selection = _select(instance, _price_idle(instance, allocation))
        if next_selection is None:
            break
        next_allocation = allocate(instance, loads(instance, next_selection))
        if next_allocation is None or round_energy_j(instance, next_selection, next_allocation) > trace[-1]:
            break
        selection, allocation = next_selection, next_allocation
    stats = {"iterations": len(trace), "trace": trace}
    return build(instance, "bcd", selection=selection, allocation=allocation, bound_j=bound, stats=stats)


def _price_idle(instance: Instance, allocation: Allocation) -> NDArray[np.float64]:
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


def _select(instance: Instance, price: NDArray[np.float64]) -> Selection | None:
    """DES at given link prices (K, K), inf for a link that cannot be used; None if a token cannot be served."""
    cost = instance.compute_energy + price[instance.source]
    usable = np.isfinite(cost)
    selection, bound = des.choose(instance.selection_problem(), np.where(usable, cost, 0.0), usable)
    return selection if np.isfinite(bound).all() else None


def _thin_out(instance: Instance, selection: Selection) -> tuple[Selection, Allocation] | None:
    """Give up the least loaded links until the rest can be assigned; None if a token then cannot be served."""
    price = instance.best_link_energy.copy()
    kept = np.zeros(price.shape, dtype=bool)
    while True:
        load = loads(instance, selection)
        allocation = allocate(instance, load) if (load > 0).sum() <= instance.num_subcarriers else None
        if allocation is not None:
            return selection, allocation
        for i, j in sorted(np.argwhere((load > 0) & ~kept).tolist(), key=lambda link: load[link[0], link[1]]):
            was = price[i, j]
            price[i, j] = np.inf
            without = _select(instance, price)
            if without is not None:
                selection = without
                break
            price[i, j] = was
            kept[i, j] = True
        else:
            return None


def solve_topk(instance: Instance) -> Result:
    """Top-k routing with optimal allocation: every token takes its D best usable experts, whatever they cost."""
    selection = topk_selection(instance.selection_problem())
    allocation = allocate(instance, loads(instance, selection))
    _, bound = relaxed(instance)
    if allocation is None:
        active = int((loads(instance, selection) > 0).sum())
        message = f"{active} links would be active and {instance.num_subcarriers} subcarriers exist"
        return build(instance, "topk", bound_j=bound, message=message)
    return build(instance, "topk", selection=selection, allocation=allocation, bound_j=bound)
