"""Cuts for solvers that take a set of experts for one that reaches its threshold."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.objective import Selection
from dmoe_opt.data.problem import SelectionProblem

MOST_CUTS = 50
"""How often a program is solved again after sets were cut off."""


def one_needed(
    units: NDArray[np.float64], need: float, most: int, chosen: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Experts (K,) of which a token needs at least one, where a set falls short of its need.

    `units` (K,) are scores in whole units, 0 for experts that cannot be used, `need` what the at
    most `most` experts of the token must reach, and `chosen` (K,) the set. First the set is raised
    as far as it stays short: larger experts are added, or take the place of its smallest. If it
    then has `most` experts, no set reaches the need without one that is larger than its smallest;
    else none does without another.

    Examples
    --------
    >>> import numpy as np
    >>> units = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
    >>> one_needed(units, 8.0, 2, units == 1.0)  # 5 + 2 falls short, too
    array([False,  True,  True, False, False])
    """
    short = chosen.copy()
    for j in np.argsort(-units, kind="stable"):
        if short.sum() < most and not short[j] and 0 < units[j] < need - units[short].sum():
            short[j] = True
    if short.sum() < most:
        return np.asarray(~short & (units > 0))
    while True:
        least = np.flatnonzero(short)[units[short].argmin()]
        room = need - units[short].sum() + units[least]
        larger = np.where(~short & (units > units[least]) & (units < room), units, 0.0)
        if not larger.any():
            return np.asarray(~short & (units > units[least]))
        short[least], short[larger.argmax()] = False, True


def needed_for(
    problem: SelectionProblem, selection: Selection
) -> list[tuple[int, NDArray[np.bool_]]]:
    """The tokens of a selection (T, K) that fall short, each with experts of which it needs one."""
    units, need = problem.usable_units, problem.need_units
    short = np.flatnonzero(np.where(selection, units, 0.0).sum(axis=1) < need).tolist()
    most = problem.max_experts
    return [(t, one_needed(units[t], need[t], most, selection[t])) for t in short]
