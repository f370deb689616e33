"""How often distinct best subcarriers prove that a round is optimal.

python tests/benchmarks/asymptotics.py [--rounds N] [--plot FILE.png]

Rounds have 8 experts, 128 tokens and M subcarriers, with independent or correlated fading. The
table has the share of rounds in which the best subcarriers of all 56 links differ, and the share
in which those of the active links differ, which proves the optimum. Beside them stands the product
prod_{k<n} (1 - k/M) of docs/problems/joint.md for n = 56, and its mean over the n active links of
each round. Intervals are Wilson's, 95 %.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
from scipy import stats

from dmoe_opt import Instance, generate
from dmoe_opt.answer.objective import loads
from dmoe_opt.selection.relaxed import relaxed_bound

SIZES = (64, 256, 1024, 4096, 16384)
FADING: dict[str, dict[str, object]] = {
    "independent": {"fading": "rayleigh"},
    "16 taps": {"fading": "tapped", "taps": 16, "tap_decay_db": 0.5},
    "4 taps": {"fading": "tapped", "taps": 4},
}


def product(links: int, subcarriers: int) -> float:
    """Probability that independent, uniform best subcarriers of so many links all differ."""
    return math.prod(1 - k / subcarriers for k in range(min(links, subcarriers + 1)))


def look(data: Instance) -> tuple[bool, bool, int]:
    """Whether the best subcarriers of all links differ, the same for active ones, their number."""
    best = data.link_energy.argmin(axis=2)
    everywhere = best[~np.eye(data.num_experts, dtype=bool)]
    active = best[loads(data, relaxed_bound(data)[0]) > 0]
    return (
        len(set(everywhere.tolist())) == len(everywhere),
        len(set(active.tolist())) == len(active),
        len(active),
    )


def interval(hits: int, number: int) -> tuple[float, float]:
    """95 % confidence interval of a share (Wilson)."""
    found = stats.binomtest(hits, number).proportion_ci(method="wilson")
    return float(found.low), float(found.high)


def main() -> None:
    """Print the table, and draw it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--plot", metavar="FILE.png")
    arguments = parser.parse_args()
    header = "fading | subcarriers | active links | all differ % | product % "
    header += "| active differ: proven % | product % "
    print(f"| {header}|\n|{'---|' * header.count('|')}---|", flush=True)
    curves: dict[str, list[tuple[float, ...]]] = {}
    for name, options in FADING.items():
        for size in SIZES:
            number = arguments.rounds if size < 16384 else max(arguments.rounds // 3, 1)
            seen = []
            for seed in range(number):
                data = generate("edge-8x64", seed, num_subcarriers=size, **options)
                assert isinstance(data, Instance)
                seen.append(look(data))
            everywhere, active = (sum(row[k] for row in seen) for k in (0, 1))
            links = [row[2] for row in seen]
            expected = float(np.mean([product(n, size) for n in links]))
            cells = [
                f"{100 * hits / number:.1f} ({100 * low:.1f} to {100 * high:.1f})"
                for hits in (everywhere, active)
                for low, high in (interval(hits, number),)
            ]
            curves.setdefault(name, []).append(
                (active / number, *interval(active, number), expected)
            )
            print(
                f"| {name} | {size:,} | {np.mean(links):.1f} | {cells[0]} | "
                f"{100 * product(56, size):.1f} | {cells[1]} "
                f"| {100 * expected:.1f} |",
                flush=True,
            )
    if arguments.plot:
        draw(arguments.plot, curves)


def draw(path: str, curves: dict[str, list[tuple[float, ...]]]) -> None:
    """The share of rounds that are proven, with intervals, and the product."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.subplots()
    for (name, rows), colour, marker in zip(
        curves.items(), ("#0072B2", "#E69F00", "#009E73"), "osD", strict=True
    ):
        share, low, high, expected = 100 * np.array(rows).T
        spread = np.maximum([share - low, high - share], 0.0)
        axes.errorbar(
            SIZES, share, yerr=spread, color=colour, marker=marker, capsize=3, lw=1.2, label=name
        )
        if name == "independent":
            axes.plot(SIZES, expected, "--", color="0.4", lw=1, label="product, independent fading")
    axes.set_xscale("log", base=2)
    axes.set_xticks(SIZES, [f"{m:,}" for m in SIZES])
    axes.set(xlabel="subcarriers M (logarithmic)", ylim=(-3, 103))
    axes.set_ylabel("rounds proven optimal by the bound, %")
    axes.grid(lw=0.5, alpha=0.5)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    main()
