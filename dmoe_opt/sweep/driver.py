"""Run the jobs of a plan: in this process, on all cores with loky, or on a cluster with dask. Rows come as they finish.

loky and dask start the workers, hand out work and restart what dies. What is here decides only who is to blame: when a worker
dies, the jobs that were in flight run again one by one, and a job that takes its worker down alone, `tries` times, has failed.
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


def run_pool(jobs: Iterable[Job], emit: Emit, pool: pools.Pool, limits: Limits) -> None:
    """Keep the workers busy with batches of about half a second until every job has a row."""
    todo = iter(jobs)
    running: dict[Future[list[JobRow]], tuple[list[Job], int, float]] = {}
    suspects: deque[tuple[Job, int]] = deque()
    seconds_each = BATCH_S

    def submit(batch: list[Job], tries: int) -> None:
        future = pool.executor.submit(run_batch, batch, tries, limits.job_s, limits.memory_gb)
        running[future] = (batch, tries, time.monotonic())

    def collect(future: Future[list[JobRow]]) -> None:
        """Emit what a batch gave, or note that its worker died."""
        nonlocal seconds_each
        batch, tries, started = running.pop(future)
        try:
            rows = future.result()
        except pool.broken as error:
            died.append((batch, tries, time.monotonic() - started, _reason(error)))
            return
        for finished in rows:
            emit(finished)
        spent = sum((r["wall_s"] or 0.0) + (r["generate_s"] or 0.0) for r in rows) / len(rows)
        seconds_each = 0.5 * seconds_each + 0.5 * max(spent, 1e-5)

    while True:
        if suspects and not running:
            job, tries = suspects.popleft()
            submit([job], tries)
        while not suspects and len(running) < AHEAD * pool.workers():
            batch = list(islice(todo, max(1, min(MOST_IN_BATCH, int(BATCH_S / seconds_each)))))
            if not batch:
                break
            submit(batch, 1)
        if not running:
            return
        alone = sum(len(batch) for batch, *_ in running.values()) == 1
        died: list[tuple[list[Job], int, float, str]] = []
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            collect(future)
        if not died:
            continue
        for future in list(running):  # a dead worker may take the others down
            collect(future)
        pool.restart()
        for batch, tries, spent, reason in died:
            if not alone:
                suspects.extend((job, 1) for job in batch)
            elif tries < limits.tries:
                suspects.append((batch[0], tries + 1))
            else:
                why = (
                    f"took longer than {limits.job_s:g} s"
                    if spent >= limits.job_s
                    else f"killed its worker ({reason})"
                )
                emit(row(batch[0], tries, message=f"{why}, {tries} tries"))


def _reason(error: BaseException) -> str:
    codes = re.search(r"\{(.*?)\}", str(error))
    return codes[1] if codes else type(error).__name__


@dataclass
class Done:
    """What a sweep came to: rows in all, rows that were there before, failed jobs of this run and why."""

    rows: int = 0
    before: int = 0
    failed: int = 0
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
    """Run what a plan holds and has no row yet, and append every row to `results.jsonl` as it comes.

    Parameters
    ----------
    backend
        "serial" (this process), "loky" (processes on this machine) or "dask" (a cluster); the rows are the same, in any order.
    workers, scheduler
        Number of processes, default one a core; the address of a dask scheduler.
    resume
        Keep the rows of the folder, which otherwise must be empty of them.

    Raises
    ------
    InputError
        If the folder cannot be written, or packages of the extra `sweep` are missing.
    """
    with closing(journal.Journal(folder, resume)) as book:
        done = Done(rows=len(book.done), before=len(book.done))
        there = [job.key in book.done for job in plan.jobs()]
        total, finished = len(there), sum(there)
        todo = (job for job in plan.jobs() if job.key not in book.done)

        def emit(found: JobRow) -> None:
            nonlocal finished
            book.append(found)
            done.rows += 1
            finished += 1
            if found["status"] == FAILED:
                done.failed += 1
                if len(done.reasons) < MOST_REASONS:
                    done.reasons.append(f"{found['key']}: {found['message']}")
            if progress:
                progress(finished, total)

        if backend == "serial":
            _run_serial(todo, emit, Path(folder) / journal.RUNNING, plan.limits)
        else:
            with pools.OPEN[backend](workers, scheduler) as pool:
                run_pool(todo, emit, pool, plan.limits)
        return done


def _run_serial(jobs: Iterable[Job], emit: Emit, marker: Path, limits: Limits) -> None:
    """One job after the other in this process. A file says which one runs, so that one that takes the process down is known."""
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
