"""Where to put the experts: exact programs, and the search with its bound on many experts.

    python tests/benchmarks/placing.py [exact] [many]

`exact` has 12 experts on 4 nodes and 64 tokens; `many` 64 experts on 8 nodes, 2,000 tokens seen and
2,000 held out. Gates are drawn: "independent" as in the preset olmoe-64, or in "topics": each token
has one of 12 topics, which favours some experts, so that experts are used together.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from dmoe_opt.comparing.placements import place
from dmoe_opt.data.instance import Instance
from dmoe_opt.generating import gates
from dmoe_opt.generating.nodes import rounds_on_nodes
from dmoe_opt.generating.traces import Trace
from dmoe_opt.models import placement_cvxpy, placement_pyomo
from dmoe_opt.placing.problem import problem_of
from dmoe_opt.placing.rounds import split
from dmoe_opt.placing.search import local_search
from dmoe_opt.selection.baselines import topk_selection

TOPICS = 12


def drawn(kind: str, experts: int, nodes: int, tokens: int, most: int, seed: int) -> list[Instance]:
    """Rounds of drawn gates on drawn nodes."""
    rng = np.random.default_rng(seed)
    logits = gates.random_logits(rng, tokens, experts, 2.0)
    if kind == "topics":
        favour = rng.normal(0.0, 1.5, (TOPICS, experts))
        logits = favour[rng.integers(TOPICS, size=tokens)] + rng.normal(0.0, 1.0, logits.shape)
    trace = Trace(gates.softmax(logits)[None], experts_per_token=most, source=kind)
    return rounds_on_nodes(trace, nodes, seed=seed, name=kind)


def exact() -> None:
    """Seconds to prove 12 experts on 4 nodes, 64 tokens, with and without the choice of experts."""
    print("| gates | D | experts of tokens | Pyomo s | CVXPY s | search above optimum % |")
    print("|---|---|---|---|---|---|")
    for kind in ("independent", "topics"):
        for most in (2, 4):
            rounds = drawn(kind, 12, 4, 64, most, seed=1)
            topk = [topk_selection(round_.selection_problem()) for round_ in rounds]
            problem = problem_of(rounds, topk)
            searched = local_search(problem)
            for choice in (None, rounds[0].selection_problem()):
                cells = []
                for model in (placement_pyomo, placement_cvxpy):
                    started = time.perf_counter()
                    found = model.solve(problem, choice, time_limit=120.0)
                    seconds = time.perf_counter() - started
                    gap = 1 - (found.bound_j or 0.0) / (found.energy_j or np.inf)
                    cells.append(f"{seconds:.1f}" if gap < 1e-6 else f"120, gap {100 * gap:.1f} %")
                above = "" if choice else f"{100 * (searched.energy_j / found.energy_j - 1):.3f}"
                how = "chosen too" if choice else "Top-k"
                print(f"| {kind} | {most} | {how} | {' | '.join(cells)} | {above} |", flush=True)


def many() -> None:
    """64 experts on 8 nodes, 2,000 tokens seen and as many held out."""
    for kind in ("independent", "topics"):
        seen, held_out = split(drawn(kind, 64, 8, 4000, 8, seed=1), 0.5)
        started = time.perf_counter()
        study = place(seen, held_out=held_out)
        seconds = time.perf_counter() - started
        print(f"\n{kind}, {study.tokens} tokens: {seconds:.0f} s, gap {100 * study.gap:.2f} %,")
        print(f"{100 * study.sending_gap:.1f} % of sending\n")
        print("| placement | energy mJ | sending mJ | held out mJ | held-out sending mJ |")
        print("|---|---|---|---|---|")
        for row in study.rows:
            energies = (row.energy_j, row.sending_j, row.held_out_j, row.held_out_sending_j)
            cells = " | ".join(f"{1e3 * energy:.4f}" for energy in energies)
            print(f"| {row.placement} | {cells} |", flush=True)


if __name__ == "__main__":
    for part in sys.argv[1:] or ("exact", "many"):
        {"exact": exact, "many": many}[part]()
