"""Speed of expert selection, as ratios within one run.

python tests/benchmarks/selection.py

Every number is the best of several runs on one thread, in microseconds per token. Methods
alternate, and compilation is reported apart. `argsort` is numpy sorting the ratios e/g of all
tokens in one call: the floor of any sorting method.
"""

from __future__ import annotations

import math
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from dmoe_opt import check, generate, load, save, solve
from dmoe_opt.data.instance import as_problem
from dmoe_opt.data.problem import SelectionProblem
from dmoe_opt.selection import des
from dmoe_opt.selection.search import UNLIMITED, Search


def best_us(work: Callable[[], object], tokens: int, runs: int) -> float:
    """Best time of some runs, microseconds a token."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return 1e6 * min(times) / tokens


def highs_direct(problem: SelectionProblem, tokens: int) -> Callable[[], object]:
    """HiGHS called through highspy, one model a token, tolerances as in the models."""
    import highspy

    def work() -> None:
        for t in range(tokens):
            solver = highspy.Highs()
            solver.silent()
            for name in ("primal_feasibility_tolerance", "mip_feasibility_tolerance"):
                solver.setOptionValue(name, 1e-9)
            for name in ("mip_rel_gap", "mip_abs_gap"):
                solver.setOptionValue(name, 0.0)
            solver.setOptionValue("threads", 1)
            solver.setOptionValue("time_limit", 60.0)
            unit_j = problem.cost[t].mean()
            x = [solver.addBinary(obj=float(e)) for e in problem.cost[t] / unit_j]
            if problem.node_cost is not None:
                sent = [solver.addBinary(obj=float(p)) for p in problem.node_cost[t] / unit_j]
                for j, n in enumerate(problem.placement):
                    solver.addConstr(x[j] <= sent[n])
            solver.addConstr(
                sum(float(g) * v for g, v in zip(problem.scores[t], x, strict=True))
                >= float(problem.threshold[t])
            )
            solver.addConstr(sum(x) <= problem.max_experts)
            solver.run()

    return work


def gurobi_direct(problem: SelectionProblem, tokens: int) -> Callable[[], object] | None:
    """Gurobi through gurobipy, if it is installed; its free licence takes models of this size."""
    try:
        import gurobipy
    except ImportError:
        return None
    environment = gurobipy.Env(
        params={"OutputFlag": 0, "Threads": 1, "MIPGap": 0, "FeasibilityTol": 1e-9}
    )

    def work() -> None:
        for t in range(tokens):
            model = gurobipy.Model(env=environment)
            x = model.addMVar(
                problem.num_experts, vtype="B", obj=problem.cost[t] / problem.cost[t].mean()
            )
            model.addConstr(problem.scores[t] @ x >= problem.threshold[t])
            model.addConstr(x.sum() <= problem.max_experts)
            model.optimize()

    return work


def radio_presets() -> None:
    """Per token on the radio presets: kernel, whole call with checks, floor, solvers."""
    print(
        "\n| preset | experts | DES | DES in all | argsort | HiGHS | Gurobi "
        "| DES / argsort | HiGHS / DES | Gurobi / DES | nodes |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for preset, changes in (
        ("edge-8x64", {}),
        ("olmoe-64", {}),
        ("qwen3-128", {}),
        ("deepseek-256", {"num_subcarriers": 8}),
    ):
        problem = as_problem(generate(preset, 1, num_tokens=2000, **changes))
        search = Search(problem)
        ratios = problem.cost / np.maximum(problem.scores, 1e-12)
        kernel, floor = math.inf, math.inf
        for _ in range(5):
            run = partial(search.run, slice(None), UNLIMITED)
            kernel = min(kernel, best_us(run, 2000, 3))
            floor = min(floor, best_us(lambda: np.argsort(ratios, axis=1), 2000, 3))  # noqa: B023
        whole = best_us(lambda: solve(problem), 2000, 5)  # noqa: B023
        highs = best_us(highs_direct(problem, 20), 20, 2)
        other = gurobi_direct(problem, 20)
        gurobi = best_us(other, 20, 2) if other else None
        print(
            f"| {preset} | {problem.num_experts} | {kernel:.2f} | {whole:.2f} | {floor:.2f} | "
            f"{highs:,.0f} | "
            f"{'not installed' if gurobi is None else f'{gurobi:,.0f}'} | {kernel / floor:.1f} "
            f"| {highs / kernel:,.0f} | "
            f"{'' if gurobi is None else f'{gurobi / kernel:,.0f}'} | {search.nodes.mean():.1f} |"
        )


def many_tokens() -> None:
    """A file of 100,000 tokens and 64 experts: load, solve, check, and the peak of memory."""
    problem = generate("uncorrelated", 1, num_tokens=100_000)
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("npz", "json"):
            path = Path(folder) / f"x.{suffix}"
            save(problem, path)
            started = time.perf_counter()
            data = load(path)
            loaded = time.perf_counter()
            result = solve(data)
            solved = time.perf_counter()
            found = check(data, result)
            peak = (
                resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                / (1 if sys.platform == "darwin" else 1024)
                / 1024
            )
            print(
                f"100,000 tokens x 64 experts, {suffix} of {path.stat().st_size / 2**20:.0f} MiB: "
                f"load {loaded - started:.1f} s, "
                f"solve {solved - loaded:.1f} s ({result.status}), check "
                f"{time.perf_counter() - solved:.1f} s "
                f"({len(found)} violations); peak of the process {peak:.2f} GiB"
            )


def main() -> None:
    """All of it."""
    print(
        f"compiling DES or loading it from its cache: {des.prepare():.1f} s; "
        "all times in microseconds a token"
    )
    many_tokens()
    radio_presets()


if __name__ == "__main__":
    main()
