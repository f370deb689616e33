"""P2 in CVXPY: experts and subcarriers at once, an exact integer program in matrix form.

The program is that of `joint_pyomo`, with links in rows. See docs/problems/joint.md.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cvxpy as cp
import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import visits
from dmoe_opt.answer.result import Result
from dmoe_opt.clock import left_s
from dmoe_opt.data.instance import Instance
from dmoe_opt.errors import InputError
from dmoe_opt.joint.open_part import alone_j, stranded, usable_experts, usable_subcarriers
from dmoe_opt.joint.passages import passed, to_passages
from dmoe_opt.models.solvers import cvxpy_solver
from dmoe_opt.models.solvers.whole_round import Attempt, RoundAnswer, solve_round
from dmoe_opt.selection.covers import Cut, threshold_rows


class RoundProgram(NamedTuple):
    """The program of a round and its variables.

    alpha (T, K) is 1 where a token uses an expert. y (n, M) is 1 where link l, from `ends[l, 0]` to
    `ends[l, 1]`, uses a subcarrier, and f (n, M) is the number of tokens that the link sends on it;
    both are None in a round without links. d (T,) is 1 where a token is dropped, and w (K,) where
    an expert is awake, in a round with prices for them. omega (T, N) is 1 where a token is sent to
    a node, if it is sent once.
    """

    program: cp.Problem
    alpha: cp.Variable
    y: cp.Variable | None
    f: cp.Variable | None
    ends: NDArray[np.int64]
    d: cp.Variable | None = None
    w: cp.Variable | None = None
    omega: cp.Variable | None = None


def build(instance: Instance, *, factor: float = 1.0, most_j: float = np.inf) -> RoundProgram:
    """The program of a round; its objective is the energy times `factor`.

    An expert or a subcarrier that alone costs more than `most_j` is left out.
    """
    if reason := stranded(instance):
        raise InputError(f"{reason}; allowed: a round that can have an answer")
    g, theta = threshold_rows(instance.selection_problem())
    works = usable_subcarriers(instance) & (instance.link_energy <= most_j)
    ends = np.argwhere(works.any(axis=2))
    usable = usable_experts(instance) & (alone_j(instance) <= most_j)
    alpha = cp.Variable(g.shape, boolean=True)
    d, kept = _dropping(instance)
    w = None if instance.wake_energy is None else cp.Variable(instance.num_experts, boolean=True)
    energy = (factor * instance.compute_energy) @ cp.sum(alpha, axis=0)
    if d is not None:
        energy += cp.sum(cp.multiply(factor * np.asarray(instance.drop_price), d))
    if w is not None:
        energy += cp.sum(cp.multiply(factor * np.asarray(instance.wake_energy), w))
    constraints = [
        # (C1) the chosen experts reach the threshold, unless the token is dropped
        cp.sum(cp.multiply(g, alpha), axis=1) >= cp.multiply(theta, kept),
        # (C2) a token uses at most D experts, and none if it is dropped
        cp.sum(alpha, axis=1) <= instance.max_experts * kept,
        alpha <= usable.astype(np.float64),
        *_rules_of_experts(instance, alpha, d, w),
    ]
    if not len(ends):
        program = cp.Problem(cp.Minimize(energy), constraints)
        return RoundProgram(program, alpha, None, None, ends, d, w)

    i, n = ends.T
    c = np.where(works[i, n], instance.link_energy[i, n], 0.0)
    nodes = np.arange(instance.num_nodes)
    tokens_of = (instance.source == nodes[:, None]).astype(np.float64)  # (N, T)
    experts_on = (instance.node_of == nodes[:, None]).astype(np.float64)  # (N, K)
    link = np.full((instance.num_nodes, instance.num_nodes), -1)
    link[i, n] = np.arange(len(ends))
    omega, passing, to_node = None, alpha, experts_on
    if instance.send_once:
        omega = passing = cp.Variable((instance.num_tokens, instance.num_nodes), boolean=True)
        to_node = np.eye(instance.num_nodes)
        # a token that uses an expert of a node is sent there
        constraints.append(alpha <= omega @ experts_on)
    needed = to_passages(instance, link)  # (T, C) the link that a token needs for a passage
    most = tokens_of.sum(axis=1)[i] * to_node.sum(axis=1)[n]
    t, away = np.nonzero(passed(instance, usable) & (needed >= 0))
    y, f = cp.Variable(c.shape, boolean=True), cp.Variable(c.shape, nonneg=True)
    energy += cp.sum(cp.multiply(factor * c, f))
    constraints += [
        # (C3) a subcarrier serves at most one link
        cp.sum(y, axis=0) <= 1,
        # a link sends the tokens that chose an expert at its end, or once those that do
        cp.sum(f, axis=1) == (tokens_of @ passing @ to_node.T)[i, n],
        # (C4) tokens go only where the link has the subcarrier
        f <= cp.multiply(most[:, None] * works[i, n], y),
        # a token reaches an expert only over an open link; tightens the relaxation
        passing[t, away] <= cp.sum(y, axis=1)[needed[t, away]],
    ]
    if instance.air_tokens is None:
        # one subcarrier per link is enough
        constraints.append(cp.sum(y, axis=1) <= 1)
    else:
        # (C7) a subcarrier sends no more tokens than it can before the deadline
        room = np.minimum(instance.air_tokens[i, n], most[:, None])
        constraints.append(f <= cp.multiply(room * works[i, n], y))
    program = cp.Problem(cp.Minimize(energy), constraints)
    return RoundProgram(program, alpha, y, f, ends, d, w, omega)


def _dropping(instance: Instance) -> tuple[cp.Variable | None, Any]:
    """The variable d, and 1 - d, which is 1 where no token may be dropped."""
    if instance.drop_price is None:
        return None, np.ones(instance.num_tokens)
    d = cp.Variable(instance.num_tokens, boolean=True)
    return d, 1 - d


def _rules_of_experts(
    instance: Instance, alpha: cp.Variable, d: cp.Variable | None, w: cp.Variable | None
) -> list[cp.Constraint]:
    """What the optional fields say of experts."""
    rules = []
    if d is not None:
        # a token that needs no expert is not dropped
        rules.append(d <= (instance.selection_problem().need_units > 0).astype(np.float64))
    if instance.capacity is not None:
        # (C5) an expert serves at most as many tokens as its capacity
        rules.append(cp.sum(alpha, axis=0) <= instance.capacity.astype(np.float64))
    if w is not None:
        # (C6) an expert that serves a token is awake
        rules.append(alpha <= np.ones((instance.num_tokens, 1)) @ cp.reshape(w, (1, w.size), "C"))
    return rules


def solve(
    instance: Instance,
    *,
    time_limit: float | None = None,
    solver: str | None = None,
    start: Decision | None = None,
) -> Result:
    """Solve the round as one program with HiGHS, or with another solver by its CVXPY name.

    `start` is an answer that the result is never worse than; Gurobi begins with it.
    """

    def solve_once(attempt: Attempt) -> RoundAnswer:
        model = build(attempt.instance, factor=attempt.factor, most_j=attempt.most_j)
        program = model.program
        if attempt.start is not None:
            _begin(model, attempt.start)
        if attempt.cuts:
            cuts = [_kept(model, t, cut) for t, cut in attempt.cuts]
            program = cp.Problem(program.objective, [*program.constraints, *cuts])
        outcome = cvxpy_solver.run(program, solver, None if left_s() == np.inf else left_s())
        bound_j = None if outcome.bound is None else max(outcome.bound / attempt.factor, 0.0)
        decision = _decision(instance, model) if outcome.solved else None
        return RoundAnswer(decision, bound_j, outcome.infeasible)

    stats = {"solver": solver or cvxpy_solver.DEFAULT}
    return solve_round(
        instance,
        "cvxpy",
        solve_once,
        time_limit=time_limit,
        start=start,
        stats=stats,
        most_per_s=cvxpy_solver.MOST_PER_S,
    )


def _kept(model: RoundProgram, token: int, cut: Cut) -> cp.Constraint:
    """A cut, unless the token is dropped."""
    kept = 1 if model.d is None else 1 - model.d[token]
    return cut.weights @ model.alpha[token] >= cut.least * kept


def _begin(model: RoundProgram, start: Decision) -> None:
    """Give the variables the values of an answer; CVXPY hands them to solvers that take them."""
    assert start.allocation is not None
    model.alpha.value = start.selection.astype(float)
    if model.y is not None and model.f is not None:
        i, j = model.ends.T
        used = start.allocation[i, j].astype(float)
        model.y.value = used
        model.f.value = start.sent[i, j].astype(float)
    if model.d is not None:
        model.d.value = start.dropped.astype(float)
    if model.w is not None:
        model.w.value = start.selection.any(axis=0).astype(float)
    if model.omega is not None:
        instance = start.instance
        visited = visits(start.selection, instance.node_of, instance.num_nodes)
        model.omega.value = visited.astype(float)


def _decision(instance: Instance, model: RoundProgram) -> Decision:
    """The values of the variables as a decision."""
    allocation = np.zeros(instance.link_energy.shape, dtype=bool)
    if model.y is not None:
        allocation[model.ends[:, 0], model.ends[:, 1]] = model.y.value > 0.5
    return Decision(instance, np.asarray(model.alpha.value > 0.5), allocation)
