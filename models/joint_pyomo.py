"""P2 in Pyomo: experts and subcarriers at once, an exact integer program.

::

    min  sum_tj a[j] alpha[t, j] + sum_inm c[i, n, m] f[i, n, m]
         + sum_j b[j] w[j] + sum_t rho[t] d[t]
    (C1) sum_j g[t, j] alpha[t, j] >= theta[t] (1 - d[t])
    (C2) sum_j alpha[t, j] <= D (1 - d[t])
    (C3) sum_in y[i, n, m] <= 1
    (C4) f[i, n, m] <= (pairs of the link) y[i, n, m]
         sum_m y[i, n, m] <= 1 without a deadline
         sum_m f[i, n, m] = sum of alpha[t, j] over the pairs of the link
         alpha[t, j] <= sum_m y[i, n, m] for the pairs of the link
         with `send_once`: omega[t, n] >= alpha[t, j] for each j on n, in place of alpha here
    (C5) sum_t alpha[t, j] <= C[j]
    (C6) alpha[t, j] <= w[j]
    (C7) f[i, n, m] <= U[i, n, m] y[i, n, m]
         alpha, y, d, w, omega binary, f >= 0

The pairs of link i -> n are a token t of node i and an expert j on node n; without a placement,
expert j is on node j. The letters d, w and omega, and (C5) to (C7), are there where the round has
their fields.
See docs/problems/joint.md and docs/problems/richer-round.md.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pyomo.environ as pyo

from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import visits
from dmoe_opt.answer.result import Result
from dmoe_opt.answer.result import build as result_of
from dmoe_opt.data.instance import Instance
from dmoe_opt.errors import InputError
from dmoe_opt.joint.open_part import stranded
from dmoe_opt.models.joint_sets import Sets, droppable, sets_of
from dmoe_opt.models.solvers import pyomo_solver
from dmoe_opt.models.solvers.whole_round import (
    Attempt,
    RoundAnswer,
    cuts_of,
    solve_round,
)
from dmoe_opt.selection.covers import MOST_CUTS, Cut, threshold_rows


def build(instance: Instance, *, factor: float = 1.0, most_j: float = np.inf) -> pyo.ConcreteModel:
    """The program of a round; its objective is the energy times `factor`.

    alpha[t, j] is 1 where token t uses expert j; y[i, n, m] is 1 where link i -> n uses subcarrier
    m; f[i, n, m] is the number of tokens that the link sends on it. Without a deadline one
    subcarrier per link is enough, so f is all of its load. d[t] is 1 where a token is dropped, and
    w[j] where an expert is awake, if the round has prices for them; omega[t, n] is 1 where a token
    is sent to a node, if it is sent once. An expert or a subcarrier that alone costs more than
    `most_j` is left out.
    """
    if reason := stranded(instance):
        raise InputError(f"{reason}; allowed: a round that can have an answer")
    problem = instance.selection_problem()
    g, theta = threshold_rows(problem)
    sets = sets_of(instance, most_j)
    model = pyo.ConcreteModel("jesa")
    model.tokens = pyo.Set(initialize=list(sets.experts_of))
    model.pairs = pyo.Set(initialize=sets.pairs, dimen=2)
    model.links = pyo.Set(initialize=sets.links, dimen=2)
    model.uses = pyo.Set(initialize=sets.uses, dimen=3)
    model.alpha = pyo.Var(model.pairs, domain=pyo.Binary)
    model.y = pyo.Var(model.uses, domain=pyo.Binary)
    model.f = pyo.Var(model.uses, domain=pyo.NonNegativeReals)
    _add_variables(model, instance, sets)
    passing = model.omega if instance.send_once else model.alpha
    kept = dict.fromkeys(sets.experts_of, 1) | {t: 1 - model.d[t] for t in droppable(instance)}

    @model.Objective(sense=pyo.minimize)
    def energy(m):
        """Computing, waking and dropping, and sending over the links."""
        return factor * _energy_j(m, instance)

    @model.Constraint(model.tokens)
    def relevance(m, t):
        """(C1) The chosen experts reach the threshold, unless the token is dropped."""
        reached = sum(float(g[t, j]) * m.alpha[t, j] for j in sets.experts_of[t])
        return reached >= float(theta[t]) * kept[t]

    @model.Constraint(model.tokens)
    def cap(m, t):
        """(C2) A token uses at most D experts, and none if it is dropped."""
        return sum(m.alpha[t, j] for j in sets.experts_of[t]) <= instance.max_experts * kept[t]

    @model.Constraint(sorted(sets.links_on))
    def exclusive(m, subcarrier):
        """(C3) A subcarrier serves at most one link."""
        return sum(m.y[i, n, subcarrier] for i, n in sets.links_on[subcarrier]) <= 1

    @model.Constraint(model.links)
    def flow(m, i, n):
        """A link sends the tokens that chose an expert at its end."""
        sent = sum(m.f[i, n, k] for k in sets.carriers_of[i, n])
        return sent == sum(passing[pair] for pair in sets.over[i, n])

    @model.Constraint(model.uses)
    def open_link(m, i, n, k):
        """(C4) Tokens go only where the link has the subcarrier."""
        return m.f[i, n, k] <= len(sets.over[i, n]) * m.y[i, n, k]

    @model.Constraint(sorted(sets.link_of))
    def reachable(m, t, c):
        """A token passes only over an open link; tightens the relaxation."""
        i, n = sets.link_of[t, c]
        return passing[t, c] <= sum(m.y[i, n, k] for k in sets.carriers_of[i, n])

    _add_rules(model, instance, sets)
    return model


def _add_variables(model: pyo.ConcreteModel, instance: Instance, sets: Sets) -> None:
    """The letters of optional fields, and what makes a token be sent."""
    if instance.drop_price is not None:
        model.d = pyo.Var(droppable(instance), domain=pyo.Binary)
    if instance.wake_energy is not None:
        model.w = pyo.Var(range(instance.num_experts), domain=pyo.Binary)
    if instance.send_once:
        sent = [pair for pairs in sets.over.values() for pair in pairs]
        model.omega = pyo.Var(sent, domain=pyo.Binary)

        @model.Constraint([(t, j) for t, j in sets.pairs if instance.away[t, j]])
        def sent_once(m, t, j):
            """A token that uses an expert of another node is sent there."""
            return m.alpha[t, j] <= m.omega[t, int(instance.node_of[j])]


def _energy_j(m: pyo.ConcreteModel, instance: Instance) -> Any:
    """The objective in J, cause by cause."""
    a, c = instance.compute_energy, instance.link_energy
    energy_j = sum(float(a[j]) * m.alpha[t, j] for t, j in m.pairs)
    if instance.wake_energy is not None:
        energy_j += sum(float(instance.wake_energy[j]) * m.w[j] for j in m.w)
    if instance.drop_price is not None:
        energy_j += sum(float(instance.drop_price[t]) * m.d[t] for t in m.d)
    return energy_j + sum(float(c[use]) * m.f[use] for use in m.uses)


def _add_rules(model: pyo.ConcreteModel, instance: Instance, sets: Sets) -> None:
    """What the optional fields of a round add, or do not relax."""
    room, capacity = instance.air_tokens, instance.capacity
    if room is None:

        @model.Constraint(model.links)
        def single(m, i, n):
            """One subcarrier per link is enough."""
            return sum(m.y[i, n, k] for k in sets.carriers_of[i, n]) <= 1

    if capacity is not None:

        @model.Constraint(sorted({j for _, j in sets.pairs}))
        def within_capacity(m, j):
            """(C5) An expert serves at most as many tokens as its capacity."""
            served = sum(m.alpha[t, k] for t, k in sets.pairs if k == j)
            return served <= int(capacity[j])

    if instance.wake_energy is not None:

        @model.Constraint(model.pairs)
        def awake(m, t, j):
            """(C6) An expert that serves a token is awake."""
            return m.alpha[t, j] <= m.w[j]

    if room is not None:

        @model.Constraint(model.uses)
        def in_time(m, i, n, k):
            """(C7) A subcarrier sends no more tokens than it can before the deadline."""
            return m.f[i, n, k] <= int(room[i, n, k]) * m.y[i, n, k]


def solve(
    instance: Instance,
    *,
    time_limit: float | None = None,
    solver: str | None = None,
    start: Decision | None = None,
) -> Result:
    """Solve the round as one program with HiGHS, or with another solver by its Pyomo name.

    `start` is an answer that the result is never worse than; Gurobi begins with it.
    """

    def solve_once(attempt: Attempt) -> RoundAnswer:
        began = time.monotonic()
        model = build(attempt.instance, factor=attempt.factor, most_j=attempt.most_j)
        built_s = time.monotonic() - began
        if not len(model.tokens):  # nothing to decide, which HiGHS does not take
            return RoundAnswer(_decision(instance, model), 0.0)
        _cut_off(model, attempt.cuts)
        if attempt.start is not None:
            _begin(model, attempt.start)
        begun = attempt.start is not None
        limit_s = pyomo_solver.limit_after(built_s)
        outcome = pyomo_solver.run(model, solver, limit_s, begun=begun)
        bound_j = None if outcome.bound is None else max(outcome.bound / attempt.factor, 0.0)
        decision = _decision(instance, model) if outcome.solved else None
        return RoundAnswer(decision, bound_j, outcome.infeasible)

    stats = {"solver": solver or pyomo_solver.DEFAULT}
    return solve_round(
        instance,
        "pyomo",
        solve_once,
        time_limit=time_limit,
        start=start,
        stats=stats,
        most_per_s=pyomo_solver.MOST_PER_S,
    )


def solve_built(
    instance: Instance,
    model: pyo.ConcreteModel,
    *,
    time_limit: float | None = None,
    solver: str | None = None,
) -> Result:
    """Solve a model of `build` to which rules of your own were added, and check the answer.

    Returns
    -------
    Result
        `stats` has `model_bound`, what the solver proves of the model, in units of its objective.
        The result itself has no bound: with more rules the round could cost more than without.

    Examples
    --------
    Expert 0 has to rest, and a token never uses experts 1 and 2 together:

    >>> import pyomo.environ as pyo
    >>> import dmoe_opt
    >>> from dmoe_opt.joint.highs import factor_of
    >>> from dmoe_opt.models import joint_pyomo
    >>> round_ = dmoe_opt.load("tiny-s1").replace(drop_price=0.002)
    >>> model = joint_pyomo.build(round_, factor=factor_of(round_))
    >>> model.rest = pyo.Constraint(expr=sum(model.alpha[t, 0] for t in model.tokens) == 0)
    >>> @model.Constraint(model.tokens)
    ... def apart(m, t):
    ...     return m.alpha[t, 1] + m.alpha[t, 2] <= 1
    >>> result = joint_pyomo.solve_built(round_, model)
    >>> int(result.selection[:, 0].sum()), int(result.decision.dropped.sum())
    (0, 4)
    >>> dmoe_opt.check(round_, result)
    []
    """
    for _ in range(MOST_CUTS):
        outcome = pyomo_solver.run(model, solver, time_limit)
        decision = _decision(instance, model) if outcome.solved else None
        cuts = [] if decision is None else cuts_of(decision)
        if not cuts:
            break
        _cut_off(model, cuts)
    stats = {"solver": solver or pyomo_solver.DEFAULT, "model_bound": outcome.bound}
    message = "" if outcome.solved else "the solver gave no answer to the model"
    if outcome.infeasible:
        message = "proven by the solver: the model with these rules has no answer"
    decision = None if decision is None else decision.without_idle_links()
    return result_of(instance, "pyomo", decision, stats=stats, message=message)


def _cut_off(model: pyo.ConcreteModel, cuts: list[tuple[int, Cut]]) -> None:
    """Cut off sets of experts that miss their threshold by less than the solver can see."""
    if not hasattr(model, "cuts"):
        model.cuts = pyo.ConstraintList()
    for token, cut in cuts:
        some = [float(cut.weights[j]) * model.alpha[t, j] for t, j in model.pairs if t == token]
        if hasattr(model, "d") and token in model.d:  # a dropped token needs none
            some.append(cut.least * model.d[token])
        model.cuts.add(sum(some) >= cut.least)


def _begin(model: pyo.ConcreteModel, start: Decision) -> None:
    """Give the variables the values of an answer."""
    assert start.allocation is not None
    for pair in model.pairs:
        model.alpha[pair].set_value(int(start.selection[pair]))
    for use in model.uses:
        model.y[use].set_value(int(start.allocation[use]))
        model.f[use].set_value(float(start.sent[use]))
    if start.instance.drop_price is not None:
        for t in model.d:
            model.d[t].set_value(int(start.dropped[t]))
    if start.instance.wake_energy is not None:
        for j in model.w:
            model.w[j].set_value(int(start.selection[:, j].any()))
    if start.instance.send_once:
        visited = visits(start.selection, start.instance.node_of, start.instance.num_nodes)
        for sent in model.omega:
            model.omega[sent].set_value(int(visited[sent]))


def _decision(instance: Instance, model: pyo.ConcreteModel) -> Decision:
    """The values of the variables as a decision."""
    selection = np.zeros(instance.scores.shape, dtype=bool)
    for pair in model.pairs:
        selection[pair] = _value(model.alpha[pair]) > 0.5
    allocation = np.zeros(instance.link_energy.shape, dtype=bool)
    for use in model.uses:
        allocation[use] = _value(model.y[use]) > 0.5
    return Decision(instance, selection, allocation)


def _value(variable: Any) -> float:
    """The value of a variable; 0 if it is in no constraint and the solver never saw it."""
    return float(pyo.value(variable, exception=False) or 0.0)
