"""Commands that write, killed at random times: no file is ever half there, no row is lost."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np

import dmoe_opt
from dmoe_opt.data import files
from dmoe_opt.sweep import journal, plan
from tests.campaigns import processes
from tests.campaigns.outcome import Fault, Outcome

LATEST_S = 4.0
MOST_ROUNDS = 6
PLAN = """\
[grid]
preset = "tiny"
seeds = 400
problem = ["selection", "jesa"]
method = ["des", "bcd", "topk"]
"""
SOLVED = (
    ("tiny-s1", "selection", "des"),
    ("mixtral-8-s1", "selection", "des"),
    ("edge-8x64-s1", "jesa", "bcd"),
    ("digits-l4", "jesa", "topk"),
    ("tiny-s1", "jesa", "exact"),
)
DRAWN = ("tiny", "edge-8x64", "nr-51")


def attack(seed: int) -> Outcome:
    """One command that is killed; the seed does not repeat its timing."""
    rng = np.random.default_rng(seed)
    outcome = Outcome()
    kinds: list[Callable[[np.random.Generator, Path, Outcome], list[str]]]
    kinds = [_solve, _generate, _generate_many, _sweep]
    kind = kinds[rng.choice(4, p=[0.35, 0.25, 0.25, 0.15])]
    with tempfile.TemporaryDirectory() as folder:
        for what in kind(rng, Path(folder), outcome):
            outcome.faults.append(Fault(what, seed))
    return outcome


def _kill_after(
    arguments: list[str], folder: Path, delay_s: float, outcome: Outcome
) -> tuple[bool, str]:
    """Start a command, and kill it later; whether it had ended, and what it was, in words."""
    process = processes.start(arguments, folder)
    try:
        process.wait(delay_s)
        outcome.counts["ended before"] += 1
        ended = True
    except subprocess.TimeoutExpired:
        outcome.counts["killed"] += 1
        ended = False
    finally:
        processes.kill(process)
    return ended, f"{' '.join(arguments)}, killed after {delay_s:.2f} s"


def _kill_at_file(arguments: list[str], folder: Path, place: Path, outcome: Outcome) -> str:
    """Start a command, and kill it as soon as anything new stands beside its output."""
    before = set(place.parent.iterdir()) if place.parent.is_dir() else set()
    process = processes.start(arguments, folder)
    while process.poll() is None:
        if place.parent.is_dir() and set(place.parent.iterdir()) - before:
            break
    processes.kill(process)
    outcome.counts["killed at a file"] += 1
    return f"{' '.join(arguments)}, killed when a file came"


def _attack(
    arguments: list[str], folder: Path, place: Path, rng: np.random.Generator, outcome: Outcome
) -> str:
    """Kill a command at a random time, or when it writes."""
    if rng.random() < 0.5:
        return _kill_at_file(arguments, folder, place, outcome)
    return _kill_after(arguments, folder, rng.uniform(0.1, LATEST_S), outcome)[1]


def _solve(rng: np.random.Generator, folder: Path, outcome: Outcome) -> list[str]:
    outcome.counts["solve"] += 1
    name, problem, method = SOLVED[rng.integers(len(SOLVED))]
    place = _place(rng, folder, "answer.json")
    before = place.read_bytes() if place.exists() else None
    command = ["solve", name, "--problem", problem, "--method", method, "-o", str(place)]
    what = _attack(command, folder, place, rng, outcome)

    def broken(path: Path) -> list[str]:
        return dmoe_opt.check(dmoe_opt.load(name), files.load_solution(path))

    return _judge(place, before, what, broken)


def _generate(rng: np.random.Generator, folder: Path, outcome: Outcome) -> list[str]:
    outcome.counts["generate"] += 1
    preset, seed = str(rng.choice(DRAWN)), int(rng.integers(100))
    place = _place(rng, folder, str(rng.choice(["round.json", "round.npz"])))
    before = place.read_bytes() if place.exists() else None
    command = ["generate", preset, "--seed", str(seed), "-o", str(place)]
    what = _attack(command, folder, place, rng, outcome)
    return _judge(place, before, what, _as_drawn(preset, seed))


def _generate_many(rng: np.random.Generator, folder: Path, outcome: Outcome) -> list[str]:
    outcome.counts["generate --count"] += 1
    preset, seed = str(rng.choice(DRAWN)), int(rng.integers(100))
    many = folder / "many"
    many.mkdir()
    command = ["generate", preset, "--seed", str(seed), "--count", "200", "-o", str(many)]
    what = _attack(command, folder, many / "any", rng, outcome)
    complaints = []
    for place in many.glob("[!.]*"):
        drawn = int(place.stem.rpartition("-s")[2])
        complaints += _judge(place, None, what, _as_drawn(preset, drawn))
    return complaints


def _place(rng: np.random.Generator, folder: Path, name: str) -> Path:
    """Where a command writes, in a folder of its own; sometimes a file is there already."""
    (folder / "there").mkdir()
    place = folder / "there" / name
    if rng.random() < 0.5:
        place.write_bytes(b"as it was before")
    return place


def _as_drawn(preset: str, seed: int) -> Callable[[Path], list[str]]:
    def broken(path: Path) -> list[str]:
        same = dmoe_opt.load(path).sha256 == dmoe_opt.generate(preset, seed=seed).sha256
        return [] if same else ["it holds another instance"]

    return broken


def _judge(
    place: Path, before: bytes | None, what: str, broken: Callable[[Path], list[str]]
) -> list[str]:
    """What is wrong with a file: it may be absent, as before, or whole and right."""
    if not place.exists():
        return [] if before is None else [f"{what}: the file from before is gone"]
    content = place.read_bytes()
    if content == before:
        return []
    try:
        complaints = broken(place)
    except dmoe_opt.DmoeError as error:
        complaints = [str(error)]
    return [f"{what}: {len(content)} bytes that are wrong: {line}" for line in complaints]


def _sweep(rng: np.random.Generator, folder: Path, outcome: Outcome) -> list[str]:
    """A sweep that is killed several times, and goes on to the end."""
    outcome.counts["sweep"] += 1
    (folder / "plan.toml").write_text(PLAN)
    backend = str(rng.choice(["serial", "serial", "loky"]))
    command = ["sweep", "plan.toml", "-o", "kept", "--backend", backend]
    results = folder / "kept" / journal.RESULTS
    said = ""
    for _ in range(int(rng.integers(1, MOST_ROUNDS))):
        rows = _whole_lines(results)
        more = [*command, "--resume"] if results.exists() else command
        said = _kill_after(more, folder, rng.uniform(0.5, LATEST_S), outcome)[1]
        if _whole_lines(results)[: len(rows)] != rows:
            return [f"{said}: rows from before are gone"]
    started = time.monotonic()
    last = processes.start([*command, "--resume"], folder)
    try:
        last.wait(300)
    except subprocess.TimeoutExpired:
        return [f"{said}: --resume does not end"]
    finally:
        processes.kill(last)
    outcome.counts["s of resumed sweeps"] += int(time.monotonic() - started)
    return _judge_rows(results, said, last.returncode, (folder / "err").read_text())


def _whole_lines(results: Path) -> list[bytes]:
    return results.read_bytes().split(b"\n")[:-1] if results.exists() else []


def _judge_rows(results: Path, said: str, code: int, err: str) -> list[str]:
    """Whether every job has one row after the end."""
    if code != 0:
        return [f"{said}: --resume ends with {code}: {err[-300:]}"]
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    keys = [row["key"] for row in rows]
    wanted = [job.key for job in plan.plan(tomllib.loads(PLAN)).jobs()]
    complaints = []
    if sorted(keys) != sorted(wanted):
        twice = len(keys) - len(set(keys))
        lost = len(set(wanted) - set(keys))
        complaints.append(f"{said}: {len(keys)} rows, {twice} there twice, {lost} are missing")
    failed = [row["message"] for row in rows if row["status"] == journal.FAILED]
    if failed:
        complaints.append(f"{said}: {len(failed)} rows failed: {failed[0]}")
    return complaints
