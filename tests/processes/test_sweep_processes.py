"""Sweeps with real processes: killed workers and drivers, poison, full disks.

Nothing is lost, and nothing is there twice.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from dmoe_opt import InputError
from dmoe_opt.sweep import journal, plan, pools
from dmoe_opt.sweep.driver import run_pool, sweep

GRID = {
    "preset": "tiny",
    "seeds": 5,
    "problem": ["selection", "jesa"],
    "method": ["des", "topk", "bcd"],
}
POISON = """
import os, time
import dmoe_opt.sweep.job as work
solve = work.solve
def poisoned(data, problem, method, **rest):
    if (data.name, method) == ("tiny-s2", "bcd"):
        os.kill(os.getpid(), 9)
    if (data.name, problem, method) == ("tiny-s3", "jesa", "topk"):
        time.sleep(1000)
    if (data.name, method) == ("tiny-s4", "des"):
        raise MemoryError("no more")
    return solve(data, problem, method, **rest)
work.solve = poisoned
"""


def rows_in(folder: Path) -> list[dict[str, Any]]:
    """All rows, every line whole and no key twice."""
    rows = [json.loads(line) for line in (folder / journal.RESULTS).read_text().splitlines()]
    assert len({row["key"] for row in rows}) == len(rows)
    return rows


def lasting(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What does not depend on when and where a row was made."""
    passing = ("wall_s", "generate_s", "host", "finished", "tries")
    return {row["key"]: {k: v for k, v in row.items() if k not in passing} for row in rows}


def command(folder: Path, *more: str, **how: Any) -> subprocess.Popen[str]:
    """A sweep in a process group of its own."""
    arguments = [
        sys.executable,
        "-m",
        "dmoe_opt",
        "sweep",
        str(folder / "plan.toml"),
        "-o",
        str(folder / "out"),
        *more,
    ]
    return subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **how,
    )


def wait_for(folder: Path, count: int) -> None:
    """Wait until so many rows are on disk."""
    deadline = time.monotonic() + 120
    results = folder / "out" / journal.RESULTS
    while not (results.exists() and results.read_bytes().count(b"\n") >= count):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_backends_write_the_same_rows(tmp_path: Path) -> None:
    """Serial, loky, and dask with a worker killed by a signal: the same rows, in any order."""
    grid = plan.plan({"grid": GRID | {"num_tokens": [8, 16], "restarts": [0, 2], "time_limit": 30}})
    keys = [job.key for job in grid.jobs()]
    assert len(keys) == 5 * 2 * (2 + 3)  # des and topk of selection; bcd twice and topk of jesa
    for backend in ("serial", "loky"):
        done = sweep(grid, tmp_path / backend, backend=backend, workers=2)
        assert (done.rows, done.before, done.failed) == (len(keys), 0, 0)
    found = [lasting(rows_in(tmp_path / backend)) for backend in ("serial", "loky")]

    rows: list[dict[str, Any]] = []
    with pools.dask(2, None) as pool:
        victim = next(iter(pool._client.run(os.getpid).values()))  # type: ignore[attr-defined]
        threading.Timer(0.3, os.kill, (victim, signal.SIGKILL)).start()
        run_pool(grid.jobs(), rows.append, pool, grid.limits)
        assert victim not in pool._client.run(os.getpid).values()  # type: ignore[attr-defined]
    assert len(rows) == len(keys)
    assert found[0] == found[1] == lasting(rows)

    row = found[0]["tiny-s4,num_tokens=16/jesa/bcd,restarts=2,time_limit=30"]
    assert row["options"] == {"num_tokens": 16, "restarts": 2, "time_limit": 30}
    assert row["objective_j"] >= row["bound_j"] * (1 - 1e-9)
    assert row["versions"]["dmoe-opt"]
    assert sweep(grid, tmp_path / "serial", resume=True).before == len(keys)


def test_workers_start_deaf() -> None:
    """Ctrl-C is blocked in every worker from its first instruction on: the driver answers it."""
    blocked = functools.partial(signal.pthread_sigmask, signal.SIG_BLOCK, ())
    with pools.dask(2, None) as pool:
        masks = list(pool._client.run(blocked).values())  # type: ignore[attr-defined]
    with pools.loky(2) as pool, pools.children_deaf():
        masks += [pool.executor.submit(blocked).result() for _ in range(4)]
    assert len(masks) == 6
    assert all(signal.SIGINT in mask for mask in masks)


