"""Several answers in a solution, best first (docs/files.md)."""

from __future__ import annotations

import msgspec


class RankedSelection(msgspec.Struct, forbid_unknown_fields=True):
    """One of the best selections of a token.

    It is `proven` if no selection that is missing before it costs less.
    """

    experts: list[int]
    energy_j: float
    proven: bool


class RankedRound(msgspec.Struct, forbid_unknown_fields=True):
    """One of the best answers to a round; `selection` and `allocation` as in a solution.

    It is `proven` if no answer with another selection that is missing before it costs less.
    """

    selection: list[list[int]]
    allocation: list[list[int]]
    energy_j: float
    proven: bool
