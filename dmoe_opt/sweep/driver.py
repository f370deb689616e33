"""Run the jobs of a plan: in this process, on all cores with loky, or on a cluster with dask.

Rows are written as they come. loky and dask start the workers, hand out work and restart workers
that die. This file only decides who is to blame: when a worker dies, the jobs in flight run again
one by one, and a job that takes its worker down alone, `tries` times, has failed.
"""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from dmoe_opt.sweep import journal, pools
from dmoe_opt.sweep.job import JobRow, row, run, run_batch
from dmoe_opt.sweep.journal import FAILED
from dmoe_opt.sweep.plan import Job, Limits, Plan

BATCH_S = 0.5
MOST_REASONS = 20
MOST_IN_BATCH = 1_000
AHEAD = 2
"""Batches in flight per worker, so that none waits for the next."""

Emit = Callable[[JobRow], None]


class _Batch(NamedTuple):
    """Jobs that a worker runs, how often they were tried, and when they were handed out."""

    jobs: list[Job]
    tries: int
    started: float


class _Death(NamedTuple):
    """A batch whose worker died, after how many seconds, and what is known of why."""

    batch: _Batch
    spent_s: float
    reason: str


class _Run:
    """The state of `run_pool`: jobs to do, batches in flight, and jobs under suspicion.

    A suspect is a job that may have killed its worker; suspects run alone.
    """

    def __init__(self, jobs: Iterable[Job], emit: Emit, pool: pools.Pool, limits: Limits) -> None:
        self.todo = iter(jobs)
        self.emit = emit
        self.pool = pool
        self.limits = limits
        self.running: dict[Future[list[JobRow]], _Batch] = {}
        self.suspects: deque[tuple[Job, int]] = deque()
        self.seconds_each = BATCH_S

    def fill(self) -> bool:
        """Hand out work; False if there is none left and none is running."""
        if self.suspects and not self.running:
            job, tries = self.suspects.popleft()
            self._submit([job], tries)
        while not self.suspects and len(self.running) < AHEAD * self.pool.workers():
            wanted = max(1, min(MOST_IN_BATCH, int(BATCH_S / self.seconds_each)))
            batch = list(islice(self.todo, wanted))
            if not batch:
                break
            self._submit(batch, 1)
        return bool(self.running)

    def _submit(self, jobs: list[Job], tries: int) -> None:
        limits = self.limits
        work = (jobs, tries, limits.job_s, limits.memory_gb)
        with pools.children_deaf():  # the executor may start a worker here
            future = self.pool.executor.submit(run_batch, *work)
        self.running[future] = _Batch(jobs, tries, time.monotonic())

    def wait(self) -> None:
        """Collect batches that have ended, and act if a worker died."""
        alone = sum(len(batch.jobs) for batch in self.running.values()) == 1
        ended = wait(self.running, return_when=FIRST_COMPLETED).done
        deaths = self._collect(ended)
        if not deaths:
            return
        deaths += self._collect(list(self.running))  # a dead worker may take the others down
        self.pool.restart()
        for death in deaths:
            if alone:
                self._blame(death)
            else:
                self.suspects.extend((job, 1) for job in death.batch.jobs)

    def _collect(self, futures: Iterable[Future[list[JobRow]]]) -> list[_Death]:
        """Emit the rows of batches; those whose workers died are returned."""
        deaths = []
        for future in futures:
            batch = self.running.pop(future)
            try:
                rows = future.result()
            except self.pool.broken as error:
                deaths.append(_Death(batch, time.monotonic() - batch.started, _reason(error)))
                continue
            for finished in rows:
                self.emit(finished)
            self._learn(rows)
        return deaths

    def _learn(self, rows: list[JobRow]) -> None:
        """Follow the seconds that a job takes, for the size of the next batch."""
        spent = sum((r["wall_s"] or 0.0) + (r["generate_s"] or 0.0) for r in rows) / len(rows)
        self.seconds_each = 0.5 * self.seconds_each + 0.5 * max(spent, 1e-5)

    def _blame(self, death: _Death) -> None:
        """Try the job of a batch of one again, or give it up."""
        (job,), tries, _ = death.batch
        if tries < self.limits.tries:
            self.suspects.append((job, tries + 1))
            return
        why = f"killed its worker ({death.reason})"
        if death.spent_s >= self.limits.job_s:
            why = f"took longer than {self.limits.job_s:g} s"
        self.emit(row(job, tries, message=f"{why}, {tries} tries"))


def run_pool(jobs: Iterable[Job], emit: Emit, pool: pools.Pool, limits: Limits) -> None:
    """Keep the workers busy with batches of about half a second until every job has a row."""
    state = _Run(jobs, emit, pool, limits)
    while state.fill():
        state.wait()


def _reason(error: BaseException) -> str:
    codes = re.search(r"\{(.*?)\}", str(error))
    return codes[1] if codes else type(error).__name__


@dataclass
class Done:
    """The outcome of a sweep: rows in all, rows from before, failed jobs of this run and why.

    `damaged` has the numbers of lines of the journal that are no rows and were passed over.
    """

    rows: int = 0
    before: int = 0
    failed: int = 0
    damaged: list[int] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


def sweep(
    plan: Plan,
    folder: str | os.PathLike[str],
    *,
    backend: str = "serial",
    workers: int | None = None,
    scheduler: str | None = None,
    resume: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Done:
    """Run the jobs of a plan that have no row yet; append each row to `results.jsonl` as it comes.

    Parameters
    ----------
    backend
        "serial" (this process), "loky" (processes on this machine) or "dask" (a cluster); the rows
        are the same, in any order.
    workers, scheduler
        Number of processes, by default one per core; the address of a dask scheduler.
    resume
        Keep the rows of the folder, which otherwise must be empty of them.

    Raises
    ------
    InputError
        If the folder cannot be written.
    MissingExtraError
        If packages of the extra `sweep` are missing.
    """
    with closing(journal.Journal(folder, resume)) as book:
        done = Done(rows=len(book.done), before=len(book.done), damaged=book.damaged)
        with_row = [job.key in book.done for job in plan.jobs()]
        total, finished = len(with_row), sum(with_row)
        todo = (job for job in plan.jobs() if job.key not in book.done)

        def emit(new: JobRow) -> None:
            nonlocal finished
            book.append(new)
            done.rows += 1
            finished += 1
            if new["status"] == FAILED:
                done.failed += 1
                if len(done.reasons) < MOST_REASONS:
                    done.reasons.append(f"{new['key']}: {new['message']}")
            if progress:
                progress(finished, total)

        if backend == "serial":
            _run_serial(todo, emit, Path(folder) / journal.RUNNING, plan.limits)
        else:
            with pools.OPEN[backend](workers, scheduler) as pool:
                run_pool(todo, emit, pool, plan.limits)
        return done


def _run_serial(jobs: Iterable[Job], emit: Emit, marker: Path, limits: Limits) -> None:
    """One job after the other in this process.

    A file says which job runs, so that a job that takes the process down is known.
    """
    victim, times = journal.victim(marker)
    try:
        for job in jobs:
            tries = times + 1 if job.key == victim else 1
            if tries > limits.tries:
                emit(row(job, times, message=f"the process ended while it ran, {times} times"))
                continue
            journal.mark(marker, job.key, tries)
            emit(run(job, tries))
    finally:
        journal.unmark(marker)
