"""Accuracy-energy fronts of the points that `dmoe-opt frontier` writes.

Needs moocore (`pip install dmoe-opt[plot]`).
"""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import moocore
import msgspec
import numpy as np
from numpy.typing import NDArray

from dmoe_opt.comparing.schedulers import FrontierPoint, by_scheduler
from dmoe_opt.data import files
from dmoe_opt.errors import InputError

FRONTIER = "frontier.csv"
COLUMNS = tuple(field.name for field in fields(FrontierPoint))
NOT_FINITE = ("nan", "inf", "infinity")
LESS_ENERGY_MORE_WORTH = (False, True)
MARGIN = 0.1  # of the range of energy and worth, from the worst setting to the reference point


@dataclass(frozen=True)
class Front:
    """The front of a scheduler in numbers.

    `hypervolume` is the area that the front dominates, up to the reference point. It is given as a
    share of the box between that point and the best energy and best accuracy of any setting, so it
    is in [0, 1]. The reference point is the most energy per token, in J, and the least accuracy
    (without a task: relevance) of any setting of any scheduler, each a tenth of its range worse, so
    that the extreme settings count as well.
    """

    scheduler: str
    settings: int
    on_front: int
    hypervolume: float
    reference_energy_j: float
    reference_worth: float


def read_frontier(folder: str | os.PathLike[str]) -> list[FrontierPoint]:
    """The points in `frontier.csv` of a folder.

    Raises
    ------
    InputError
        One line naming file, line, field, value and what is allowed.
    """
    path = Path(folder) / FRONTIER
    table = _table(path)
    try:
        points = [_point(row) for row in table]
    except (InputError, csv.Error) as error:
        raise InputError(f"{path}: line {table.line_num}: {error}") from None
    if not points:
        raise InputError(f"{path}: holds no setting; allowed: at least one line below the header")
    return points


def _table(path: Path) -> csv.DictReader[str]:
    """The rows of the file, which has a column for every field of a point."""
    try:
        table = csv.DictReader(files.read(path).decode().splitlines())
        given = table.fieldnames or ()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8: {error.reason}") from None
    except csv.Error as error:
        raise InputError(f"{path}: line 1: {error}") from None
    for name in COLUMNS:
        if name not in given:
            raise InputError(
                f"{path}: line 1: {name} is missing; allowed: a column for each of "
                + ", ".join(COLUMNS)
            )
    return table


def _point(row: Mapping[str, str | None]) -> FrontierPoint:
    """The point of one row; raises `InputError` naming field, value and what is allowed."""
    for name in COLUMNS:
        if not _is_finite(row[name]):
            raise InputError(f"{name} = {row[name]!r}; allowed: finite numbers")
    filled = {name: row[name] or None for name in COLUMNS}
    try:
        return msgspec.convert(filled, FrontierPoint, strict=False)
    except msgspec.ValidationError as error:
        # such as: Expected `float`, got `str` - at `$.gamma0`
        complaint, _, place = str(error).partition(" - at `$.")
        name = place.rstrip("`")
        wanted = complaint.split("`")[1]
        raise InputError(f"{name} = {row.get(name)!r}; allowed: {wanted}") from None


def _is_finite(text: str | None) -> bool:
    """False for a cell that is missing in a short line, or spells a number that is not finite."""
    return text is not None and text.strip().lower().lstrip("+-") not in NOT_FINITE


def with_fronts(points: Sequence[FrontierPoint]) -> list[FrontierPoint]:
    """The points of each scheduler by energy, those on its front marked."""
    marked: list[FrontierPoint] = []
    for group in by_scheduler(points).values():
        best = moocore.is_nondominated(_costs(group), maximise=LESS_ENERGY_MORE_WORTH)
        for point, on_front in zip(group, best, strict=True):
            marked.append(replace(point, front=bool(on_front)))
    return marked


def _costs(points: Sequence[FrontierPoint]) -> NDArray[np.float64]:
    """Energy per token, J, and worth of every point, shape (n, 2)."""
    return np.array([(point.energy_per_token_j, point.worth) for point in points])


def fronts(points: Sequence[FrontierPoint]) -> list[Front]:
    """The front of every scheduler and its hypervolume."""
    energy_j, worth = _costs(points).T
    reference = (
        float(energy_j.max() + MARGIN * np.ptp(energy_j)),
        float(worth.min() - MARGIN * np.ptp(worth)),
    )
    box = (reference[0] - energy_j.min()) * (worth.max() - reference[1])
    measured = []
    for scheduler, group in by_scheduler(with_fronts(points)).items():
        area = moocore.hypervolume(_costs(group), ref=reference, maximise=LESS_ENERGY_MORE_WORTH)
        front = Front(
            scheduler=scheduler,
            settings=len(group),
            on_front=sum(point.front for point in group),
            hypervolume=float(area / box) if box > 0 else 0.0,
            reference_energy_j=reference[0],
            reference_worth=reference[1],
        )
        measured.append(front)
    return measured