def test_poison_fails_and_the_rest_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that kills its worker, one that never ends, one out of memory.

    They leave three failed rows with reasons; all other jobs are done.
    """
    (tmp_path / "sitecustomize.py").write_text(POISON)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    grid = plan.plan({"grid": GRID, "limits": {"tries": 1, "job_s": 5}})
    done = sweep(grid, tmp_path / "out", backend="loky", workers=1)
    rows = rows_in(tmp_path / "out")
    assert {row["key"] for row in rows} == {job.key for job in grid.jobs()}
    failed = {row["key"]: row["message"] for row in rows if row["status"] == "failed"}
    assert done.failed == len(failed) == 3
    assert "killed its worker" in failed["tiny-s2/jesa/bcd"]
    assert failed["tiny-s3/jesa/topk"] == "took longer than 5 s, 1 tries"
    assert failed["tiny-s4/selection/des"] == "MemoryError: no more"
    assert all(
        row["status"] == "optimal" for row in rows if row["method"] == "des" and row["seed"] != 4
    )


def test_a_killed_driver_resumes(tmp_path: Path) -> None:
    """Kill, interrupt, fill the disk: the rows stay each time, and at the end each job has one."""
    grid = {"preset": "tiny", "seeds": 1500, "problem": "jesa", "method": "bcd"}
    (tmp_path / "plan.toml").write_text(
        "[grid]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in grid.items())
    )
    first = command(tmp_path)
    wait_for(tmp_path, 50)
    with pytest.raises(InputError, match="another sweep is writing there"):
        journal.Journal(tmp_path / "out", resume=True)
    os.killpg(first.pid, signal.SIGKILL)
    first.communicate()
    killed = len(rows_in(tmp_path / "out"))
    with (tmp_path / "out" / journal.RESULTS).open("ab") as results:
        results.write(b'{"key": "tiny-s9999/jes')  # a line cut short
    with pytest.raises(
        InputError, match="holds results of a sweep; allowed: --resume, or another folder"
    ):
        journal.Journal(tmp_path / "out", resume=False)

    interrupted = command(tmp_path, "--resume")
    wait_for(tmp_path, killed + 50)
    os.killpg(interrupted.pid, signal.SIGINT)
    _, err = interrupted.communicate()
    assert interrupted.returncode == 130
    assert "go on with --resume" in err
    assert "Traceback" not in err
    size = (tmp_path / "out" / journal.RESULTS).stat().st_size
    before = len(rows_in(tmp_path / "out"))

    def fill() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 30_100, size + 30_100))

    full = command(tmp_path, "--resume", preexec_fn=fill)
    _, err = full.communicate()
    assert full.returncode == 2
    assert err.count("\n") == 1
    assert "the rows before are kept, go on with --resume" in err
    assert before + 10 < len(rows_in(tmp_path / "out")) < 1500

    last = command(tmp_path, "--resume")
    assert "1500 rows, 0 of them failed" in last.communicate()[0]
    assert len(rows_in(tmp_path / "out")) == 1500


def test_a_job_that_ends_the_process(tmp_path: Path) -> None:
    """In one process a deadly job ends the sweep; resumed, it has failed, and the others go on."""
    (tmp_path / "sitecustomize.py").write_text(POISON)
    (tmp_path / "plan.toml").write_text(
        '[grid]\npreset = "tiny"\nseeds = 4\nproblem = "jesa"\nmethod = "bcd"\n'
        "[limits]\ntries = 1\n"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    run = command(tmp_path, env=environment)
    run.communicate()
    assert run.returncode == -signal.SIGKILL
    run = command(tmp_path, "--resume", env=environment)
    assert "4 rows, 1 of them failed" in run.communicate()[0]
    failed = [row["message"] for row in rows_in(tmp_path / "out") if row["status"] == "failed"]
    assert failed == ["the process ended while it ran, 1 times"]
