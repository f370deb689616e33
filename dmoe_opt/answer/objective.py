"""The only objective and the only rules; they know no method."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.bill import bill_of, dropped
from dmoe_opt.answer.limits import capacity_violations, deadline_violations, told
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.problem import SCORE_UNIT, SelectionProblem, blocks, score_units
from dmoe_opt.data.words import counted

Selection = NDArray[np.bool_]
Allocation = NDArray[np.bool_]


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


def selection_violations(instance: Instance, selection: Selection) -> list[str]:
    """Rules that the experts of a round break on their own: (C1), (C2), and (C5) capacity.

    (C1) does not bind a dropped token.
    """
    problem = instance.selection_problem()
    if selection.shape != problem.scores.shape or selection.dtype != np.bool_:
        return violations(problem, selection)
    free = None if instance.drop_price is None else dropped(instance, selection)
    return violations(problem, selection, free) + capacity_violations(instance, selection)


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

    def crowded(m: int) -> str:
        links = ", ".join(f"{i} -> {j}" for i, j in np.argwhere(allocation[:, :, m]))
        return f"subcarrier {m} (C3): serves more than one link: {links}"

    def silent(link: NDArray[np.int64]) -> str:
        i, j = link
        tokens = counted(int(load[i, j]), "token")
        return f"link {i} -> {j} (C4): carries {tokens} without a subcarrier that works"

    works = (allocation & np.isfinite(instance.link_energy)).any(axis=2)
    own = np.flatnonzero(np.diagonal(allocation.any(axis=2)))
    return [
        *told("(C3)", np.flatnonzero(allocation.sum(axis=(0, 1)) > 1), crowded),
        *told("links", own, lambda i: f"node {i}: a link to itself has a subcarrier"),
        *told("(C4)", np.argwhere((load > 0) & ~works), silent),
        *deadline_violations(instance, allocation, np.where(works, load, 0)),
    ]


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
    wanted, most, experts = problem.effective_threshold, problem.max_experts, problem.num_experts

    def weak(t: int) -> str:
        return f"token {t} (C1): relevance {units[t] / SCORE_UNIT:.9g} is below {wanted[t]:.9g}"

    def dead(place: int) -> str:
        t, j = divmod(int(place), experts)
        return f"token {t}: expert {j} cannot be used, its link is dead"

    return [
        *told("(C1)", np.flatnonzero(short), weak),
        *told(
            "(C2)",
            np.flatnonzero(many),
            lambda t: f"token {t} (C2): {counts[t]} experts, at most {most} are allowed",
        ),
        *told("dead links", chosen[~reached], dead),
    ]
