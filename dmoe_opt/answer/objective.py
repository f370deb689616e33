"""The only objective and the only rules; they know no method."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.bill import bill_of, dropped
from dmoe_opt.answer.limits import capacity_violations, deadline_violations, told
from dmoe_opt.compiling import cached, call
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.problem import SCORE_UNIT, SelectionProblem
from dmoe_opt.data.validate import frozen
from dmoe_opt.data.words import counted

Selection = NDArray[np.bool_]
Allocation = NDArray[np.bool_]
LITTLE = 2**18  # places in a selection that Python alone looks at while numba would load


class Sums(NamedTuple):
    """What the chosen experts of every token add up to.

    Scores in whole units, numbers of experts, and energies in J, each (T,); and how many of the
    chosen experts cannot be used.
    """

    units: NDArray[np.float64]
    counts: NDArray[np.int64]
    energy_j: NDArray[np.float64]
    dead: int


def add_up(problem: SelectionProblem, selection: Selection) -> Sums:
    """Add up the chosen experts of every token.

    The energy is sum_j e[t, j] alpha[t, j], and the `node_cost` of every node with one of these
    experts where the problem has it.
    """
    if selection.shape != problem.scores.shape:
        raise ValueError(f"a selection of shape {selection.shape} for {problem.scores.shape}")
    tokens = problem.num_tokens
    units, counts, energy = np.zeros(tokens), np.zeros(tokens, np.int64), np.zeros(tokens)
    tables = frozen(selection, np.bool_), problem.scores, problem.cost, problem.usable
    little = selection.size <= LITTLE
    dead = call(_add_up, *tables, SCORE_UNIT, units, counts, energy, little=little)
    if problem.placement is not None and problem.node_cost is not None:
        visited = visits(selection, problem.placement, problem.node_cost.shape[1])
        energy += np.where(visited, problem.node_cost, 0.0).sum(axis=1)
    return Sums(units, counts, energy, dead)


@cached(is_entry=True, nogil=True)
def _add_up(  # type: ignore[no-untyped-def]
    chosen, scores, cost, usable, unit, units, counts, energy
):
    """Fill in `Sums` from tables (T, K); returns how many of the chosen experts are dead."""
    dead = 0
    for t in range(chosen.shape[0]):
        for j in range(chosen.shape[1]):
            if chosen[t, j]:
                units[t] += np.rint(scores[t, j] * unit)
                counts[t] += 1
                energy[t] += cost[t, j]
                dead += not usable[t, j]
    return dead


def token_energy_j(problem: SelectionProblem, selection: Selection) -> NDArray[np.float64]:
    """Energy of every token, J, shape (T,), as in `add_up`."""
    return add_up(problem, selection).energy_j


def energy_j(problem: SelectionProblem, selection: Selection) -> float:
    """The objective of P1 in joules."""
    return float(token_energy_j(problem, selection).sum())


def visits(selection: Selection, node_of: NDArray[np.int64], num_nodes: int) -> NDArray[np.bool_]:
    """True where a token uses an expert of a node, shape (T, N); node_of (K,) is its node."""
    visited = np.zeros((len(selection), num_nodes), dtype=np.bool_)
    tokens, experts = np.nonzero(selection)
    visited[tokens, node_of[experts]] = True
    return visited


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
    return add_up(problem, selection).units / SCORE_UNIT


def violations(
    problem: SelectionProblem,
    selection: Selection,
    dropped: NDArray[np.bool_] | None = None,
    sums: Sums | None = None,
) -> list[str]:
    """Every rule of P1 that a selection breaks, one sentence each; empty if it is feasible.

    (C1) the chosen scores reach the threshold, after the shortfall rule; (C2) at most D experts per
    token; and no token uses an expert that it cannot reach. `dropped` (T,) are tokens that (C1)
    does not bind, in a round that may drop tokens. `sums` are those of `add_up`, if known.
    """
    shape = (problem.num_tokens, problem.num_experts)
    if selection.shape != shape or selection.dtype != np.bool_:
        have = f"shape {selection.shape} of {selection.dtype}"
        return [f"the selection has {have}, wanted {shape} of bool"]
    if dropped is None and (reason := problem.infeasibility()) is not None:
        return [f"no selection is feasible: {reason}"]
    units, counts, _, dead_ends = sums or add_up(problem, selection)
    short = units < problem.need_units
    if dropped is not None:
        short &= ~dropped
    many = counts > problem.max_experts
    if not (dead_ends or short.any() or many.any()):
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
        *told("dead links", np.flatnonzero(selection & ~problem.usable), dead),
    ]
