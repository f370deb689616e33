"""What the parts of a scenario have in common: checks of their numbers."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.data import validate
from dmoe_opt.data.validate import fail

Array = NDArray[np.float64]
Whole = NDArray[np.int64]
LEAST, MOST = 1e-12, 1e15
"""Range of every positive quantity: wide enough for any unit, and products stay finite."""
MOST_GAINS = 50_000_000
"""Channel gains that one episode may need, or factors of drift; they take 400 MB."""


class Part:
    """A part of a scenario; complaints name a field as in a file, `part.field`."""

    part: str

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _numbers(
        self, names: str, shape: tuple[int | None, ...], least: float = LEAST, most: float = MOST
    ) -> None:
        """Check arrays of numbers in [least, most], and make them read-only."""
        for name in names.split():
            place = f"{self.part}.{name}"
            self._set(name, validate.real_array(place, getattr(self, name), shape, most, least))

    def _number(self, names: str, least: float = LEAST, most: float = MOST) -> None:
        """Check single numbers in [least, most]."""
        for name in names.split():
            place = f"{self.part}.{name}"
            value = validate.real(place, getattr(self, name), positive=least > 0)
            if not least <= value <= most:
                raise fail(place, value, f"a number in [{least:g}, {most:g}]")
            self._set(name, value)


def given_fields(part: Any) -> dict[str, Any]:
    """The fields of a dataclass by name, without those that are None."""
    values = {field.name: getattr(part, field.name) for field in fields(part)}
    return {name: value for name, value in values.items() if value is not None}
