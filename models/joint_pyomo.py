"""P2 in Pyomo: experts and subcarriers at once, an exact integer program.

::

    min         sum_tj a[j] alpha[t, j] + sum_ijm c[i, j, m] f[i, j, m]
    relevance   (C1) sum_j g[t, j] alpha[t, j] >= theta[t]
    cap         (C2) sum_j alpha[t, j] <= D
    exclusive   (C3) sum_ij y[i, j, m] <= 1
    single           sum_m y[i, j, m] <= 1
    flow             sum_m f[i, j, m] = sum of alpha[t, j] over the tokens t of node i
    open_link   (C4) f[i, j, m] <= tokens of node i * y[i, j, m]
    reachable        alpha[t, j] <= sum_m y[i, j, m] for the tokens t of node i

See docs/problems/joint.md.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import NamedTuple

import numpy as np
import pyomo.environ as pyo

from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.result import Result
from dmoe_opt.data.instance import Instance
from dmoe_opt.joint.highs import factor_of
from dmoe_opt.models.solvers import pyomo_solver, roundwise

Link = tuple[int, int]


class Indices(NamedTuple):
    """What the sums of the program run over.

    `pairs` are the experts j that token t may use, `sent` those that it reaches over a link, and
    `uses` the working subcarriers m of link i -> j. The others group these by token, link or
    subcarrier.
    """

    pairs: list[tuple[int, int]]
    sent: list[tuple[int, int]]
    links: list[Link]
    uses: list[tuple[int, int, int]]
    experts_of: dict[int, list[int]]
    senders_of: dict[Link, list[int]]
    carriers_of: dict[Link, list[int]]
    links_on: dict[int, list[Link]]


def indices(instance: Instance) -> Indices:
    """The index sets of a round."""
    experts_of: dict[int, list[int]] = defaultdict(list)
    senders_of: dict[Link, list[int]] = defaultdict(list)
    pairs = [(t, j) for t, j in np.argwhere(instance.selection_problem().usable).tolist()]
    sent = [(t, j) for t, j in pairs if instance.source[t] != j]
    for t, j in pairs:
        experts_of[t].append(j)
    for t, j in sent:
        senders_of[int(instance.source[t]), j].append(t)

    carriers_of: dict[Link, list[int]] = {}
    links_on: dict[int, list[Link]] = defaultdict(list)
    links = sorted(senders_of)
    for link in links:
        carriers_of[link] = np.flatnonzero(np.isfinite(instance.link_energy[link])).tolist()
        for m in carriers_of[link]:
            links_on[m].append(link)
    uses = [(i, j, m) for i, j in links for m in carriers_of[i, j]]
    return Indices(pairs, sent, links, uses, experts_of, senders_of, carriers_of, links_on)


def build(instance: Instance, *, factor: float = 1.0) -> pyo.ConcreteModel:
    """The program of a round; its objective is the energy times `factor`.

    alpha[t, j] is 1 where token t uses expert j. y[i, j, m] is 1 where link i -> j uses subcarrier
    m. f[i, j, m] is the number of tokens that the link sends on it: all of its load, as one
    subcarrier per link is enough.
    """
    problem = instance.selection_problem()
    pairs, sent, links, uses, experts_of, senders_of, carriers_of, links_on = indices(instance)
    g, theta = problem.scores, problem.effective_threshold
    a, c = instance.compute_energy, instance.link_energy

    def energy(model):
        """Experts compute, and links send."""
        computing = sum(factor * float(a[j]) * model.alpha[t, j] for t, j in pairs)
        sending = sum(factor * float(c[i, j, m]) * model.f[i, j, m] for i, j, m in uses)
        return computing + sending

    def relevance(model, t):
        """The chosen experts reach the threshold."""
        return sum(float(g[t, j]) * model.alpha[t, j] for j in experts_of[t]) >= float(theta[t])

    def cap(model, t):
        """A token uses at most D experts."""
        return sum(model.alpha[t, j] for j in experts_of[t]) <= instance.max_experts

    def exclusive(model, m):
        """A subcarrier serves at most one link."""
        return sum(model.y[i, j, m] for i, j in links_on[m]) <= 1

    def single(model, i, j):
        """One subcarrier per link is enough."""
        return sum(model.y[i, j, m] for m in carriers_of[i, j]) <= 1

    def flow(model, i, j):
        """A link sends the tokens that chose its end."""
        load = sum(model.alpha[t, j] for t in senders_of[i, j])
        return sum(model.f[i, j, m] for m in carriers_of[i, j]) == load

    def open_link(model, i, j, m):
        """Tokens go only where the link has the subcarrier."""
        return model.f[i, j, m] <= len(senders_of[i, j]) * model.y[i, j, m]

    def reachable(model, t, j):
        """A token reaches an expert only over an open link, which tightens the relaxation."""
        i = int(instance.source[t])
        return model.alpha[t, j] <= sum(model.y[i, j, m] for m in carriers_of[i, j])

    model = pyo.ConcreteModel("jesa")
    model.tokens = pyo.Set(initialize=sorted(experts_of))
    model.pairs = pyo.Set(initialize=pairs, dimen=2)
    model.links = pyo.Set(initialize=links, dimen=2)
    model.uses = pyo.Set(initialize=uses, dimen=3)

    model.alpha = pyo.Var(model.pairs, domain=pyo.Binary)
    model.y = pyo.Var(model.uses, domain=pyo.Binary)
    model.f = pyo.Var(model.uses, domain=pyo.NonNegativeReals)

    model.energy = pyo.Objective(rule=energy, sense=pyo.minimize)
    model.relevance = pyo.Constraint(model.tokens, rule=relevance)  # (C1)
    model.cap = pyo.Constraint(model.tokens, rule=cap)  # (C2)
    model.exclusive = pyo.Constraint(sorted(links_on), rule=exclusive)  # (C3)
    model.single = pyo.Constraint(model.links, rule=single)
    model.flow = pyo.Constraint(model.links, rule=flow)
    model.open_link = pyo.Constraint(model.uses, rule=open_link)  # (C4)
    model.reachable = pyo.Constraint(sent, rule=reachable)
    return model


def solve(
    instance: Instance,
    *,
    time_limit: float | None = None,
    solver: str | None = None,
) -> Result:
    """Solve the round as one integer program with HiGHS, or another solver by its Pyomo name.

    `time_limit`, in seconds, includes the time to build the model.
    """
    started = time.monotonic()
    stats = {"solver": solver or pyomo_solver.DEFAULT}
    factor = factor_of(instance)
    model = build(instance, factor=factor)
    if not len(model.pairs):
        return roundwise.empty(instance, "pyomo", stats)
    if time_limit is not None:
        time_limit = max(time_limit - (time.monotonic() - started), 1e-3)
    outcome = pyomo_solver.run(model, solver, time_limit)
    decision = _decision(instance, model) if outcome.solved else None
    return roundwise.conclude(instance, "pyomo", outcome, factor, decision, stats)


def _decision(instance: Instance, model: pyo.ConcreteModel) -> Decision:
    """The decision that the values of the variables say."""
    selection = np.zeros(instance.scores.shape, dtype=bool)
    for t, j in model.pairs:
        selection[t, j] = pyo.value(model.alpha[t, j]) > 0.5
    allocation = np.zeros(instance.link_energy.shape, dtype=bool)
    for i, j, m in model.uses:
        allocation[i, j, m] = pyo.value(model.y[i, j, m]) > 0.5
    return Decision(instance, selection, allocation)
