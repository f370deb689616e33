"""Heuristics for a whole round: experts by a simple rule, subcarriers assigned optimally."""

from __future__ import annotations

from dmoe_opt.allocation.assignment import allocate
from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import Selection
from dmoe_opt.answer.result import Result, build
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.words import counted, existing
from dmoe_opt.joint import routing
from dmoe_opt.selection import des
from dmoe_opt.selection.baselines import topk_selection, topp_selection
from dmoe_opt.selection.relaxed import relaxed_bound


def solve_topk(instance: Instance) -> Result:
    """Top-k routing: every token takes its D best usable experts, whatever they cost."""
    if instance.optional_rules:
        return routing.solve_topk(instance)
    return _allocated(instance, "topk", topk_selection(instance.selection_problem()))


def solve_topp(instance: Instance) -> Result:
    """Top-p routing: every token takes its best experts until it reaches its threshold."""
    if instance.optional_rules:
        return routing.solve_topp(instance)
    return _allocated(instance, "topp", topp_selection(instance.selection_problem()))


def solve_homogeneous(instance: Instance) -> Result:
    """H(z, D): every token reaches for the same relevance, the largest threshold of the round.

    A round of a scheme without importance factors (gamma0 = 1, docs/problems/layers.md). Tokens
    whose best D experts stay below take those. Experts are chosen by DES with every link on its
    best subcarrier.
    """
    if instance.optional_rules:
        return routing.solve_homogeneous(instance)
    problem = instance.selection_problem()
    highest = float(problem.threshold.max(initial=0.0))
    uniform = problem.replace(threshold=highest, on_shortfall="top_d")
    selection, _ = des.choose(uniform, uniform.cost, uniform.usable)
    return _allocated(instance, "homogeneous", selection)


def _allocated(instance: Instance, method: str, selection: Selection) -> Result:
    """A selection with its optimal allocation."""
    decision = Decision(instance, selection)
    allocation = allocate(instance, decision.loads)
    _, bound_j = relaxed_bound(instance)
    if allocation is not None:
        return build(instance, method, decision.with_allocation(allocation), bound_j=bound_j)
    active = int((decision.loads > 0).sum())
    have = existing(instance.num_subcarriers, "subcarrier")
    message = f"{counted(active, 'link')} would be active and {have}"
    if active <= instance.num_subcarriers:
        message = "the links that would be active cannot all be given a subcarrier that works"
    return build(instance, method, bound_j=bound_j, message=message)
