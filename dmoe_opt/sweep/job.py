"""One job of a sweep, as a worker runs it: draw the instance, solve it, tell the outcome."""

from __future__ import annotations

import contextlib
import datetime as dt
import faulthandler
import json
import os
import platform
import socket
import time
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dmoe_opt.answer.result import Result
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.generating.presets import generate
from dmoe_opt.solving import prepare, solve
from dmoe_opt.sweep.journal import FAILED
from dmoe_opt.sweep.plan import Job

JobRow = dict[str, Any]
NUMBERS = ("objective_j", "bound_j", "gap", "relevance", "dropped", "nodes", "wall_s", "generate_s")
MOST_CHARACTERS = 500  # of a message


@cache
def _versions() -> dict[str, str]:
    names = ("dmoe-opt", "numpy", "scipy", "numba", "highspy", "pyomo", "cvxpy")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}


@lru_cache(maxsize=1)
def _drawn(preset: str, seed: int, changes: str) -> tuple[Instance | SelectionProblem, float]:
    """The instance and the seconds it took; one is kept, as methods on it follow each other."""
    started = time.perf_counter()
    return generate(preset, seed, **json.loads(changes)), time.perf_counter() - started


@cache
def _warm(problem: str, method: str) -> None:
    """Import and compile a method, once per process, so that this is not part of a job's time."""
    prepare(problem)
    with contextlib.suppress(Exception):  # a method that fails will say so in its rows
        solve(generate("tiny", 0), problem, method)


def row(job: Job, tries: int, **known: Any) -> JobRow:
    """A row of results; a value that is not known is None."""
    unknown: JobRow = dict.fromkeys(NUMBERS)
    return {
        "key": job.key,
        "preset": job.preset,
        "seed": job.seed,
        "problem": job.problem,
        "method": job.method,
        "options": job.changes | job.options,
        "instance": f"{job.preset}-s{job.seed}",
        "instance_sha256": None,
        "tokens": None,
        "experts": None,
        "max_experts": None,
        "subcarriers": None,
        "status": FAILED,
        **unknown,
        "tries": tries,
        "message": "",
        "host": socket.gethostname(),
        "versions": _versions(),
        "finished": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    } | known


def run(job: Job, tries: int = 1) -> JobRow:
    """Run a job; whatever it raises is told in its row."""
    known: JobRow = {}
    try:
        data, generate_s = _drawn(job.preset, job.seed, json.dumps(job.changes))
        known = {
            "instance_sha256": data.sha256,
            "tokens": data.num_tokens,
            "experts": data.num_experts,
            "max_experts": data.max_experts,
            "subcarriers": getattr(data, "num_subcarriers", None),
            "generate_s": generate_s,
        }
        _warm(job.problem, job.method)
        result = solve(data, job.problem, job.method, seed=job.seed, **job.options)
    except Exception as error:  # a sweep goes on whatever a method raises
        text = " ".join(str(error).split())
        return row(job, tries, **known, message=f"{type(error).__name__}: {text}"[:MOST_CHARACTERS])
    return row(
        job,
        tries,
        **known,
        status=str(result.status),
        objective_j=result.objective_j,
        bound_j=result.bound_j,
        gap=result.gap,
        relevance=result.mean_relevance,
        dropped=_dropped(data, result),
        nodes=result.stats.get("nodes"),
        wall_s=result.wall_s,
        message=result.message,
    )


def _dropped(data: Instance | SelectionProblem, result: Result) -> int | None:
    """How many tokens an answer drops; None where none may be dropped, and without an answer."""
    if result.decision is None or getattr(data, "drop_price", None) is None:
        return None
    return int(result.decision.dropped.sum())


def run_batch(
    jobs: Sequence[Job], tries: int, job_s: float, memory_gb: float | None
) -> list[JobRow]:
    """Run jobs in a worker process.

    The process dies if a job takes longer than `job_s`, give or take a tenth; the driver then acts.
    """
    if memory_gb is not None:
        _limit_memory(memory_gb)
    for problem, method in {(job.problem, job.method) for job in jobs}:
        _warm(problem, method)  # starting up must not count
    rows: list[JobRow] = []
    armed = -float("inf")
    with Path(os.devnull).open("w") as nowhere:
        try:
            for job in jobs:
                if time.monotonic() - armed > 0.1 * job_s:  # arming costs more than some jobs do
                    # compiled loops hear nothing but this
                    faulthandler.dump_traceback_later(1.1 * job_s, exit=True, file=nowhere)
                    armed = time.monotonic()
                rows.append(run(job, tries))
        finally:
            faulthandler.cancel_dump_traceback_later()
    return rows


def _limit_memory(memory_gb: float) -> None:
    with contextlib.suppress(
        ImportError, ValueError
    ):  # no such limit on Windows; a lower one stays
        import resource

        resource.setrlimit(
            resource.RLIMIT_DATA,
            (int(memory_gb * 2**30), resource.getrlimit(resource.RLIMIT_DATA)[1]),
        )
