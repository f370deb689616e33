"""Simple rules for rounds with optional rules: tokens choose in turn, and subcarriers follow.

An expert that has served as many tokens as its capacity takes no more. A token that cannot reach
its threshold with what is left is dropped where that has a price. Nothing is repaired: where
capacity or the deadline leave a rule without an answer, its result has none.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.allocation.assignment import serve
from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import Selection
from dmoe_opt.answer.result import Result, build
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.problem import score_units
from dmoe_opt.data.words import counted, existing
from dmoe_opt.joint.decided import first_bound
from dmoe_opt.joint.limited import begin
from dmoe_opt.joint.multipliers import frame_of
from dmoe_opt.joint.open_part import stranded, usable_experts, usable_subcarriers

COMPUTE_W = 1.0
"""Power of a computing expert, W, where only its energy is known; as in `layers.bills`."""


def solve_wlr(instance: Instance) -> Result:
    """Weight over latency: experts with the most score per second of link and computing first.

    Every token takes them until it reaches its threshold, or its D best scores if they miss it.
    The ratio is after the idea of WDMoE (Xue et al., arXiv 2405.03131), which chooses experts by
    weight and latency; this rule, its stop at the threshold and its times are ours. A link takes
    its energy over the transmit power on its best subcarrier, computing its energy over 1 W.
    """
    return _routed(instance, "wlr", _score_per_second(instance), until_served=True)


def solve_topk(instance: Instance) -> Result:
    """Every token takes the D best scores that are left."""
    return _routed(instance, "topk", score_units(instance.scores), until_served=False)


def solve_topp(instance: Instance) -> Result:
    """Every token takes the best scores that are left until it reaches its threshold."""
    return _routed(instance, "topp", score_units(instance.scores), until_served=True)


def solve_homogeneous(instance: Instance) -> Result:
    """One threshold for all tokens, the largest of the round, and the experts of the descent."""
    highest = float(instance.threshold.max(initial=0.0))
    uniform = instance.replace(threshold=highest, on_shortfall="top_d")
    answer = None if stranded(uniform) else begin(frame_of(uniform), None)
    if answer is None:
        return _without(instance, "homogeneous", "no answer keeps all rules at one threshold")
    chosen = Decision(instance, answer.decision.selection, answer.decision.allocation)
    return build(instance, "homogeneous", chosen, bound_j=_bound(instance))


def solve_relaxed(instance: Instance) -> Result:
    """Every link on its best subcarrier that is in time, without (C3), (C5) and U."""
    bound_j = _bound(instance)
    answer = None if stranded(instance) else begin(frame_of(instance), None)
    if answer is not None and bound_j is not None and answer.energy_j <= bound_j * (1 + 1e-9):
        return build(instance, "relaxed", answer.decision, bound_j=bound_j)
    return _without(instance, "relaxed", "a bound only: the optional rules do bind")


def _bound(instance: Instance) -> float | None:
    return None if stranded(instance) else first_bound(instance)


def _without(instance: Instance, method: str, message: str) -> Result:
    message = stranded(instance) or message
    return build(instance, method, bound_j=_bound(instance), message=message)


def _score_per_second(instance: Instance) -> NDArray[np.float64]:
    power_w = 1.0 if instance.radio is None else instance.radio.power_w
    works = usable_subcarriers(instance)
    best = np.where(works, instance.link_energy, np.inf).min(axis=2)
    np.fill_diagonal(best, 0.0)
    seconds = instance.to_experts(best) / power_w + instance.compute_energy / COMPUTE_W
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = instance.scores / seconds
    return np.where(instance.scores > 0, ratio, 0.0)


def _routed(
    instance: Instance, method: str, preference: NDArray[np.float64], *, until_served: bool
) -> Result:
    selection = first_come(instance, preference, until_served=until_served)
    decision = serve(instance, selection)
    if decision is not None:
        return build(instance, method, decision, bound_j=_bound(instance))
    active = int((Decision(instance, selection).loads > 0).sum())
    have = existing(instance.num_subcarriers, "subcarrier")
    return _without(instance, method, f"{counted(active, 'link')} would be active and {have}")


def first_come(
    instance: Instance, preference: NDArray[np.float64], *, until_served: bool
) -> Selection:
    """Experts of every token (T, K): the preferred ones (T, K) with room, tokens in their order.

    `until_served` stops at the threshold; if D preferred experts miss it, the D best scores count.
    """
    units = np.where(usable_experts(instance), score_units(instance.scores), 0.0)
    needs = instance.selection_problem().need_units
    room = np.full(instance.num_experts, instance.num_tokens)
    if instance.capacity is not None:
        room = instance.capacity.copy()
    selection = np.zeros(units.shape, dtype=bool)
    for t in range(instance.num_tokens):
        given = np.where(room > 0, units[t], 0.0)
        experts = _taken(given, preference[t], needs[t], instance.max_experts, until_served)
        if given[experts].sum() < needs[t]:
            experts = _taken(given, given, needs[t], instance.max_experts, until_served)
        if given[experts].sum() < needs[t] and instance.drop_price is not None:
            continue
        selection[t, experts] = True
        room[experts] -= 1
    return selection


def _taken(
    units: NDArray[np.float64],
    preference: NDArray[np.float64],
    need: float,
    most: int,
    until_served: bool,
) -> NDArray[np.int64]:
    """The preferred experts of a token, at most `most`."""
    order = np.argsort(np.where(units > 0, -preference, np.inf), kind="stable")[:most]
    order = order[units[order] > 0]
    if not until_served:
        return order
    before = units[order].cumsum() - units[order]
    return order[before < need]
