"""Accuracy-energy fronts of the points that `dmoe-opt frontier` writes; needs moocore (`pip install dmoe-opt[plot]`)."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import moocore
import msgspec
import numpy as np

from dmoe_opt.comparing.rows import grouped
from dmoe_opt.comparing.schedulers import FrontierPoint
from dmoe_opt.data import files
from dmoe_opt.errors import InputError

FRONTIER = "frontier.csv"
LESS_ENERGY_MORE_WORTH = (False, True)
MARGIN = 0.1


@dataclass(frozen=True)
class Front:
    """The front of a scheduler in numbers.

    `hypervolume` is the area that the front dominates, up to the reference point, as a share of the box between that
    point and the best energy and the best accuracy of any setting, in [0, 1]. The reference point is the most energy per
    token, in J, and the least accuracy (without a task: relevance) of any setting of any scheduler, each a tenth of its
    range worse, so that the extreme settings count as well.
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
    try:
        table = csv.DictReader(files.read(path).decode().splitlines())
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8: {error.reason}") from None
    names = [field.name for field in fields(FrontierPoint)]
    if missing := [name for name in names if name not in (table.fieldnames or [])]:
        raise InputError(
            f"{path}: line 1: {missing[0]} is missing; allowed: a column of each of {', '.join(names)}"
        )
    points = []
    for row in table:
        for name in names:
            if row[name] is None or str(row[name]).strip().lower().lstrip("+-") in (
                "nan",
                "inf",
                "infinity",
            ):
                raise InputError(
                    f"{path}: line {table.line_num}: {name} = {row[name]!r}; allowed: finite numbers"
                )
        try:
            points.append(
                msgspec.convert(
                    {name: row[name] or None for name in names}, FrontierPoint, strict=False
                )
            )
        except msgspec.ValidationError as error:
            complaint, _, where = str(error).partition(" - at `$.")
            name, wanted = where.rstrip("`"), complaint.split("`")[1]
            raise InputError(
                f"{path}: line {table.line_num}: {name} = {row.get(name)!r}; allowed: {wanted}"
            ) from None
    if not points:
        raise InputError(f"{path}: holds no setting; allowed: at least one line below the header")
    return points


def with_fronts(points: Sequence[FrontierPoint]) -> list[FrontierPoint]:
    """The points of every scheduler by energy, marked where no other of it is as accurate for less energy."""
    found = []
    for mine in grouped((p.scheduler, p) for p in points).values():
        mine = sorted(mine, key=lambda p: (p.energy_per_token_j, -p.worth))
        marks = moocore.is_nondominated(_costs(mine), maximise=LESS_ENERGY_MORE_WORTH)
        found += [replace(point, front=bool(mark)) for point, mark in zip(mine, marks, strict=True)]
    return found


def _costs(points: Sequence[FrontierPoint]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.array([(p.energy_per_token_j, p.worth) for p in points])


def fronts(points: Sequence[FrontierPoint]) -> list[Front]:
    """The front of every scheduler and its hypervolume."""
    energy, worth = _costs(points).T
    reference = (
        float(energy.max() + MARGIN * np.ptp(energy)),
        float(worth.min() - MARGIN * np.ptp(worth)),
    )
    box = (reference[0] - energy.min()) * (worth.max() - reference[1])
    found = []
    for scheduler, mine in grouped((p.scheduler, p) for p in with_fronts(points)).items():
        area = moocore.hypervolume(_costs(mine), ref=reference, maximise=LESS_ENERGY_MORE_WORTH)
        share = float(area / box) if box > 0 else 0.0
        found.append(Front(scheduler, len(mine), sum(p.front for p in mine), share, *reference))
    return found
