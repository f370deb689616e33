"""What is not decided of a round: all of it at first, and what bounds leave open of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.objective import Allocation, Selection
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.problem import score_units
from dmoe_opt.joint.choices import Choices, choices_of

SLACK = 1e-9  # relative: what is within rounding of a known answer is kept
NOTHING = np.zeros(0, dtype=bool)


class Open(NamedTuple):
    """What is not decided yet.

    Subcarriers that a link may use (N, N, M); experts that a token may and must use (T, K); where
    the round has prices for them, tokens that may and must be dropped (T,), and experts that may
    and must be awake (K,). `choices` are the sets of experts that tokens may use, None for all that
    reach their thresholds.
    """

    subcarriers: Allocation
    possible: Selection
    certain: Selection
    droppable: NDArray[np.bool_] = NOTHING
    surely_dropped: NDArray[np.bool_] = NOTHING
    wakeable: NDArray[np.bool_] = NOTHING
    surely_awake: NDArray[np.bool_] = NOTHING
    choices: Choices | None = None


def everything(instance: Instance) -> Open:
    """The whole round."""
    problem = instance.selection_problem()
    priced = instance.drop_price is not None
    none = np.zeros(instance.num_experts, dtype=bool)
    return Open(
        subcarriers=usable_subcarriers(instance),
        possible=usable_experts(instance),
        certain=np.zeros_like(problem.usable),
        droppable=(problem.need_units > 0) & priced,
        surely_dropped=np.zeros(instance.num_tokens, dtype=bool),
        wakeable=~none,
        surely_awake=none,
    )


def listed(instance: Instance) -> Open:
    """The whole round, with the sets of experts of each token where they are few.

    Experts of no set are left out. Where a token has no set, nothing is.
    """
    part = everything(instance)
    part = part._replace(choices=choices_of(instance, part.possible))
    return agreed(instance, part) or part


def on_best(instance: Instance, part: Open, number: int) -> Open:
    """What is open, with the cheapest few subcarriers of every link alone."""
    energy = np.where(part.subcarriers, instance.link_energy, np.inf)
    rank = energy.argsort(axis=2, kind="stable").argsort(axis=2, kind="stable")
    return part._replace(subcarriers=part.subcarriers & (rank < number))


def agreed(instance: Instance, part: Open) -> Open | None:
    """What is open once experts, their sets and links agree; None if a token has no choice left."""
    linked = np.asarray(part.subcarriers.any(axis=2))
    possible = part.possible & (instance.to_experts(linked) | ~instance.away)
    if instance.wake_energy is not None:
        possible &= part.wakeable
    if part.choices is None:
        return part._replace(possible=possible)
    choices = part.choices.within(possible, part.certain)
    number, uses = choices.number(instance.num_tokens), choices.uses(instance.num_tokens)
    served = number > 0
    if (~served & ~part.droppable).any():
        return None
    certain = (uses == number[:, None]) & (served & ~part.droppable)[:, None]
    return part._replace(
        possible=uses > 0,
        certain=certain,
        surely_dropped=part.surely_dropped | ~served,
        choices=choices,
    )


def affordable(instance: Instance, part: Open, energy_j: float) -> Open:
    """What is open without what alone costs more than an answer of `energy_j` within it."""
    most_j = energy_j * (1 + SLACK)
    part = part._replace(
        subcarriers=part.subcarriers & (instance.link_energy <= most_j),
        possible=part.possible & (instance.compute_energy <= most_j),
    )
    if instance.drop_price is not None:
        part = part._replace(droppable=part.droppable & (instance.drop_price <= most_j))
    if instance.wake_energy is not None:
        part = part._replace(wakeable=part.wakeable & (instance.wake_energy <= most_j))
    left = agreed(instance, part)
    assert left is not None  # the answer itself
    return left


def usable_subcarriers(instance: Instance) -> Allocation:
    """Subcarriers on which a link works, and can send a token in time, bool (N, N, M)."""
    works = np.isfinite(instance.link_energy)
    if instance.air_tokens is not None:
        works &= instance.air_tokens > 0
    own = np.arange(instance.num_nodes)
    works[own, own] = False
    return works


def usable_experts(instance: Instance) -> Selection:
    """Experts with room that a token can use, over a link that can send it in time, (T, K)."""
    linked = np.asarray(usable_subcarriers(instance).any(axis=2))
    reached = instance.to_experts(linked) | ~instance.away
    usable = instance.selection_problem().usable & reached
    return usable if instance.capacity is None else usable & (instance.capacity > 0)


def alone_j(instance: Instance) -> NDArray[np.float64]:
    """Energy of a token that uses one expert, with every link on its best subcarrier, J, (T, K)."""
    problem = instance.selection_problem()
    if problem.node_cost is None:
        return problem.cost
    return np.asarray(problem.cost + problem.node_cost[:, instance.node_of])


def stranded(instance: Instance) -> str | None:
    """Why a token reaches its threshold with none of its usable experts, in words, or None."""
    if instance.drop_price is not None or not instance.optional_rules:
        return None
    problem = instance.selection_problem()
    units = np.where(usable_experts(instance), score_units(problem.scores), 0.0)
    best = np.sort(units, axis=1)[:, ::-1][:, : problem.max_experts].sum(axis=1)
    short = np.flatnonzero(best < problem.need_units)
    if not len(short):
        return None
    t = int(short[0])
    where = "with experts of capacity above 0"
    if instance.air_deadline_s is not None:
        where += f" that a link reaches within {instance.air_deadline_s:g} s"
    return f"token {t} of node {instance.source[t]} cannot reach its threshold {where}"


def no_answer(instance: Instance) -> str:
    """What a solver has proven where it finds no answer, in words."""
    if not instance.optional_rules:
        served = f"cannot all have one of the {instance.num_subcarriers} subcarriers"
        return f"proven by the solver: the links that the tokens need {served}"
    rules = " and ".join(instance.optional_rules)
    return f"proven by the solver: no experts and subcarriers serve all tokens under {rules}"


def share_kept(instance: Instance, part: Open) -> float:
    """Share of the (link, subcarrier) pairs that work which are open."""
    works = usable_subcarriers(instance)
    return float((part.subcarriers & works).sum() / max(works.sum(), 1))
