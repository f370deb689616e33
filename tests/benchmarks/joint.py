"""Joint allocation measured.

python tests/benchmarks/joint.py [--seeds N] [--families NAME,...] [--plot FILE.png]
    [--only TABLE,...]

Prints the tables of tests/benchmarks/README.md in Markdown: gaps over seeds, `exact` against the
whole integer program on HiGHS in the same run, large rounds, refutations, and the growth of the
time of `bcd`. All runs use one thread, and compilation is apart. The machine is shared, so compare
times within one table.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from dmoe_opt import Instance, Result, Status, generate, solve
from dmoe_opt.joint.descent import conclude, descend_from
from dmoe_opt.selection.relaxed import relaxed_bound

FAMILIES = (
    "edge-8x64",
    "correlated-8x64",
    "interference-8x64",
    "nr-51",
    "scarce-8x36",
    "scarce-8x48",
    "contested-3x4",
    "contested-4x8",
    "contested-6x20",
    "heavy-tailed-4x8",
    "heavy-tailed-6x20",
)
AGAINST = (
    ("edge-8x64", 5),
    ("correlated-8x64", 3),
    ("interference-8x64", 3),
    ("nr-51", 3),
    ("scarce-8x36", 4),
    ("scarce-8x48", 4),
    ("edge-12x132", 2),
    ("edge-16x240", 1),
)
LIMIT_S = 100.0


def rounds(preset: str, seeds: range, **options: object) -> Iterator[Instance]:
    """Rounds of a preset."""
    for seed in seeds:
        data = generate(preset, seed, **options)
        assert isinstance(data, Instance)
        yield data


def table(title: str, header: str) -> None:
    """Head of a Markdown table."""
    columns = header.split(" | ")
    print(f"\n{title}\n\n| {header} |\n|{'---|' * len(columns)}", flush=True)


def percent(value: float) -> str:
    """A gap in per cent, 0 as 0."""
    return "0" if value < 1e-9 else f"{100 * value:.2g}"


def gaps(seeds: int, families: Sequence[str]) -> None:
    """How far the heuristics end above the optimum, and their time over that of the descent."""
    table(
        f"Energy above the proven optimum over seeds 0 to {seeds - 1}, %; times of the processor, "
        "in ms in the median, and all together over those of the descent alone",
        "family | optimum proven | no answer exists | method | no answer found | optimal | median "
        "| mean | 90 % of seeds | worst | time | / descent",
    )
    methods: dict[str, Callable[[Instance], Result]] = {
        "descent": _descent_alone,
        "bcd": lambda data: solve(data, "jesa", "bcd"),
        "bcd, 10 restarts": lambda data: solve(data, "jesa", "bcd", restarts=10),
        "lagrangian": lambda data: solve(data, "jesa", "lagrangian"),
    }
    for family in families:
        above: dict[str, list[float]] = {name: [] for name in methods}
        spent_s: dict[str, list[float]] = {name: [] for name in methods}
        none = 0
        for data in rounds(family, range(seeds)):
            best = solve(data, "jesa", "exact", time_limit=LIMIT_S)
            none += best.status == Status.INFEASIBLE
            if best.status != Status.OPTIMAL:
                continue
            for name, method in methods.items():
                started = time.process_time()
                result = method(data)
                spent_s[name].append(time.process_time() - started)
                above[name].append(_above(result, best))
        for name in methods:
            gap, time_s = np.array(above[name]), np.array(spent_s[name])
            gap, missed = gap[np.isfinite(gap)], int(np.isinf(gap).sum())
            low, high, worst = np.quantile(gap, [0.5, 0.9, 1.0], method="inverted_cdf")
            cells = [low, gap.mean(), high, worst]
            print(
                f"| {family} | {len(time_s)} | {none} | {name} | {missed} | {(gap < 1e-6).sum()} | "
                f"{' | '.join(map(percent, cells))} | {1e3 * np.median(time_s):.1f} | "
                f"{time_s.sum() / sum(spent_s['descent']):.1f} |",
                flush=True,
            )


def _descent_alone(data: Instance) -> Result:
    """The descent of the paper, `bcd` without steps of the price ascent."""
    selection, bound_j = relaxed_bound(data)
    return conclude(data, "descent", descend_from(data, selection), bound_j, {}, "no answer")


def _above(result: Result, best: Result) -> float:
    if result.objective_j is None or best.objective_j is None:
        return float("inf")
    return max(result.objective_j / best.objective_j - 1, 0.0)


def against() -> None:
    """`exact` and the whole program of docs/problems/joint.md on HiGHS, alternating."""
    table(
        "`exact` against the whole integer program on HiGHS (`pyomo`, objective scaled), up to "
        f"{LIMIT_S:g} s each",
        "preset | seed | exact s | status | whole program s | status | ratio | energies differ by",
    )
    ratios: dict[str, list[float]] = {}
    for preset, seeds in AGAINST:
        for data in rounds(preset, range(seeds)):
            exact = solve(data, "jesa", "exact", time_limit=LIMIT_S)
            whole = solve(data, "jesa", "pyomo", time_limit=LIMIT_S)
            differ = "–"
            if exact.objective_j is not None and whole.objective_j is not None:
                differ = f"{whole.objective_j / exact.objective_j - 1:.1e}"
            ratio = whole.wall_s / exact.wall_s
            ratios.setdefault("K = 8" if data.num_experts == 8 else preset, []).append(ratio)
            print(
                f"| {preset} | {data.meta['seed']} | {exact.wall_s:.3f} | {exact.status} | "
                f"{whole.wall_s:.1f} | {whole.status} "
                f"| {ratio:,.0f} | {differ} |",
                flush=True,
            )
    means = ", ".join(
        f"{name}: {np.exp(np.log(values).mean()):,.0f}" for name, values in ratios.items()
    )
    print(f"\nGeometric mean of the ratios: {means}.", flush=True)


def large() -> None:
    """Rounds far beyond the whole program."""
    table(
        "Large rounds; `bcd` with its bound, best of 3; `exact` with a limit of 60 s",
        "round | experts | subcarriers | tokens | seed | bcd ms | gap % | exact s | gap % | "
        "status | iterations",
    )
    for preset, seeds, options in (
        ("nr-273", 5, {}),
        ("wide-32x1024", 3, {}),
        ("scarce-16x150", 3, {}),
        ("scarce-16x150", 2, {"spread": 1.0}),
        ("scarce-16x150", 2, {"spread": 0.7}),
    ):
        for data in rounds(preset, range(seeds), **options):
            bcd = min((solve(data, "jesa", "bcd") for _ in range(3)), key=lambda r: r.wall_s)
            exact = solve(data, "jesa", "exact", time_limit=60)
            name = preset + "".join(f", {key} {value}" for key, value in options.items())
            cells = [r.gap if r.gap is None else 100 * r.gap for r in (bcd, exact)]
            first, second = ("–" if c is None else f"{c:.2g}" for c in cells)
            print(
                f"| {name} | {data.num_experts} | {data.num_subcarriers} | {data.num_tokens} | "
                f"{data.meta['seed']} "
                f"| {1e3 * bcd.wall_s:.1f} | {first} | {exact.wall_s:.2f} | {second} | "
                f"{exact.status} "
                f"| {exact.stats.get('iterations', '–')} |",
                flush=True,
            )


def refutations() -> None:
    """Rounds that have no answer: how long the proof takes."""
    table(
        "Rounds without an answer (seeds up to 40): time of the proof",
        "preset | rounds | exact, worst ms | whole program on HiGHS, three rounds, s",
    )
    for preset, options in (
        ("scarce-8x36", {"share": 0.8}),
        ("scarce-8x48", {"share": 0.8}),
        ("scarce-16x150", {}),
    ):
        results = [
            (data, solve(data, "jesa", "exact"))
            for data in rounds(preset, range(40 if preset[7] == "8" else 5), **options)
        ]
        refuted = [(data, r) for data, r in results if r.status == Status.INFEASIBLE]
        whole = "not tried"
        if preset.startswith("scarce-8"):
            others = [solve(data, "jesa", "pyomo", time_limit=LIMIT_S) for data, _ in refuted[:3]]
            whole = ", ".join(f"{r.wall_s:.1f} ({r.status})" for r in others)
        name = preset + "".join(f", {key} {value}" for key, value in options.items())
        print(
            f"| {name} | {len(refuted)} | {1e3 * max(r.wall_s for _, r in refuted):.0f} | "
            f"{whole} |",
            flush=True,
        )


def growth(picture: str | None) -> None:
    """The time of `bcd` over tokens, experts and subcarriers, one at a time, with exponents."""
    sweeps: dict[str, list[dict[str, int]]] = {
        "tokens": [{"num_tokens": n} for n in (128, 512, 2048, 8192, 32768)],
        "experts": [{"num_experts": k, "num_subcarriers": 1024} for k in (4, 8, 12, 16, 24, 32)],
        "subcarriers": [{"num_subcarriers": m} for m in (64, 256, 1024, 4096, 16384)],
    }
    table(
        "Time of `bcd` with its bound, best of 5; 8 experts, 64 subcarriers and 128 tokens "
        "where not varied "
        "(1,024 subcarriers for the experts)",
        "varied | sizes | ms | exponent over the last three",
    )
    curves = {}
    for what, settings in sweeps.items():
        sizes, times = [], []
        for options in settings:
            data = next(rounds("edge-8x64", range(1), **options))
            sizes.append(next(iter(options.values())))
            times.append(1e3 * min(_timed(data) for _ in range(5)))
        slope = np.polyfit(np.log(sizes[-3:]), np.log(times[-3:]), 1)[0]
        curves[what] = (sizes, times, slope)
        listed = [", ".join(f"{v:,}" for v in sizes), ", ".join(f"{v:.1f}" for v in times)]
        print(f"| {what} | {listed[0]} | {listed[1]} | {slope:.2f} |", flush=True)
    if picture:
        draw(picture, curves)


def _timed(data: Instance) -> float:
    started = time.perf_counter()
    solve(data, "jesa", "bcd")
    return time.perf_counter() - started


def draw(picture: str, curves: dict[str, tuple[list[int], list[float], float]]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 3.2), layout="constrained")
    for axes, (what, (sizes, times, slope)) in zip(
        figure.subplots(1, 3, sharey=True), curves.items(), strict=True
    ):
        axes.loglog(sizes, times, "o-", color="#0072B2")
        axes.loglog(
            sizes, times[-1] * (np.array(sizes) / sizes[-1]) ** slope, "--", color="0.5", lw=1
        )
        axes.set_xticks(sizes, [f"{v:,}" for v in sizes], rotation=30)
        axes.minorticks_off()
        axes.set_xlabel(f"{what} (logarithmic)")
        axes.set_title(f"exponent {slope:.2f}", fontsize=10)
        axes.grid(lw=0.5, alpha=0.5)
        axes.spines[["top", "right"]].set_visible(False)
        if what == "tokens":
            axes.set_ylabel("time of bcd, ms (logarithmic)")
    figure.savefig(picture, dpi=150)


TABLES = ("gaps", "against", "large", "refutations", "growth")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--plot", metavar="FILE.png")
    parser.add_argument("--only", default=",".join(TABLES))
    arguments = parser.parse_args()
    wanted = arguments.only.split(",")
    for data in (generate("tiny", 1), generate("scarce-8x36", 1)):
        solve(data, "jesa", "exact")  # compile
    if "gaps" in wanted:
        gaps(arguments.seeds, arguments.families.split(","))
    if "against" in wanted:
        against()
    if "large" in wanted:
        large()
    if "refutations" in wanted:
        refutations()
    if "growth" in wanted:
        growth(arguments.plot)


if __name__ == "__main__":
    main()
