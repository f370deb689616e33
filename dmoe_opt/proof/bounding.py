"""Prices and trees that prove the bound of a round, or of given experts.

What optional rules add has fields of its own, see `check_proof`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import coo_array

from dmoe_opt.allocation.assignment import allocate
from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import visits
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.problem import MOST_ENERGY_J, SelectionProblem
from dmoe_opt.joint import passages
from dmoe_opt.joint.descent import Descent
from dmoe_opt.joint.multipliers import Frame, Point, costs_at, evaluate
from dmoe_opt.joint.passages import Costs
from dmoe_opt.joint.prices import rents_of
from dmoe_opt.proof.cases import Case, Proof, by_cases
from dmoe_opt.proof.trees import lines, prove_tokens, root_bound, tokens_at
from dmoe_opt.selection import des

DOWN = 1 - 2e-12  # trees prove a little less than the optimum, so that exact arithmetic agrees
NEAR = 1e-8  # relative, of a bound that DES takes for the optimum
Fields = dict[str, Any]


def priced(
    instance: Instance, decision: Decision, start: Point | None
) -> tuple[Fields, tuple[int, ...]]:
    """Prices and rents of the Lagrangian bound, and a tree per token at these prices, by cases.

    The search for prices begins at `start`. The second value are tokens of which less is proven
    than DES knows.
    """
    return _written(by_cases(instance, Descent(decision, [decision.energy_j]), start))


def _written(proof: Proof) -> tuple[Fields, tuple[int, ...]]:
    """The fields of a proof, and its open tokens."""
    if isinstance(proof, Case):
        return _one_case(proof)
    used, open_if_used = _written(proof.used)
    unused, open_if_unused = _written(proof.unused)
    fields = {"split": list(proof.on), "with": used, "without": unused}
    return fields, tuple(sorted({*open_if_used, *open_if_unused}))


def _one_case(case: Case) -> tuple[Fields, tuple[int, ...]]:
    """The fields that prove the bound of a case, and its open tokens."""
    frame, instance = case.frame, case.frame.instance
    could_pass = passages.passed(instance, frame.usable)
    point = case.point._replace(link=np.where(could_pass, case.point.link, 0.0))
    if any(case.known):
        point = Point(*map(_short, point))
    rents = _rents(frame, point) if case.rents is None else case.rents
    lines, open_tokens = trees(
        instance.selection_problem(), costs_at(instance, point), frame.usable, frame.drop_j
    )
    fields = lines | {"prices": point.link.tolist(), "rents": rents.tolist()}
    return fields | _of_experts(instance, point), open_tokens


def _short(prices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Prices in fewer digits: cases have many, and any prices are valid."""
    return np.asarray(np.vectorize(lambda price: float(f"{price:.9g}"))(prices))


def _of_experts(instance: Instance, point: Point) -> Fields:
    """Prices of waking and of room, where the round has them."""
    fields: Fields = {}
    if instance.wake_energy is not None:
        fields["waking"] = point.waking.tolist()
    if instance.capacity is not None:
        fields["room"] = point.room.tolist()
    return fields


def _rents(frame: Frame, point: Point) -> NDArray[np.float64]:
    """Dual prices (M,) of the subcarriers at a point, J, where every link has one."""
    at = evaluate(frame, point)
    if not at.earned.size:
        return np.zeros(frame.instance.num_subcarriers)
    return rents_of(at.earned[None], at.taken[None])


def given(instance: Instance, decision: Decision) -> tuple[Fields, tuple[int, ...]]:
    """Prices of links and rents for given experts, and what each token pays at these prices."""
    load = decision.loads
    link_j, rents = (
        _one_each(instance, decision) if instance.air_tokens is None else _shared(instance, load)
    )
    passed = passages.passed(instance, decision.selection)
    prices = np.where(passed, passages.to_passages(instance, link_j), 0.0)
    waking = np.zeros(decision.selection.shape)
    if instance.wake_energy is not None:
        awake = np.flatnonzero(decision.selection.any(axis=0))
        waking[decision.selection[:, awake].argmax(axis=0), awake] = instance.wake_energy[awake]
    point = Point(prices, waking, np.zeros(instance.num_experts))
    paid = passages.paid_j(instance, costs_at(instance, point), decision.selection)
    if instance.drop_price is not None:
        empty = ~decision.selection.any(axis=1)
        needs = instance.selection_problem().need_units > 0
        paid = np.where(empty & needs, instance.drop_price, paid)
    lines = [{"z": z, "tree": 0.0} for z in (paid * DOWN).tolist()]
    fields = {"tokens": lines, "prices": prices.tolist(), "rents": rents.tolist()}
    return fields | _of_experts(instance, point), ()


