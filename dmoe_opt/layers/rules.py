"""Optional rules of the rounds of a run: one number for all layers, or one for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dmoe_opt.data import validate
from dmoe_opt.errors import InputError


class Rules(NamedTuple):
    """One value per layer, J, tokens, J and s; None for a rule that is not given.

    Examples
    --------
    >>> from dmoe_opt.layers.rules import Rules, layered
    >>> rules = Rules(None, layered("capacity", (20, 30), 2), None, layered("air_deadline_s", 1, 2))
    >>> rules.given
    ('capacity', 'air_deadline_s')
    >>> rules.of_layer(2, 3)
    {'capacity': array([30, 30, 30]), 'air_deadline_s': 1.0}
    """

    drop_price: tuple[float, ...] | None
    capacity: tuple[int, ...] | None
    wake_energy: tuple[float, ...] | None
    air_deadline_s: tuple[float, ...] | None

    @property
    def given(self) -> tuple[str, ...]:
        """Names of the rules that are given."""
        return tuple(name for name, values in self._asdict().items() if values is not None)

    def of_layer(self, layer: int, num_experts: int) -> dict[str, Any]:
        """The fields of a round in a layer, counted from 1; `Instance` checks them."""
        fields = {name: getattr(self, name)[layer - 1] for name in self.given}
        for name in ("capacity", "wake_energy"):
            if name in fields:
                fields[name] = np.full(num_experts, fields[name])
        return fields


def layered(name: str, value: Any | Sequence[Any] | None, depth: int) -> tuple[Any, ...] | None:
    """A value for each of `depth` layers, from one for all or one per layer; None stays None.

    Raises
    ------
    InputError
        If a value is no number, is negative, or their number is wrong.
    """
    if value is None:
        return None
    if np.shape(value) not in ((), (depth,)):
        number = len(np.atleast_1d(value))
        raise InputError(f"{name} has {number} values; allowed: 1, or {depth}, one per layer")
    if np.shape(value) == ():
        return (_checked(name, name, value),) * depth
    return tuple(_checked(name, f"{name}[{n}]", one) for n, one in enumerate(value))


def _checked(rule: str, field: str, value: object) -> float:
    if rule == "capacity":
        return validate.whole(field, value, least=0)
    return validate.real(field, value, positive=False)
