"""A decision from what a stranger's program hands over: arrays, or lists of numbers.

Rules are not checked here; `result.build` does that. Only what is no decision at all is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.answer.decision import Decision
from dmoe_opt.answer.objective import Allocation, Selection
from dmoe_opt.data import validate
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError


def decision_from(data: Instance | SelectionProblem, value: Any) -> Decision:
    """The decision that a value says.

    Parameters
    ----------
    value
        A `Decision`; or a selection; or a pair (tuple) of selection and allocation. The selection
        is an array (T, K) of True and False or 1 and 0, or T rows with the numbers of experts. The
        allocation is an array (N, N, M), or rows (i, j, m); None is no allocation.

    Raises
    ------
    InputError
        If it is none of these, or does not have the size of the instance.

    Examples
    --------
    >>> import dmoe_opt
    >>> from dmoe_opt.answer.given import decision_from
    >>> round_ = dmoe_opt.load("tiny-s1")
    >>> decision = decision_from(round_, [[0], [1], [0, 2], [1], [2], [0]])
    >>> decision.selection[2].tolist()
    [True, False, True]
    """
    if isinstance(value, Decision):
        value = value.selection, value.allocation
    is_pair = isinstance(value, tuple) and len(value) == 2
    chosen, used = value if is_pair else (value, None)
    selection = selection_from(data, chosen)
    if used is None:
        return Decision(data, selection)
    if not isinstance(data, Instance):
        raise InputError("an allocation is given; allowed: a selection alone, there is no radio")
    return Decision(data, selection, allocation_from(data, used))


def selection_from(data: Instance | SelectionProblem, value: Any) -> Selection:
    """A selection (T, K), given as in `decision_from`; raises `InputError` likewise."""
    shape = (data.num_tokens, data.num_experts)
    matrix = _as_matrix("selection", value, shape)
    if matrix is not None:
        return matrix
    rows = _rows("selection", value, "an array (T, K), or rows with the numbers of experts")
    if len(rows) != data.num_tokens:
        raise InputError(f"selection has {len(rows)} rows; allowed: {data.num_tokens}, as tokens")
    selection = np.zeros(shape, dtype=bool)
    for t, row in enumerate(rows):
        experts = validate.whole_array(
            f"selection[{t}]",
            _rows(f"selection[{t}]", row, "numbers of experts"),
            (None,),
            shape[1],
        )
        if len(np.unique(experts)) < len(experts):
            raise fail(f"selection[{t}]", experts.tolist(), "every expert once")
        selection[t, experts] = True
    return selection


def allocation_from(instance: Instance, value: Any) -> Allocation:
    """An allocation (N, N, M), given as in `decision_from`; raises `InputError` likewise."""
    shape = instance.link_energy.shape
    matrix = _as_matrix("allocation", value, shape)
    if matrix is not None:
        return matrix
    allocation = np.zeros(shape, dtype=bool)
    for n, row in enumerate(_rows("allocation", value, "an array (N, N, M), or rows (i, j, m)")):
        entry = _rows(f"allocation[{n}]", row, "three numbers i, j, m")
        if len(entry) != 3:
            raise fail(f"allocation[{n}]", row, "three numbers i, j, m")
        use = tuple(
            int(validate.whole_array(f"allocation[{n}][{k}]", [number], (1,), shape[k])[0])
            for k, number in enumerate(entry)
        )
        if allocation[use]:
            raise fail(f"allocation[{n}]", list(use), "every link and subcarrier once")
        allocation[use] = True
    return allocation


def _as_matrix(field: str, value: Any, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    """Booleans of an array that has this shape; None if the value is no such array.

    Raises
    ------
    InputError
        If its numbers can be read in two ways, or are neither 0 nor 1.
    """
    try:
        array = np.asarray(validate.detached(value))
    except (TypeError, ValueError):  # rows of different lengths
        return None
    if array.shape != shape or array.dtype.kind not in "biuf":
        return None
    zeros_and_ones = bool(np.isin(array, (0, 1)).all())
    if array.dtype.kind == "b":
        return array
    if array.dtype.kind == "f" and not zeros_and_ones:
        index = tuple(np.argwhere(~np.isin(array, (0, 1)))[0].tolist())
        place = "".join(f"[{i}]" for i in index)
        raise fail(f"{field}{place}", float(array[index]), "0 or 1, or True or False")
    if array.size and len(shape) == 2 and (np.sort(array) == np.arange(shape[1])).all():
        allowed = "True and False, since these numbers could be experts as well"
        raise fail(field, array.tolist(), allowed)
    return array.astype(bool) if zeros_and_ones else None


def _rows(field: str, value: Any, allowed: str) -> Sequence[Any]:
    """The entries of a list, array, set or the like."""
    if isinstance(value, str | bytes | dict):
        raise fail(field, value, allowed)
    try:
        return list(value)
    except TypeError:
        raise fail(field, value, allowed) from None
