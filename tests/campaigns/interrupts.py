"""Ctrl-C at random times: every command ends soon, with one line and exit code 130."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

from dmoe_opt.sweep import driver, plan
from tests.campaigns import processes
from tests.campaigns.outcome import Fault, Outcome

EARLIEST_S = 0.05
LATEST_S = 6.0
SOON_S = 1.0
SOON_WHEN_BUSY_S = 2.0
GIVE_UP_S = 60.0
LINE = "dmoe-opt: interrupted"
PLAN = '[grid]\npreset = ["edge-8x64", "tiny"]\nseeds = 500\nproblem = "jesa"\n'
JOINT = ("scarce-8x48-s0", "--problem", "jesa", "--method")
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("solve", "tiny-s1"),
    ("solve", "subset-sum-s1"),
    ("solve", "inverse-strongly-correlated-s1"),
    ("solve", "tiny-s1", "--problem", "jesa", "--method", "exact"),
    ("solve", *JOINT, "exact"),
    ("solve", *JOINT, "exact", "--log"),
    ("solve", *JOINT, "lagrangian"),
    ("solve", *JOINT, "pyomo"),
    ("solve", *JOINT, "cvxpy"),
    ("solve", "strongly-correlated-s1", "--method", "pyomo"),
    ("solve", "strongly-correlated-s1", "--method", "cvxpy"),
    ("solve", "tiny-s1", "--method", "pyomo"),
    ("solve", "tiny-s1", "--method", "cvxpy"),
    ("solve", "rich-8x64-s1", "--problem", "jesa"),
    ("solve", "edge-8x64-s1", "--problem", "jesa", "--proof", "proof.json"),
    ("explain", "scarce-8x36-s1"),
    ("explore", "edge-8x64-s1", "-o", "page.html"),
    ("place", "digits", "--nodes", "4"),
    ("savings", "digits"),
    ("compare", "tiny-s1"),
    ("compare", "mixtral-8-s1", "--problem", "jesa"),
    ("compare", "scarce-8x36-s0", "--problem", "jesa", "-o", "compared"),
    ("generate", "edge-8x64", "--count", "300", "-o", "drawn"),
    ("frontier", "digits", "--seeds", "20", "-o", "front"),
    ("protocol", "digits"),
    ("offload", "compare", "busy", "-o", "shares"),
    ("offload", "compare", "mixed", "--episodes", "300"),
    ("offload", "fit", "busy", "-o", "fit.json"),
    ("sweep", "plan.toml", "-o", "kept"),
    ("sweep", "plan.toml", "-o", "kept", "--backend", "loky"),
    ("sweep", "plan.toml", "-o", "kept", "--backend", "dask"),
    ("plot", "swept", "-o", "drawn"),
)


def attack(seed: int) -> Outcome:
    """One command that is interrupted; the seed does not repeat its timing."""
    # Shells and nohup start what runs in the background deaf to Ctrl-C, and children inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    rng = np.random.default_rng(seed)
    outcome = Outcome()
    command = COMMANDS[rng.integers(len(COMMANDS))]
    delay_s = rng.uniform(EARLIEST_S, LATEST_S if rng.random() < 0.6 else 2.0)
    cold = bool(rng.random() < 0.3)
    busy = bool(rng.random() < 0.3)
    alone = bool(rng.random() < 0.2)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "plan.toml").write_text(PLAN)
        if command[0] == "plot":
            (folder / "swept").mkdir()
            (folder / "swept" / "results.jsonl").write_bytes(_rows())
        cache_folder = {"NUMBA_CACHE_DIR": str(folder / "kernels")} if cold else {}
        with _load(2 if busy else 0):
            what = _interrupt(command, folder, cache_folder, delay_s, busy, alone, outcome)
    outcome.counts["with a cold cache"] += cold
    outcome.counts["on a busy machine"] += busy
    if what:
        how = "cold" if cold else "warm"
        how += ", busy" if busy else ""
        how += ", signal to the process alone" if alone else ""
        place = f"{' '.join(command)} ({how}), interrupted after {delay_s:.2f} s"
        outcome.faults.append(Fault(f"{place}: {what}", seed))
    return outcome


@cache
def _rows() -> bytes:
    """Results of a small sweep, for plots."""
    grid = {"preset": ["tiny"], "seeds": 5, "method": ["des", "topk", "greedy"]}
    with tempfile.TemporaryDirectory() as folder:
        driver.sweep(plan.plan({"grid": grid}), folder)
        return (Path(folder) / "results.jsonl").read_bytes()


@contextmanager
def _load(count: int) -> Iterator[None]:
    """So many processes that do nothing but take time, and end with this one however it ends."""
    code = f"import os\nwhile os.getppid() == {os.getpid()}: pass"
    busy = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def _interrupt(
    command: tuple[str, ...],
    folder: Path,
    environment: dict[str, str],
    delay_s: float,
    busy: bool,
    alone: bool,
    outcome: Outcome,
) -> str | None:
    """Interrupt a command; what is wrong with the way it ends, or None."""
    outcome.counts["processes"] += 1
    process = processes.start(command, folder, environment)
    try:
        process.wait(delay_s)
        outcome.counts["ended before"] += 1
        return None
    except subprocess.TimeoutExpired:
        pass
    started = time.monotonic()
    send = os.kill if alone else os.killpg
    with contextlib.suppress(ProcessLookupError):
        send(process.pid, signal.SIGINT)
    try:
        process.wait(GIVE_UP_S)
    except subprocess.TimeoutExpired:
        return f"it still runs {GIVE_UP_S:g} s later"
    finally:
        spent_s = time.monotonic() - started
        processes.kill(process)
    outcome.counts[f"exit code {process.returncode}"] += 1
    soon_s = SOON_WHEN_BUSY_S if busy else SOON_S
    err = (folder / "err").read_text(errors="replace")
    if "--log" in command:
        err = _without_log(err)
    complaints = [_wrong_end(process.returncode, err)]
    if spent_s > soon_s:
        complaints.append(f"it ended {spent_s:.2f} s later")
    return "; ".join(filter(None, complaints)) or None


def _without_log(err: str) -> str:
    """What stands on stderr without the rows of `--log`, which are asked for."""
    rows = re.compile(r" +time s .*|[ 0-9.e+-]+|( +[-\w.]+){4}")
    return "\n".join(line for line in err.splitlines() if not rows.fullmatch(line))


def _wrong_end(code: int, err: str) -> str:
    """What is wrong with an exit code and what stands on stderr; empty if nothing is."""
    shown = f"exit code {code}, stderr {err[-600:]!r}"
    if code == -signal.SIGINT or (code == 1 and "<frozen site>" in err):
        # Python itself starts, and knows nothing of this package yet.
        return shown if "dmoe_opt/" in err else ""
    if code == 0:  # the work was done
        return shown if "Traceback" in err else ""
    lines = [line for line in err.splitlines() if line.strip()]
    kept = [line for line in lines if "--resume" in line]
    rest = [line for line in lines if line not in kept]
    is_right = code == 130 and len(kept) <= 1 and rest in ([LINE], [])
    return "" if is_right else shown
