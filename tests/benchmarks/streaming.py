"""`dmoe-opt solve --stream` with one thread, two threads, and dask, in turn.

python tests/benchmarks/streaming.py FILE.npz [--tokens N] [--runs N]

Writes a file of N tokens first, if there is none: 64 experts, gates of spread 1.5, uniform costs,
at most 8 experts, threshold 0.4. Prints a table of tests/benchmarks/README.md in Markdown. Seconds
on the processor count all processes of a command, with its start; divided by the seconds on the
clock they are the processors that it had.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from dmoe_opt import SelectionProblem, save

EXPERTS = 64
AT_ONCE = 100_000
WAYS = {
    "--threads 1": ["--threads", "1"],
    "--threads 2": ["--threads", "2"],
    "--backend dask --threads 2": ["--backend", "dask", "--threads", "2"],
}


def write(path: Path, tokens: int) -> None:
    """A file whose tables are drawn block by block."""
    small = path.with_name("small.npz")
    drawn = _drawn(np.random.default_rng(0), 1)
    save(SelectionProblem(**drawn, threshold=np.array([0.4]), max_experts=8), small)
    with zipfile.ZipFile(small) as old, zipfile.ZipFile(path, "w") as new:
        for member in old.namelist():
            name = member.removesuffix(".npy")
            with new.open(member, "w", force_zip64=True) as file:
                if name not in ("scores", "cost", "threshold"):
                    file.write(old.read(member))
                else:
                    _write_table(file, name, tokens)
    small.unlink()


def _write_table(file: IO[bytes], name: str, tokens: int) -> None:
    shape = (tokens,) if name == "threshold" else (tokens, EXPERTS)
    head = {"descr": "<f8", "fortran_order": False, "shape": shape}
    npy.write_array_header_1_0(file, head)
    rng = np.random.default_rng(1)
    for first in range(0, tokens, AT_ONCE):
        count = min(AT_ONCE, tokens - first)
        drawn = _drawn(rng, count) | {"threshold": np.full(count, 0.4)}
        file.write(np.ascontiguousarray(drawn[name], dtype="<f8").tobytes())


def _drawn(rng: np.random.Generator, tokens: int) -> dict[str, Any]:
    scores = np.exp(1.5 * rng.standard_normal((tokens, EXPERTS)))
    scores /= scores.sum(axis=1, keepdims=True)
    return {"scores": scores, "cost": rng.uniform(1e-3, 2e-3, (tokens, EXPERTS))}


def run(path: Path, options: list[str]) -> tuple[dict[str, Any], float, float]:
    """What the command prints, and its seconds on the clock and on the processor."""
    command = [sys.executable, "-m", "dmoe_opt", "solve", str(path), "--stream", "--json", *options]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    wall_s = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return json.loads(printed), wall_s, spent_s


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=2)
    arguments = parser.parse_args()
    if not arguments.file.exists():
        write(arguments.file, arguments.tokens)
    print("| `--stream` with | tokens per s | s | processor s | processors | peak MiB | energy J |")
    print("|---|---|---|---|---|---|---|")
    for _ in range(arguments.runs):
        for name, options in WAYS.items():
            answer, wall_s, spent_s = run(arguments.file, options)
            print(
                f"| `{name}` | {answer['tokens_per_s']:,.0f} | {wall_s:.1f} | {spent_s:.1f} | "
                f"{spent_s / wall_s:.2f} | {answer['peak_bytes'] / 2**20:.0f} | "
                f"{answer['objective_j']!r} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
