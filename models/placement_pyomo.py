"""Where to put the experts, in Pyomo: an exact integer program.

::

    min  sum_jn linear[j, n] x[j, n] + sum_sn setup[s, n] omega[s, n]
    (P1) sum_n x[j, n] = 1
    (P2) sum_j size[j] x[j, n] <= memory[n]
    (P3) omega[s, n] >= x[j, n]  for every expert j of the set s
         x binary, omega in [0, 1]

Set s stands for all tokens that use the same experts. The linear relaxation of this is weak: a bit
of every expert on every node makes every omega small. Pairs z[j, k, n] = x[j, n] x[k, n] cut that
off, by (P2) times x[j, n], and by the bound of Dawson and Sankoff on the size of a union for
m = 1, 2, ...::

    (P5) z[j, k, n] <= x[j, n],  z[j, k, n] <= x[k, n]
         sum_k size[k] z[j, k, n] <= (memory[n] - size[j]) x[j, n]
    (P6) omega[s, n] >= 2/(m+1) sum_(j of s) x[j, n] - 2/(m(m+1)) sum_(pairs of s) z[j, k, n]

With `choice` the experts of the tokens are
chosen as well; then s is a token, and v[t, j, n] = alpha[t, j] x[j, n] takes the place of x in the
energy and in (P3)::

    min  sum_tjn (work[t, j] factor[n] + sending) v[t, j, n] + sum_tn price[t, n] omega[t, n]
    (C1) sum_j g[t, j] alpha[t, j] >= theta[t]
    (C2) sum_j alpha[t, j] <= D
    (P4) sum_n v[t, j, n] = alpha[t, j],  v[t, j, n] <= x[j, n]
         alpha binary

`sending` is price[t, n] where a hidden state goes once for each expert, and omega is 0 then. See
docs/problems/placement.md.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pyomo.environ as pyo
from numpy.typing import NDArray

from dmoe_opt.clock import until
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.models.solvers import pyomo_solver
from dmoe_opt.placing.exact import factor_of, most_together, placed
from dmoe_opt.placing.problem import Placed, PlacementProblem
from dmoe_opt.selection.covers import MOST_CUTS, missed, threshold_rows


def build(
    problem: PlacementProblem,
    choice: SelectionProblem | None = None,
    *,
    relax: bool = False,
    factor: float = 1.0,
) -> pyo.ConcreteModel:
    """The program; its objective is in units of 1/factor joules.

    x[j, n] is 1 where expert j is on node n. `choice` has scores, thresholds and cap of the tokens,
    whose experts are then chosen too: alpha[t, j] is 1 where token t uses expert j. `relax` drops
    integrality.
    """
    domain = pyo.UnitInterval if relax else pyo.Binary
    model = pyo.ConcreteModel("placement")
    model.experts = pyo.RangeSet(0, problem.num_experts - 1)
    model.nodes = pyo.RangeSet(0, problem.num_nodes - 1)
    model.x = pyo.Var(model.experts, model.nodes, domain=domain)

    @model.Constraint(model.experts)
    def on_one_node(m, j):
        """(P1) Every expert is on one node."""
        return sum(m.x[j, n] for n in m.nodes) == 1

    @model.Constraint(model.nodes)
    def memory(m, n):
        """(P2) The experts of a node fit in its memory."""
        held = sum(float(problem.size[j]) * m.x[j, n] for j in m.experts)
        return held <= float(problem.room[n])

    if choice is None:
        _of_sets(model, problem, factor)
        _of_pairs(model, problem)
    else:
        model.alpha = pyo.Var(range(problem.num_tokens), model.experts, domain=domain)
        _of_tokens(model, problem, choice, factor)
    return model


def _of_sets(model: pyo.ConcreteModel, problem: PlacementProblem, factor: float) -> None:
    """Energy of tokens whose experts are known."""
    sets, setup = problem.sets
    model.sets = pyo.RangeSet(0, len(sets) - 1)
    model.omega = pyo.Var(model.sets, model.nodes, domain=pyo.UnitInterval)
    pairs = [(s, j) for s, j in np.argwhere(sets).tolist()]

    @model.Objective(sense=pyo.minimize)
    def energy(m):
        """Energy of what experts cause by themselves, and of sending hidden states to nodes."""
        linear, sent = factor * problem.linear, factor * setup
        return sum(float(linear[j, n]) * m.x[j, n] for j in m.experts for n in m.nodes) + sum(
            float(sent[s, n]) * m.omega[s, n] for s in m.sets for n in m.nodes
        )

    @model.Constraint(pairs, model.nodes)
    def visit(m, s, j, n):
        """(P3) A token goes to the nodes of its experts."""
        return m.omega[s, n] >= m.x[j, n]


def _of_pairs(model: pyo.ConcreteModel, problem: PlacementProblem) -> None:
    """Pairs of experts on one node, which strengthen (P3)."""
    sets, _ = problem.sets
    members = [np.flatnonzero(row).tolist() for row in sets]
    model.pairs = pyo.Set(initialize=sorted({p for of in members for p in combinations(of, 2)}))
    model.z = pyo.Var(model.pairs, model.nodes, domain=pyo.UnitInterval)
    partners = {j: [p for p in model.pairs if j in p] for j in model.experts}

    @model.Constraint(model.pairs, (0, 1), model.nodes)
    def both(m, j, k, end, n):
        """(P5) A pair is on a node only if both of its experts are."""
        return m.z[j, k, n] <= m.x[(j, k)[end], n]

    @model.Constraint(model.experts, model.nodes)
    def beside(m, j, n):
        """(P5) The partners of an expert fit beside it."""
        if not partners[j]:
            return pyo.Constraint.Skip
        held = sum(float(problem.size[sum(p) - j]) * m.z[p, n] for p in partners[j])
        return held <= float(problem.room[n] - problem.size[j]) * m.x[j, n]

    sizes = range(1, most_together(problem))
    cuts = [(s, m) for s, of in enumerate(members) for m in sizes if m < len(of)]

    @model.Constraint(cuts, model.nodes)
    def union(m, s, size, n):
        """(P6) A token goes to a node where some of its experts are, however many."""
        one = sum(m.x[j, n] for j in members[s])
        two = sum(m.z[p, n] for p in combinations(members[s], 2))
        return m.omega[s, n] >= 2 / (size + 1) * (one - two / size)


def _of_tokens(
    model: pyo.ConcreteModel, problem: PlacementProblem, choice: SelectionProblem, factor: float
) -> None:
    """Energy of tokens whose experts are chosen, (C1), (C2) and (P4)."""
    model.tokens = pyo.RangeSet(0, problem.num_tokens - 1)
    model.v = pyo.Var(model.tokens, model.experts, model.nodes, domain=pyo.UnitInterval)
    model.omega = pyo.Var(model.tokens, model.nodes, domain=pyo.UnitInterval)
    g, theta = threshold_rows(choice)
    sent = factor * problem.price
    work = factor * problem.work[:, :, None] * problem.factor
    if not problem.send_once:
        work = work + sent[:, None, :]
        sent = np.zeros_like(sent)

    @model.Objective(sense=pyo.minimize)
    def energy(m):
        """Energy of computing and of sending hidden states."""
        return sum(
            float(work[t, j, n]) * m.v[t, j, n]
            for t in m.tokens
            for j in m.experts
            for n in m.nodes
        ) + sum(float(sent[t, n]) * m.omega[t, n] for t in m.tokens for n in m.nodes)

    @model.Constraint(model.tokens)
    def relevance(m, t):
        """(C1) The chosen experts reach the threshold."""
        return sum(float(g[t, j]) * m.alpha[t, j] for j in m.experts) >= float(theta[t])

    @model.Constraint(model.tokens)
    def cap(m, t):
        """(C2) A token uses at most D experts."""
        return sum(m.alpha[t, j] for j in m.experts) <= choice.max_experts

    @model.Constraint(model.tokens, model.experts)
    def used(m, t, j):
        """(P4) A token uses an expert where it is."""
        return sum(m.v[t, j, n] for n in m.nodes) == m.alpha[t, j]

    @model.Constraint(model.tokens, model.experts, model.nodes)
    def there(m, t, j, n):
        """(P4) An expert is used only where it is."""
        return m.v[t, j, n] <= m.x[j, n]

    @model.Constraint(model.tokens, model.experts, model.nodes)
    def visit(m, t, j, n):
        """(P3) A token goes to the nodes of its experts."""
        return m.omega[t, n] >= m.v[t, j, n]


def solve(
    problem: PlacementProblem,
    choice: SelectionProblem | None = None,
    *,
    time_limit: float | None = None,
    solver: str | None = None,
) -> Placed:
    """Solve with HiGHS, or with another solver by its Pyomo name, up to a limit in seconds."""
    factor = factor_of(problem, choice)
    model = build(problem, choice, factor=factor)
    model.cuts = pyo.ConstraintList()
    with until(time_limit):
        for _ in range(MOST_CUTS):
            outcome = pyomo_solver.run(model, solver, pyomo_solver.limit_after(0.0))
            if not outcome.solved:
                break
            x = _values([[model.x[j, n] for n in model.nodes] for j in model.experts])
            if choice is None:
                return placed(problem, x, None, outcome.bound, factor)
            alpha = _values([[model.alpha[t, j] for j in model.experts] for t in model.tokens])
            short = missed(choice, alpha > 0.5)
            if not short:
                return placed(problem, x, alpha, outcome.bound, factor)
            for t, cut in short:
                chosen = sum(float(cut.weights[j]) * model.alpha[t, j] for j in model.experts)
                model.cuts.add(chosen >= cut.least)
    return placed(problem, None, None, outcome.bound, factor)


def _values(variables: list[list[Any]]) -> NDArray[np.float64]:
    return np.array([[pyo.value(variable) for variable in row] for row in variables])
