"""The rows of placements side by side, their sums over layers, and the table as CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dmoe_opt.comparing.rows import as_csv as rows_as_csv


@dataclass(frozen=True)
class PlacementRow:
    """Energies of one placement per token, J, on the rounds seen and on those held out.

    `sending_j` is the part that the placement decides, unless nodes differ in their computing
    energy. Fields of held-out rounds are None if there are none.
    """

    placement: str
    energy_j: float
    sending_j: float
    held_out_j: float | None
    held_out_sending_j: float | None


@dataclass(frozen=True)
class PlacementStudy:
    """The best placement found, and what it is compared with.

    `placement` has the nodes of every expert, one without replicas. `bound_j` is a proven lower
    bound per token on the seen rounds. Where tokens have their experts chosen by DES, it holds for
    the experts that they have in the end; integer programs, which choose experts and nodes at once,
    bound all choices. `gap` is 1 less the bound over the energy, and `sending_gap` the same without
    the energy of computing.
    """

    experts: int
    nodes: int
    tokens: int
    held_out_tokens: int
    send_once: bool
    select: str
    method: str
    placement: list[list[int]]
    bound_j: float | None
    gap: float | None
    sending_gap: float | None
    rows: list[PlacementRow]


def gap_of(energy_j: float, bound_j: float | None, without_j: float = 0.0) -> float | None:
    """The gap of what is above a part that both have; None if nothing or no bound is known."""
    if bound_j is None or energy_j <= without_j:
        return None
    return max((energy_j - bound_j) / (energy_j - without_j), 0.0)


def over_layers(studies: Sequence[PlacementStudy]) -> PlacementStudy:
    """The energies of all layers summed, per token; tokens are those of one layer."""
    first = studies[0]
    rows = [
        PlacementRow(
            same[0].placement,
            sum(row.energy_j for row in same),
            sum(row.sending_j for row in same),
            _sum([row.held_out_j for row in same]),
            _sum([row.held_out_sending_j for row in same]),
        )
        for same in zip(*(study.rows for study in studies), strict=True)
    ]
    bound_j = _sum([study.bound_j for study in studies])
    best = next(row for row in rows if row.placement == first.method)
    computing_j = best.energy_j - best.sending_j
    return replace(
        first,
        placement=[],
        rows=rows,
        bound_j=bound_j,
        gap=gap_of(best.energy_j, bound_j),
        sending_gap=gap_of(best.energy_j, bound_j, computing_j),
    )


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


@dataclass(frozen=True)
class _Line:
    """A line of the CSV file."""

    layer: int | None
    placement: str
    energy_j: float
    sending_j: float
    held_out_j: float | None
    held_out_sending_j: float | None
    bound_j: float | None


def as_csv(studies: Mapping[int | None, PlacementStudy]) -> str:
    """A line for each layer and placement, with all digits; `bound_j` is that of the layer."""
    lines = [
        _Line(layer=layer, bound_j=study.bound_j, **vars(row))
        for layer, study in studies.items()
        for row in study.rows
    ]
    return rows_as_csv(lines, _Line)
