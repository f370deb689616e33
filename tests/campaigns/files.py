"""Damaged files: a loader returns, or raises `InputError` of one short line, and does so soon."""

from __future__ import annotations

import io
import json
import signal
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import dmoe_opt
from dmoe_opt import InputError
from dmoe_opt.data import files as package_files
from dmoe_opt.generating.trace_files import load_trace
from dmoe_opt.sweep import plan
from tests.campaigns.damage import damaged
from tests.campaigns.outcome import Fault, Outcome

MOST_S = 5.0
GIVE_UP_S = 30.0
LONGEST = 400
SHOWN = 300
"""Bytes of a file that a fault shows."""
LOADERS: dict[str, Callable[[Path], object]] = {
    "load": dmoe_opt.load,
    "load_solution": package_files.load_solution,
    "plan.read": plan.read,
    "load_trace": load_trace,
}
PLAN = """\
[grid]
preset = ["tiny", "edge-8x64"]
seeds = 3
problem = ["selection", "jesa"]
method = ["des", "bcd"]
num_tokens = [8, 16]
time_limit = 20.0

[limits]
tries = 2
job_s = 60.0
memory_gb = 4.0
"""
LINES = "".join(
    json.dumps({"step": step, "layer": layer, "ids": [step, 3], "weights": [0.75, 0.25]}) + "\n"
    for step in range(3)
    for layer in (1, 4)
)


@dataclass(frozen=True)
class Source:
    """A file that is right, and its loader."""

    loader: str
    kind: str
    content: bytes


class TooSlow(BaseException):
    """A loader did not come back; no `except Exception` may take it."""


def attack(seed: int) -> Outcome:
    """One damaged file, read by its loader."""
    rng = np.random.default_rng(seed)
    source = sources()[rng.integers(len(sources()))]
    content = damaged(rng, source.kind, source.content)
    outcome = Outcome()
    outcome.counts["files"] += 1
    what = read(source.loader, content, outcome)
    if what:
        start = f"{len(content)} bytes of {source.kind}: {content[:SHOWN]!r}"
        outcome.faults.append(Fault(f"{source.loader}: {what}", seed, start))
    return outcome


def read(loader: str, content: bytes, outcome: Outcome) -> str | None:
    """Read a file by a loader; what is wrong with the way it ends, or None."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(content)
        started = time.process_time()  # on a loaded machine a file waits for its turn
        try:
            with _limit(), warnings.catch_warnings():
                warnings.simplefilter("error")
                LOADERS[loader](path)
            outcome.counts["read"] += 1
        except InputError as error:
            outcome.counts["refused"] += 1
            text = str(error)
            if len(text.splitlines()) != 1 or len(text) > LONGEST:
                shown = text.replace(str(path), "file")[:SHOWN]
                return f"a message of {len(text)} characters: {shown!r}"
        except TooSlow:
            return f"took more than {GIVE_UP_S:g} s"
        except BaseException as error:
            return f"{type(error).__name__}: {str(error)[:SHOWN]}"
        spent_s = time.process_time() - started
    return None if spent_s < MOST_S else f"took {spent_s:.1f} s"


@contextmanager
def _limit() -> Iterator[None]:
    """Break off what takes too long."""

    def stop(_number: int, _frame: object) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, GIVE_UP_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@cache
def sources() -> tuple[Source, ...]:
    """The files that are right, the same in every run."""
    tiny = dmoe_opt.load("tiny-s1")
    problem = tiny.selection_problem()
    links = tiny.replace(link_energy=np.minimum(tiny.link_energy, 1e10))
    folder = package_files.instances_folder()
    committed = ("rounds/tiny-s1.json", "knapsack/uncorrelated-s1.json", "rounds/nr-51-s1.json")
    right = [Source("load", "json", (folder / name).read_bytes()) for name in committed]
    right += [Source("load", suffix, _saved(links, suffix)) for suffix in ("json", "npz")]
    right += [Source("load", suffix, _saved(problem, suffix)) for suffix in ("json", "npz")]
    right.append(Source("load", "npz", _saved(tiny, "npz")))
    for kind, method in (("selection", "des"), ("jesa", "bcd"), ("allocation", "assignment")):
        answer = dmoe_opt.solve(tiny, kind, method)
        content = _saved(replace(answer, wall_s=0.5), "json")
        right.append(Source("load_solution", "json", content))
    right.append(Source("plan.read", "toml", PLAN.encode()))
    right.append(Source("plan.read", "toml", b'[grid]\npreset = "tiny"\nspread = 2.0\n'))
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(4), size=(2, 5))
    right.append(Source("load_trace", "npz", _archive({"scores": scores})))
    logits = {"logits": rng.normal(size=(2, 5, 4)), "experts_per_token": np.array(2)}
    right.append(Source("load_trace", "npz", _archive(logits)))
    right.append(Source("load_trace", "jsonl", LINES.encode()))
    return tuple(right)


def _saved(data: Any, suffix: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"file.{suffix}"
        dmoe_opt.save(data, path)
        return path.read_bytes()


def _archive(arrays: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()
