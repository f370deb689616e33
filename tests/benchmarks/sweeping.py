"""The cost of a sweep beside its work: `python tests/benchmarks/sweeping.py`.

The work is a bare loop of `generate` and `solve` over the same jobs, split among as many
processes. Seconds are the sum over all processors, which other programs disturb less than the
clock. Two sweeps of different length tell the cost of starting from the cost of a job.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LOOP = """
import time
from dmoe_opt import generate, solve
solve(generate("tiny", 0), "jesa", "bcd")
started = time.process_time()
for seed in range({begin}, {end}):
    solve(generate("edge-8x64", seed), "jesa", "bcd", seed=seed)
print(time.process_time() - started)
"""


def bare(jobs: int, workers: int) -> float:
    """Processor seconds of loops that share the jobs, without their start."""
    ends = [jobs * k // workers for k in range(workers + 1)]
    loops = [
        subprocess.Popen(
            [sys.executable, "-c", LOOP.format(begin=a, end=b)], stdout=subprocess.PIPE, text=True
        )
        for a, b in itertools.pairwise(ends)
    ]
    return sum(float(loop.communicate()[0]) for loop in loops)


def swept(jobs: int, workers: int, backend: str) -> tuple[float, float, int]:
    """Processor and clock seconds of a sweep, and the most memory of a process in bytes."""
    with tempfile.TemporaryDirectory() as folder:
        plan, out = Path(folder) / "plan.toml", Path(folder) / "out"
        plan.write_text(
            f'[grid]\npreset = "edge-8x64"\nseeds = {jobs}\nproblem = "jesa"\nmethod = "bcd"\n'
        )
        command = ["sweep", str(plan), "-o", str(out), "--backend", backend, "--jobs", str(workers)]
        watch = "import resource, subprocess, sys; "
        watch += "command = [sys.executable, '-m', 'dmoe_opt', *sys.argv[1:]]; "
        watch += "subprocess.run(command, check=True); "
        watch += "used = resource.getrusage(resource.RUSAGE_CHILDREN); "
        watch += "print(used.ru_utime + used.ru_stime, used.ru_maxrss)"
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", watch, *command], check=True, capture_output=True, text=True
        )
        wall = time.perf_counter() - started
        assert (
            len(
                {
                    json.loads(line)["key"]
                    for line in (out / "results.jsonl").read_text().splitlines()
                }
            )
            == jobs
        )
        spent, memory = done.stdout.split()[-2:]
        return float(spent), wall, 1024 * int(memory)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--backend", choices=("loky", "dask"), default="loky")
    given = parser.parse_args()
    few = given.jobs // 5
    before, short, long, after = (
        bare(given.jobs, given.workers),
        swept(few, given.workers, given.backend),
        swept(given.jobs, given.workers, given.backend),
        bare(given.jobs, given.workers),
    )
    work = 0.5 * (before + after)
    slope = (long[0] - short[0]) / (given.jobs - few)
    print(
        f"work, bare loops on {given.workers} processes: {work:.1f} s ({before:.1f} before, "
        f"{after:.1f} after)"
    )
    print(
        f"{given.backend}, {given.jobs:,} jobs: {long[0]:.1f} s, {long[1]:.1f} s by the clock, "
        f"{long[0] / work - 1:+.0%}"
    )
    print(
        f"of it {short[0] - few * slope:.1f} s to start, and "
        f"{slope * given.jobs / work - 1:+.0%} a job"
    )
    print(
        f"most memory of a process: {long[2] / 2**20:.0f} MiB, with {few:,} jobs "
        f"{short[2] / 2**20:.0f} MiB"
    )


if __name__ == "__main__":
    main()