def _one_each(
    instance: Instance, decision: Decision
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Prices of links (N, N) and rents (M,) where every link has one subcarrier.

    The rents are dual prices of the assignment, and the prices leave a link no profit.
    """
    load = decision.loads
    active = load > 0
    energy = np.full(instance.link_energy.shape, np.inf)
    energy[active] = load[active][:, None] * instance.link_energy[active]
    allocation = allocate(instance, load)
    assert allocation is not None  # there is an answer
    rents = rents_of(-energy, allocation)
    price = (energy + rents).min(axis=2)
    return np.where(active, price / np.maximum(load, 1), 0.0), rents


def _shared(
    instance: Instance, load: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The same where links share out their tokens: duals of the linear relaxation.

    A link sends f[l, m] tokens on a subcarrier, of which room[l, m] fill it.
    """
    assert instance.air_tokens is not None
    i, n = np.nonzero(load)
    if not len(i):
        return np.zeros(load.shape), np.zeros(instance.num_subcarriers)
    room = np.minimum(instance.air_tokens[i, n], load[i, n][:, None])
    link, m = np.nonzero(room)
    use = np.arange(len(link))
    energy = instance.link_energy[i[link], n[link], m]
    sent = coo_array((np.ones(len(use)), (link, use)), shape=(len(i), len(use)))
    filled = (1.0 / room[link, m], (m, use))
    full = coo_array(filled, shape=(instance.num_subcarriers, len(use)))
    unit = energy.max(initial=0.0) or 1.0
    limits = np.ones(instance.num_subcarriers)
    answer = linprog(energy / unit, A_ub=full, b_ub=limits, A_eq=sent, b_eq=load[i, n])
    price = np.zeros(load.shape)
    price[i, n] = np.maximum(answer.eqlin.marginals, 0.0) * unit
    earned = np.zeros(instance.num_subcarriers)
    np.maximum.at(earned, m, room[link, m] * (price[i[link], n[link]] - energy))
    return price, earned


def trees(
    problem: SelectionProblem,
    at: Costs,
    usable: NDArray[np.bool_],
    drop_j: NDArray[np.float64] | None = None,
) -> tuple[Fields, tuple[int, ...]]:
    """A line per token, and the tokens of which less is proven than DES knows.

    Tokens that cost more than `drop_j` (T,) are proven to cost that much.
    """
    nodes = None if at.nodes is None else at.nodes.copy()
    chosen, bounds = des.choose(problem, at.experts.copy(), usable.copy(), node_cost=nodes)
    tokens = tokens_at(problem, at, usable)
    paid = np.where(chosen, at.experts, 0.0).sum(axis=1)
    if at.nodes is not None:
        assert problem.placement is not None
        visited = visits(chosen, problem.placement, at.nodes.shape[1])
        paid += np.where(visited, at.nodes, 0.0).sum(axis=1)
    # A token without experts costs whatever is said of it.
    most = np.minimum(np.inf if drop_j is None else drop_j, MOST_ENERGY_J)
    known = np.minimum(bounds, most) * DOWN
    # DES stops at a bound that is a little below its answer, where the answer itself is proven.
    stopped = (paid * (1 - NEAR) <= bounds) & (bounds < paid)
    z = np.where(stopped, np.minimum(paid, most) * DOWN, known)
    proven = prove_tokens(tokens, z)
    open_tokens = []
    for t in [t for t, tree in enumerate(proven) if tree is None]:
        if stopped[t]:
            one = np.array([t])
            z[t], proven[t] = known[t], prove_tokens(tokens.rows(one), known[one])[0]
        if proven[t] is None:
            open_tokens.append(t)
            value, proven[t] = root_bound(tokens, t)
            z[t] = value * DOWN
    return {"tokens": lines(z, proven)}, tuple(open_tokens)
