"""The only objective and the only rules; they know no method."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.bill import bill_of, dropped
from dmoe_opt.answer.limits import capacity_violations, deadline_violations
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.problem import SCORE_UNIT, SelectionProblem, blocks, score_units

Selection = NDArray[np.bool_]
Allocation = NDArray[np.bool_]
MOST_LISTED = 20


def token_energy_j(problem: SelectionProblem, selection: Selection) -> NDArray[np.float64]:
    """Energy of every token, J, shape (T,): sum_j e[t, j] alpha[t, j].

    The `node_cost` of every node with one of these experts is added where the problem has it.
    """
    energy = np.empty(problem.num_tokens)
    for rows in blocks(problem.cost.shape):
        energy[rows] = np.where(selection[rows], problem.cost[rows], 0.0).sum(axis=1)
    if problem.placement is not None and problem.node_cost is not None:
        visited = visits(selection, problem.placement, problem.node_cost.shape[1])
        energy += np.where(visited, problem.node_cost, 0.0).sum(axis=1)
    return energy


def visits(selection: Selection, node_of: NDArray[np.int64], num_nodes: int) -> NDArray[np.bool_]:
    """True where a token uses an expert of a node, shape (T, N); node_of (K,) is its node."""
    visited = np.zeros((len(selection), num_nodes), dtype=np.bool_)
    tokens, experts = np.nonzero(selection)
    visited[tokens, node_of[experts]] = True
    return visited


def energy_j(problem: SelectionProblem, selection: Selection) -> float:
    """The objective of P1 in joules."""
    return float(token_energy_j(problem, selection).sum())


def loads(instance: Instance, selection: Selection) -> NDArray[np.int64]:
    """Tokens that each link i -> n carries, shape (N, N); a node's own experts need no link.

    A token counts for every expert that it uses on node n, or once with `send_once`.
    """
    nodes, ends = instance.num_nodes, instance.node_of
    if instance.send_once:
        selection, ends = visits(selection, ends, nodes), np.arange(nodes)
    t, j = np.nonzero(selection)
    load = np.bincount(instance.source[t] * nodes + ends[j], minlength=nodes**2)
    load = load.reshape(nodes, nodes)
    np.fill_diagonal(load, 0)
    return load


def round_energy_j(instance: Instance, selection: Selection, allocation: Allocation) -> float:
    """Energy of a round, J, as in `bill`; inf where a link cannot send its tokens.

    Examples
    --------
    >>> import dmoe_opt
    >>> from dmoe_opt.answer.objective import round_energy_j
    >>> round_ = dmoe_opt.load("tiny-s1")
    >>> answer = dmoe_opt.solve(round_, "jesa")
    >>> round_energy_j(round_, answer.selection, answer.allocation) == answer.objective_j
    True
    """
    return bill_of(instance, selection, allocation, loads(instance, selection)).total_j


def round_violations(instance: Instance, selection: Selection, allocation: Allocation) -> list[str]:
    """Every rule of a round that a decision breaks, one sentence each; empty if it is feasible.

    Rules (C1) and (C2) as in `violations`, (C3) to (C7) as in `limits` and
    `allocation_violations`.
    """
    broken = selection_violations(instance, selection)
    return broken or allocation_violations(instance, allocation, loads(instance, selection))


def selection_violations(instance: Instance, selection: Selection) -> list[str]:
    """Rules that the experts of a round break on their own: (C1), (C2), and (C5) capacity.

    (C1) does not bind a dropped token.
    """
    problem = instance.selection_problem()
    priced = instance.drop_price is not None and selection.shape == problem.scores.shape
    broken = violations(problem, selection, dropped(instance, selection) if priced else None)
    return broken or capacity_violations(instance, selection)


def allocation_violations(
    instance: Instance, allocation: Allocation, load: NDArray[np.int64]
) -> list[str]:
    """Rules (C3), (C4) and (C7) that an allocation breaks for links with these loads (N, N).

    (C3) a subcarrier serves at most one link; (C4) a link that carries tokens has a subcarrier that
    works, and (C7) can send them in time.
    """
    if allocation.shape != instance.link_energy.shape or allocation.dtype != np.bool_:
        wanted = instance.link_energy.shape
        return [f"the allocation has shape {allocation.shape}, wanted {wanted} of bool"]
    broken = []
    for m in np.flatnonzero(allocation.sum(axis=(0, 1)) > 1):
        links = ", ".join(f"{i} -> {j}" for i, j in np.argwhere(allocation[:, :, m]))
        broken.append(f"subcarrier {m} (C3): serves more than one link: {links}")
    broken += [
        f"node {i}: a link to itself has a subcarrier"
        for i in np.flatnonzero(np.diagonal(allocation.any(axis=2)))
    ]
    works = (allocation & np.isfinite(instance.link_energy)).any(axis=2)
    broken += [
        f"link {i} -> {j} (C4): carries {load[i, j]} tokens without a subcarrier that works"
        for i, j in np.argwhere((load > 0) & ~works)
    ]
    return (broken or deadline_violations(instance, allocation, load))[:MOST_LISTED]


def relevance(problem: SelectionProblem, selection: Selection) -> NDArray[np.float64]:
    """Sum of the chosen scores of every token, shape (T,)."""
    chosen = np.flatnonzero(selection)
    return _chosen_units(problem, chosen, _token_of(problem, chosen)) / SCORE_UNIT


def _chosen_units(
    problem: SelectionProblem, chosen: NDArray[np.int64], tokens: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Sum of the chosen scores of every token in units, exact in any order, shape (T,).

    `chosen` lists places in the table (T, K) in the order of its rows, and `tokens` their rows;
    they are few of all.
    """
    units = score_units(problem.scores.ravel()[chosen])
    return np.asarray(np.bincount(tokens, units, problem.num_tokens), dtype=np.float64)


