"""Episodes of recorded arrivals: a table of timestamps, and the rest drawn from a scenario."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from dmoe_opt.data import files, validate
from dmoe_opt.data.tables import Table, read_table
from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError
from dmoe_opt.offload.episode import HELD_OUT, Episode, draw_at
from dmoe_opt.offload.scenario import MOST_SUBTASKS, Array, Scenario, Whole

COLUMNS = ("arrival_s", "job", "type")


@dataclass(frozen=True, eq=False)
class Recording:
    """N recorded arrivals in their order, s, from 0 on; jobs and types, (N,), None if not known.

    `row` (N,) counts the rows of the file `path` from 0, without its header.
    """

    path: str
    row: Whole
    arrival_s: Array
    job: Whole | None
    type: Whole | None


def read(path: str | os.PathLike[str]) -> Recording:
    """Arrivals from a text table: a column `arrival_s`, and perhaps `job` and `type` from 0.

    A table of one column needs no name for it. Rows may be in any order; the first arrival becomes
    time 0. Jobs may have any whole numbers.

    Raises
    ------
    InputError
        One line that names the file, the field and what is wrong.
    """
    content = files.read(path)
    try:
        return _recording(str(path), read_table(content))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _recording(path: str, table: Table) -> Recording:
    unknown = [name for name in table.names if name not in COLUMNS]
    if unknown:
        raise fail("column", unknown[0], ", ".join(COLUMNS))
    lone = not table.names and table.values.shape[1] == 1
    arrival_s = table.values[:, 0] if lone else table.column("arrival_s")
    if len(arrival_s) > MOST_SUBTASKS:
        raise InputError(f"has {len(arrival_s)} arrivals; allowed: at most {MOST_SUBTASKS}")
    bad = np.flatnonzero(~np.isfinite(arrival_s))
    if len(bad):
        raise fail(f"arrival_s[{bad[0]}]", float(arrival_s[bad[0]]), "a finite number")
    order = np.argsort(arrival_s, kind="stable")
    named = {name: table.places((name,))[0][order] for name in COLUMNS[1:] if name in table.names}
    job = named.get("job")
    if job is not None:
        job = np.unique(job, return_inverse=True)[1]
    since_first_s = arrival_s[order] - arrival_s[order[0]]
    return Recording(path, order, since_first_s, job, named.get("type"))


def episode(scenario: Scenario, recording: Recording, seed: int = 0) -> Episode:
    """An episode with the recorded arrivals.

    Sizes and channels are drawn from the scenario, and types if they were not recorded. Without
    jobs, every subtask is a job of its own.

    Raises
    ------
    InputError
        If a type is none of the scenario.
    """
    if recording.type is not None:
        _check_types(recording, recording.type, scenario)
    rng = np.random.default_rng([HELD_OUT, validate.whole("seed", seed, 0)])
    own = np.arange(len(recording.arrival_s))
    job = own if recording.job is None else recording.job
    return draw_at(scenario, rng, job, recording.arrival_s, recording.type)


def _check_types(recording: Recording, types: Whole, scenario: Scenario) -> None:
    """Refuse the first row of a file whose type is none of the scenario."""
    wrong = np.flatnonzero(types >= scenario.num_types)
    if len(wrong):
        n = wrong[recording.row[wrong].argmin()]
        field = f"{recording.path}: type[{recording.row[n]}]"
        allowed = f"types 0..{scenario.num_types - 1} of {scenario.name or 'the scenario'}"
        raise fail(field, int(types[n]), allowed)
