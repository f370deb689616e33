"""`exact` judged: against enumeration, and beside the whole program on HiGHS.

PYTHONPATH=. python tests/benchmarks/agreement.py [--count N] [--beside N]

Prints two tables of tests/benchmarks/README.md in Markdown. Rounds are drawn by seed.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from dmoe_opt import Instance, Status, generate, solve
from dmoe_opt.joint.highs import factor_of
from dmoe_opt.joint.open_part import everything
from dmoe_opt.joint.program import solve_open
from tests.campaigns.brute_force import TooLarge, truth
from tests.campaigns.drawn_rounds import draw
from tests.campaigns.rounds import judge, made

BESIDE_S = 20.0
LATE_S = 0.2
"""What `exact` may take longer than the whole program."""


def table(title: str, header: str) -> None:
    """Head of a Markdown table."""
    columns = header.split(" | ")
    print(f"\n{title}\n\n| {header} |\n|{'---|' * len(columns)}", flush=True)


def agreement(count: int) -> None:
    """`exact` against the brute force of the campaigns, on rounds small enough for it."""
    table(
        f"`exact` against enumeration on {count:,} drawn small rounds",
        "rounds | drawn | without an answer | too large to enumerate | disagree",
    )
    for name, share in (("campaigns", 0.5), ("contested", 0.25), ("heavy-tailed", 0.25)):
        tally = dict.fromkeys(("drawn", "without", "large", "wrong"), 0)
        seed = 0
        while tally["drawn"] < share * count:
            rng = np.random.default_rng(seed)
            fields = draw(rng) if name == "campaigns" else _small(name, seed, rng)
            seed += 1
            try:
                right = truth(fields)
            except TooLarge:
                tally["large"] += 1
                continue
            tally["drawn"] += 1
            tally["without"] += right.optimum is None
            tally["wrong"] += bool(judge(fields, solve(made(fields), "jesa", "exact"), right))
        print(f"| {name} | {' | '.join(map(str, tally.values()))} |", flush=True)


def _small(family: str, seed: int, rng: np.random.Generator) -> dict[str, Any]:
    """The fields of a contested or heavy-tailed round of 3 or 4 experts and a few tokens."""
    data = generate(
        f"{family}-4x8",
        seed,
        num_experts=int(rng.integers(3, 5)),
        num_tokens=int(rng.integers(3, 9)),
        num_subcarriers=int(rng.integers(3, 9)),
    )
    assert isinstance(data, Instance)
    names = ("source", "scores", "threshold", "max_experts", "compute_energy", "on_shortfall")
    return {name: getattr(data, name) for name in names} | {"link_energy": data.link_energy}


def beside(count: int) -> None:
    """`exact` beside the whole program on HiGHS, without a modelling layer, on drawn rounds.

    Both use one thread, and processor time is what other processes change least. HiGHS is asked
    only where `exact` took long enough to be slower by more than `LATE_S`.
    """
    table(
        f"`exact` beside the whole program handed to HiGHS itself on {count} drawn rounds of up to "
        f"8 experts, up to {BESIDE_S:g} s each; seconds of processor time",
        f"family | rounds | settled by exact | longest exact | rounds with exact above {LATE_S:g} "
        f"| of these, above HiGHS by {LATE_S:g} | shortest and longest HiGHS there",
    )
    for family in ("edge-8x64", "contested-4x8", "heavy-tailed-4x8"):
        rounds = [_drawn(family, seed) for seed in range(count // 3)]
        answers = [_exact(data) for data in rounds]
        longest = max(spent for _, spent in answers)
        settled = sum(ok for ok, _ in answers)
        slow = [
            (spent, _whole(data))
            for data, (_, spent) in zip(rounds, answers, strict=True)
            if spent > LATE_S
        ]
        late = sum(spent > whole + LATE_S for spent, whole in slow)
        others = [whole for _, whole in slow]
        span = f"{min(others):.2f} to {max(others):.2f}" if others else "not asked"
        print(
            f"| {family} | {len(rounds)} | {settled} | {longest:.2f} | {len(slow)} | {late} | "
            f"{span} |",
            flush=True,
        )


def _drawn(family: str, seed: int) -> Instance:
    """A round of 3 to 8 experts whose subcarriers are from scarce to one for each link."""
    rng = np.random.default_rng(seed)
    experts = int(rng.integers(3, 9))
    carriers = int(rng.integers(experts, experts * (experts - 1) + 1))
    sizes = {"num_experts": experts, "num_tokens": 4 * experts, "num_subcarriers": carriers}
    data = generate(family, seed, **sizes, share=float(rng.uniform(0.4, 0.7)))
    assert isinstance(data, Instance)
    return data


def _exact(data: Instance) -> tuple[bool, float]:
    """Whether `exact` settles a round, and its seconds."""
    started = time.process_time()
    answer = solve(data, "jesa", "exact", time_limit=BESIDE_S)
    settled = answer.status in (Status.OPTIMAL, Status.INFEASIBLE)
    return settled, time.process_time() - started


def _whole(data: Instance) -> float:
    """Seconds of HiGHS on the whole program of a round."""
    started = time.process_time()
    solve_open(data, everything(data), factor_of(data), time_limit=BESIDE_S)
    return time.process_time() - started


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=2_000)
    parser.add_argument("--beside", type=int, default=300)
    arguments = parser.parse_args()
    for data in (generate("tiny", 1), generate("scarce-8x36", 1)):
        solve(data, "jesa", "exact")  # compile
    agreement(arguments.count)
    beside(arguments.beside)


if __name__ == "__main__":
    main()
