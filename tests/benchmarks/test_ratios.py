"""Speed as ratios: each piece of work beside a yardstick of the same run.

Runs on different days can thus be compared:

python -m pytest tests/benchmarks --benchmark-json run.json
python tests/benchmarks/change.py run.json
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

import dmoe_opt
from dmoe_opt.data.instance import as_problem
from dmoe_opt.joint.bcd import solve_bcd
from dmoe_opt.layers import protocol
from dmoe_opt.offload import policies, presets
from dmoe_opt.offload.episode import draw
from dmoe_opt.offload.simulate import run
from dmoe_opt.selection import des

Work = Callable[[], Any]


def selection(preset: str, tokens: int, **changes: Any) -> tuple[Work, Work]:
    """DES against numpy sorting the ratios of cost to score, what any method that sorts needs."""
    problem = as_problem(dmoe_opt.generate(preset, 1, num_tokens=tokens, **changes))
    ratios = problem.cost / np.maximum(problem.scores, 1e-12)
    return lambda: dmoe_opt.solve(problem), lambda: np.argsort(ratios, axis=1)


def descent() -> tuple[Work, Work]:
    """Block coordinate descent against the one assignment of all its links."""
    round_ = dmoe_opt.load("edge-8x64-s1")
    cost = round_.link_energy[~np.eye(8, dtype=bool)]
    return lambda: solve_bcd(round_), lambda: linear_sum_assignment(cost)


def joint(name: str, method: str) -> tuple[Work, Work]:
    """A joint method against the descent."""
    round_ = dmoe_opt.load(name)
    return lambda: dmoe_opt.solve(round_, "jesa", method), lambda: dmoe_opt.solve(
        round_, "jesa", "bcd"
    )


def checking() -> tuple[Work, Work]:
    """The checker, as far as it recomputes, against the descent whose answer it checks."""
    round_ = dmoe_opt.load("edge-8x64-s1")
    result = dmoe_opt.solve(round_, "jesa", "bcd")

    def recompute() -> object:
        return dmoe_opt.check(round_, result, patience_s=0)

    return recompute, lambda: dmoe_opt.solve(round_, "jesa", "bcd")


def reading(folder: Path) -> tuple[Work, Work]:
    """An instance from a file, validated, against plain JSON."""
    path = folder / "round.json"
    dmoe_opt.save(dmoe_opt.generate("edge-8x64", 1), path)
    return lambda: dmoe_opt.load(path), lambda: json.loads(path.read_text())


def layers() -> tuple[Work, Work]:
    """Four layers of the protocol against DES and assignment alone on as many rounds."""
    round_ = dmoe_opt.load("digits-l4")
    return lambda: protocol.run("digits", scheduler="joint"), lambda: [
        solve_bcd(round_) for _ in range(4)
    ]


def episode() -> tuple[Work, Work]:
    """An episode under the greedy rule against numpy taking all its best rewards at once."""
    drawn = draw(presets.preset("busy"), 0)
    return lambda: run(drawn, policies.RULES["greedy"](0)), lambda: [
        row.argmax() for row in drawn.reward
    ]


PAIRS: dict[str, Callable[[Path], tuple[Work, Work]]] = {
    "DES, 8 experts / argsort": lambda _: selection("edge-8x64", 2000),
    "DES, 64 experts / argsort": lambda _: selection("olmoe-64", 2000),
    "DES, 256 experts / argsort": lambda _: selection("deepseek-256", 500, num_subcarriers=8),
    "DES, hard tokens / argsort": lambda _: selection(
        "inverse-strongly-correlated", 200, num_experts=32, max_experts=4
    ),
    "bcd / one assignment": lambda _: descent(),
    "lagrangian / bcd": lambda _: joint("edge-8x64-s1", "lagrangian"),
    "exact / bcd": lambda _: joint("edge-8x64-s1", "exact"),
    "exact, scarce spectrum / bcd": lambda _: joint("scarce-8x36-s0", "exact"),
    "check / bcd": lambda _: checking(),
    "load / json.loads": reading,
    "protocol, 4 layers / 4 bcd": lambda _: layers(),
    "greedy episode / numpy": lambda _: episode(),
}


@pytest.mark.parametrize("part", ["work", "yardstick"])
@pytest.mark.parametrize("name", PAIRS)
def test_ratio(benchmark: Any, name: str, part: str, tmp_path: Path) -> None:
    """Times of the two; whatever they return is something."""
    des.prepare()
    work, yardstick = PAIRS[name](tmp_path)
    benchmark.group = name
    assert benchmark(work if part == "work" else yardstick) is not None