def _token_of(problem: SelectionProblem, places: NDArray[np.int64]) -> NDArray[np.int64]:
    return places // max(problem.num_experts, 1)


def violations(
    problem: SelectionProblem, selection: Selection, dropped: NDArray[np.bool_] | None = None
) -> list[str]:
    """Every rule of P1 that a selection breaks, one sentence each; empty if it is feasible.

    (C1) the chosen scores reach the threshold, after the shortfall rule; (C2) at most D experts per
    token; and no token uses an expert that it cannot reach. `dropped` (T,) are tokens that (C1)
    does not bind, in a round that may drop tokens.
    """
    shape = (problem.num_tokens, problem.num_experts)
    if selection.shape != shape or selection.dtype != np.bool_:
        have = f"shape {selection.shape} of {selection.dtype}"
        return [f"the selection has {have}, wanted {shape} of bool"]
    if dropped is None and (reason := problem.infeasibility()) is not None:
        return [f"no selection is feasible: {reason}"]
    chosen = np.flatnonzero(selection)
    tokens = _token_of(problem, chosen)
    units = _chosen_units(problem, chosen, tokens)
    counts = np.bincount(tokens, minlength=problem.num_tokens)
    short = units < problem.need_units
    if dropped is not None:
        short &= ~dropped
    many = counts > problem.max_experts
    reached = problem.usable.ravel()[chosen]
    if reached.all() and not (short | many).any():
        return []
    broken = []
    for t in np.flatnonzero(short):
        relevance, wanted = units[t] / SCORE_UNIT, problem.effective_threshold[t]
        broken.append(f"token {t} (C1): relevance {relevance:.9g} is below {wanted:.9g}")
    for t in np.flatnonzero(many):
        most = problem.max_experts
        broken.append(f"token {t} (C2): {counts[t]} experts, at most {most} are allowed")
    unusable = chosen[~reached]
    for t, j in (divmod(place, problem.num_experts) for place in unusable[:MOST_LISTED].tolist()):
        broken.append(f"token {t}: expert {j} cannot be used, its link is dead")
    if len(broken) <= MOST_LISTED:
        return broken
    more = len(broken) - MOST_LISTED
    return [*broken[:MOST_LISTED], f"and {more} more violations"]
