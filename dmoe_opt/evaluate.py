"""The only objective and the only checker; they know no method."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.instance import SCORE_UNIT, SelectionProblem, score_units

Selection = NDArray[np.bool_]
MOST_LISTED = 20


def token_energy_j(problem: SelectionProblem, selection: Selection) -> NDArray[np.float64]:
    """Energy of every token, J, shape (T,): sum_j e[t, j] alpha[t, j]."""
    return np.asarray(np.where(selection, problem.cost, 0.0).sum(axis=1))


def energy_j(problem: SelectionProblem, selection: Selection) -> float:
    """The objective of P1 in joules."""
    return float(token_energy_j(problem, selection).sum())


def relevance(problem: SelectionProblem, selection: Selection) -> NDArray[np.float64]:
    """Sum of the chosen scores of every token, shape (T,)."""
    return _chosen_units(problem, selection) / SCORE_UNIT


def _chosen_units(problem: SelectionProblem, selection: Selection) -> NDArray[np.float64]:
    return np.asarray(np.where(selection, score_units(problem.scores), 0.0).sum(axis=1))


def violations(problem: SelectionProblem, selection: Selection) -> list[str]:
    """Every rule of P1 that a selection breaks, one sentence each; empty if it is feasible.

    Rules (C1) relevance, after the shortfall rule, and (C2) at most D experts of MODEL.md section 1, and that no
    token uses an expert it cannot reach.
    """
    shape = (problem.num_tokens, problem.num_experts)
    if selection.shape != shape or selection.dtype != np.bool_:
        return [f"the selection has shape {selection.shape} of {selection.dtype}, wanted {shape} of bool"]
    if (reason := problem.infeasibility()) is not None:
        return [f"no selection is feasible: {reason}"]
    found = []
    units = _chosen_units(problem, selection)
    for t in np.flatnonzero(units < problem.need_units):
        found.append(f"token {t} (C1): relevance {units[t] / SCORE_UNIT:.9g} is below {problem.effective_threshold[t]:.9g}")
    counts = selection.sum(axis=1)
    for t in np.flatnonzero(counts > problem.max_experts):
        found.append(f"token {t} (C2): {counts[t]} experts, at most {problem.max_experts} are allowed")
    for t, j in np.argwhere(selection & ~problem.usable)[:MOST_LISTED]:
        found.append(f"token {t}: expert {j} cannot be used, its link is dead")
    more = len(found) - MOST_LISTED
    return found[:MOST_LISTED] + ([f"and {more} more violations"] if more > 0 else [])
