"""The only objective and the only checker; they know no method."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data.instance import SCORE_UNIT, Instance, SelectionProblem, score_units

Selection = NDArray[np.bool_]
Allocation = NDArray[np.bool_]
MOST_LISTED = 20


def token_energy_j(problem: SelectionProblem, selection: Selection) -> NDArray[np.float64]:
    """Energy of every token, J, shape (T,): sum_j e[t, j] alpha[t, j]."""
    return np.asarray(np.where(selection, problem.cost, 0.0).sum(axis=1))


def energy_j(problem: SelectionProblem, selection: Selection) -> float:
    """The objective of P1 in joules."""
    return float(token_energy_j(problem, selection).sum())


def loads(instance: Instance, selection: Selection) -> NDArray[np.int64]:
    """Tokens that each link i -> j carries, shape (K, K); a node's own expert needs no link."""
    found = np.zeros((instance.num_experts, instance.num_experts), dtype=np.int64)
    np.add.at(found, instance.source, selection.astype(np.int64))
    np.fill_diagonal(found, 0)
    return found


def tokens_per_joule(
    instance: Instance, allocation: Allocation, i: NDArray[np.int64], j: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Sum of 1/c over the subcarriers of links i[n] -> j[n], c being the energy of a token on one; 0 without any that works."""
    with np.errstate(divide="ignore", over="ignore"):
        return np.asarray(np.where(allocation[i, j], 1.0 / instance.link_energy[i, j], 0.0).sum(axis=1))


def round_energy_j(instance: Instance, selection: Selection, allocation: Allocation) -> float:
    """Energy of a round, J: computing, plus for each link that carries q tokens P0 n s0 q / (sum of its n rates).

    In terms of c, the energy of a token on one subcarrier, a link costs q n / sum(1 / c); it is inf without a
    subcarrier that works.

    Examples
    --------
    >>> import dmoe_opt
    >>> from dmoe_opt.answer.objective import round_energy_j
    >>> round_ = dmoe_opt.load("tiny-s1")
    >>> answer = dmoe_opt.solve(round_, "jesa")
    >>> round_energy_j(round_, answer.selection, answer.allocation) == answer.objective_j
    True
    """
    load = loads(instance, selection)
    i, j = np.nonzero(load)
    rates = tokens_per_joule(instance, allocation, i, j)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        links = np.where(rates > 0, load[i, j] * allocation[i, j].sum(axis=1) / rates, np.inf)
    return float(selection.sum(axis=0) @ instance.compute_energy + links.sum())


def round_violations(instance: Instance, selection: Selection, allocation: Allocation) -> list[str]:
    """Every rule of a round that a decision breaks: (C1) to (C4) of docs/problems/round.md; empty if it is feasible."""
    found = violations(instance.selection_problem(), selection)
    if found:
        return found
    if allocation.shape != instance.link_energy.shape or allocation.dtype != np.bool_:
        return [f"the allocation has shape {allocation.shape}, wanted {instance.link_energy.shape} of bool"]
    for m in np.flatnonzero(allocation.sum(axis=(0, 1)) > 1):
        links = ", ".join(f"{i} -> {j}" for i, j in np.argwhere(allocation[:, :, m]))
        found.append(f"subcarrier {m} (C3): serves more than one link: {links}")
    for i in np.flatnonzero(np.diagonal(allocation.any(axis=2))):
        found.append(f"node {i}: a link to itself has a subcarrier")
    works = (allocation & np.isfinite(instance.link_energy)).any(axis=2)
    load = loads(instance, selection)
    for i, j in np.argwhere((load > 0) & ~works):
        found.append(f"link {i} -> {j} (C4): carries {load[i, j]} tokens without a subcarrier that works")
    return found[:MOST_LISTED]


def relevance(problem: SelectionProblem, selection: Selection) -> NDArray[np.float64]:
    """Sum of the chosen scores of every token, shape (T,)."""
    return _chosen_units(problem, selection) / SCORE_UNIT


def _chosen_units(problem: SelectionProblem, selection: Selection) -> NDArray[np.float64]:
    return np.asarray(np.where(selection, score_units(problem.scores), 0.0).sum(axis=1))


def violations(problem: SelectionProblem, selection: Selection) -> list[str]:
    """Every rule of P1 that a selection breaks, one sentence each; empty if it is feasible.

    Rules (C1) relevance, after the shortfall rule, and (C2) at most D experts of docs/problems/round.md, and that no
    token uses an expert it cannot reach.
    """
    shape = (problem.num_tokens, problem.num_experts)
    if selection.shape != shape or selection.dtype != np.bool_:
        return [f"the selection has shape {selection.shape} of {selection.dtype}, wanted {shape} of bool"]
    if (reason := problem.infeasibility()) is not None:
        return [f"no selection is feasible: {reason}"]
    found = []
    units = _chosen_units(problem, selection)
    for t in np.flatnonzero(units < problem.need_units):
        found.append(f"token {t} (C1): relevance {units[t] / SCORE_UNIT:.9g} is below {problem.effective_threshold[t]:.9g}")
    counts = selection.sum(axis=1)
    for t in np.flatnonzero(counts > problem.max_experts):
        found.append(f"token {t} (C2): {counts[t]} experts, at most {problem.max_experts} are allowed")
    for t, j in np.argwhere(selection & ~problem.usable)[:MOST_LISTED]:
        found.append(f"token {t}: expert {j} cannot be used, its link is dead")
    more = len(found) - MOST_LISTED
    return found[:MOST_LISTED] + ([f"and {more} more violations"] if more > 0 else [])
