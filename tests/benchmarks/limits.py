"""Whether time limits hold: by how much each method overruns its limit on large instances.

python tests/benchmarks/limits.py [--limit S] [--sizes NAME,...] [--methods PROBLEM/NAME,...]
    [--record FILE.jsonl]

Prints in Markdown, for each size and method, the seconds from the limit to the end, as wall time /
time on the processor that the method still used; `+` marks an answer, `b` a bound alone, `x` a
proof that there is no answer, and `-` none of these. A method that takes `KILL` times the limit and
more is killed. A method without a time limit is not listed, and one that refuses a size is
`refused` there. Every call has a process of its own, with kernels compiled and libraries imported
before. On a machine with more to do than processors the wall time shows what the others take. With
--record every entry is kept in a file as soon as it is measured, and the same command goes on where
it was stopped.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from dmoe_opt import InputError, Instance, Status, generate, solve
from dmoe_opt.method_table import METHODS
from dmoe_opt.solving import prepare

SIZES: dict[str, Callable[[], object]] = {
    "scarce-8x48": lambda: generate("scarce-8x48", 0),
    "scarce-16x150": lambda: generate("scarce-16x150", 0),
    "K=24 M=400": lambda: _round(24, 400, "scarce-16x150", num_tokens=768),
    "K=32 M=720": lambda: _round(32, 720, "scarce-16x150", num_tokens=1024),
    "wide-32x1024": lambda: generate("wide-32x1024", 0),
    "K=64 M=1024": lambda: _round(64, 1024, "edge-8x64", num_tokens=512),
    "K=64 M=4096": lambda: _round(64, 4096, "edge-8x64", num_tokens=1024),
    "K=128 M=2000": lambda: _round(128, 2000, "edge-8x64", num_tokens=1024),
    "deepseek-256": lambda: generate("deepseek-256", 0),
}
KILL = 10


def _round(nodes: int, subcarriers: int, preset: str, **options: object) -> object:
    return generate(preset, 0, num_experts=nodes, num_subcarriers=subcarriers, **options)


def _run(pipe: Connection, data: Instance, problem: str, method: str, limit_s: float) -> None:
    used_s: list[float] = []
    threading.Timer(limit_s, lambda: used_s.append(time.process_time())).start()
    try:
        result = solve(data, problem, method, time_limit=limit_s)
    except InputError:
        pipe.send("refused")
        return
    late_s = 0.0, 0.0
    if used_s:
        late_s = result.wall_s - limit_s, time.process_time() - used_s[0]
    known = "-" if result.bound_j is None else "b"
    known = {Status.INFEASIBLE: "x", Status.NO_SOLUTION: known}.get(result.status, "+")
    pipe.send("/".join(f"{max(seconds, 0.0):.2f}" for seconds in late_s) + known)


def overrun(data: Instance, problem: str, method: str, limit_s: float) -> str:
    """Seconds beyond the limit in words, 0 where the method ended before."""
    here, there = multiprocessing.Pipe(duplex=False)
    arguments = there, data, problem, method, limit_s
    process = multiprocessing.get_context("fork").Process(target=_run, args=arguments)
    process.start()
    there.close()
    try:
        late = str(here.recv()) if here.poll(KILL * limit_s) else "killed"
    except EOFError:
        late = "died"
    process.kill()
    process.join()
    return late


def measured(record: Path | None) -> dict[tuple[str, ...], str]:
    """What the file has: size, problem, method, limit, and how late it was."""
    lines = record.read_text().splitlines() if record and record.exists() else []
    return {tuple(key): late for key, late in map(json.loads, lines)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=float, default=2.0, help="seconds")
    parser.add_argument("--sizes", default=",".join(SIZES))
    parser.add_argument("--methods", default="", help="as in jesa/exact")
    parser.add_argument("--record", type=Path)
    arguments = parser.parse_args()
    rows = [
        (problem, name)
        for problem, methods in METHODS.items()
        for name, row in methods.items()
        if row.takes("time_limit")
    ]
    if arguments.methods:
        wanted = arguments.methods.split(",")
        rows = [row for row in rows if "/".join(row) in wanted]
    prepare("jesa")
    for problem, method in rows:
        solve(generate("tiny", 0), problem, method)
    known = measured(arguments.record)
    print(f"limit {arguments.limit:g} s\n")
    print("| size | " + " | ".join("/".join(row) for row in rows) + " |")
    print("|---|" + "---|" * len(rows))
    for size in arguments.sizes.split(","):
        data = SIZES[size]()
        assert isinstance(data, Instance)
        print(f"| {size} |", end="", flush=True)
        for problem, method in rows:
            key = size, problem, method, str(arguments.limit)
            if key not in known:
                known[key] = overrun(data, problem, method, arguments.limit)
                if arguments.record:
                    with arguments.record.open("a") as file:
                        file.write(json.dumps([key, known[key]]) + "\n")
            print(f" {known[key]} |", end="", flush=True)
        print(flush=True)


if __name__ == "__main__":
    main()
