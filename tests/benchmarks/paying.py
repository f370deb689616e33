"""Where does choosing by energy pay? Energy saved against Top-p at equal relevance.

python tests/benchmarks/paying.py [--seeds N] [-o FOLDER]

Rounds of the preset `edge-8x64` in which one thing at a time is changed that makes the costs of
experts differ. Top-p and the optimum get the same rounds and thresholds. `des` is the least energy
with every link on its best subcarrier, `jesa` the answer of `bcd`, with subcarriers that serve one
link; each is compared with Top-p priced in the same way. Savings are means over seeds of
1 - energy / energy of Top-p in the same round, with 95 % intervals (Student's t). Seeds in which
`bcd` or Top-p has too few subcarriers for its links are counted, and left out of `jesa`; the figure
says how many of them Top-p cannot serve.

Writes paying.csv, paying.md and paying.png.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dmoe_opt import Instance, generate, solve
from dmoe_opt.answer.decision import Decision
from dmoe_opt.comparing.rows import as_csv, half_width
from dmoe_opt.plot.styling import styles, tidy

SEEDS = 30
MEAN_COMPUTE_J = 2.75e-4
"""Mean energy of an expert per token in `edge-8x64`, J."""

Draw = Callable[[int, Any], Instance]
COLUMNS = 4


@dataclass(frozen=True)
class Row:
    """One value of one factor: means over seeds, and half widths of their 95 % intervals.

    Savings are against Top-p, in %; of `topp` against Top-k. Relevance is the mean over tokens of
    what the chosen scores reach over what the threshold asks for.
    """

    factor: str
    value: str
    base: bool
    seeds: int
    topp_saves_percent: float
    topp_ci95: float | None
    des_saves_percent: float
    des_ci95: float | None
    jesa_saves_percent: float | None
    jesa_ci95: float | None
    jesa_seeds: int
    topp_unserved: int
    bcd_unserved: int
    topp_relevance: float
    des_relevance: float


def option(name: str, **others: Any) -> Draw:
    """Rounds with one option of the preset changed, beside others that go with it."""

    def draw(seed: int, value: Any) -> Instance:
        round_ = generate("edge-8x64", seed, **{name: value} | others)
        assert isinstance(round_, Instance)
        return round_

    return draw


def computing(seed: int, ratio: float) -> Instance:
    """Computing energies log-uniform over this ratio of largest to least, with the same mean."""
    round_ = option("max_experts")(seed, 2)
    rng = np.random.default_rng([seed, 1])
    energies = ratio ** rng.random(round_.num_experts)
    return round_.replace(compute_energy=energies * MEAN_COMPUTE_J / energies.mean())


def experts(seed: int, number: int) -> Instance:
    """More experts, with as many subcarriers per link as 64 are for 8."""
    subcarriers = math.ceil(64 / 56 * number * (number - 1))
    return option("num_experts", num_subcarriers=subcarriers)(seed, number)


def fading(seed: int, taps: str) -> Instance:
    """Independent subcarriers, or ones correlated by so many taps; one tap fades all at once."""
    if taps == "none":
        return option("fading")(seed, "rayleigh")
    return option("taps", fading="tapped", tap_decay_db=0.5)(seed, int(taps))


FACTORS: dict[str, tuple[Draw, Sequence[Any], Any]] = {
    "computing: largest / least": (computing, (1, 3, 10, 30, 100, 1000), 10),
    "path loss exponent": (option("path_loss_exponent"), (0, 2, 3, 4, 5), 0),
    "mean SNR, dB, path loss 3": (
        option("mean_snr_db", path_loss_exponent=3.0),
        (20, 10, 0, -10, -20),
        None,
    ),
    "shadowing, dB": (option("shadowing_db"), (0, 4, 8, 12), 0),
    "numbers sent per token": (option("hidden_size"), (64, 512, 4096, 32768), 4096),
    "experts per token, D": (option("max_experts"), (1, 2, 3, 4, 8), 2),
    "experts, K": (experts, (4, 8, 16, 32), 8),
    "subcarriers, M": (option("num_subcarriers"), (48, 52, 54, 56, 64, 128), 64),
    "taps of the channel": (fading, ("1", "2", "4", "16", "none"), "none"),
    "sharpness of the gates": (option("spread"), (0.5, 1.0, 2.0, 3.0, 4.0), 2.0),
    "relevance asked for, share": (option("share"), (0.3, 0.5, 0.7, 0.9), 0.7),
}
"""How rounds are drawn, the values, and the value of the preset. Computing energies of the preset
are uniform over a ratio of 10."""


def saved(energies_j: Sequence[float], baseline_j: Sequence[float]) -> tuple[float, float | None]:
    """Mean saving in % and the half width of its interval, paired by round."""
    saving = 100 * (1 - np.array(energies_j) / np.array(baseline_j))
    return float(saving.mean()), half_width(saving)


def relevance(decision: Decision) -> float:
    """Mean over tokens of the relevance reached over the one asked for."""
    return float((decision.relevance / decision.data.threshold).mean())


def measure(factor: str, value: Any) -> Row:
    """All seeds of one value."""
    draw, _, base = FACTORS[factor]
    energies: dict[str, list[float]] = {"des": [], "topp": [], "topk": []}
    joint: dict[str, list[float | None]] = {"bcd": [], "topp": []}
    reached: dict[str, list[float]] = {"des": [], "topp": []}
    for seed in range(arguments.seeds):
        round_ = draw(seed, value)
        problem = round_.selection_problem()
        for method, row in energies.items():
            result = solve(problem, method=method)
            assert result.decision is not None
            assert result.objective_j is not None
            row.append(result.objective_j)
            if method in reached:
                reached[method].append(relevance(result.decision))
        for method, answers in joint.items():
            answers.append(solve(round_, "jesa", method).objective_j)
    both = [(ours, theirs) for ours, theirs in zip(*joint.values(), strict=True) if ours and theirs]
    jesa = saved(*zip(*both, strict=True)) if both else (None, None)
    return Row(
        factor,
        str(value),
        value == base,
        arguments.seeds,
        *saved(energies["topp"], energies["topk"]),
        *saved(energies["des"], energies["topp"]),
        *jesa,
        len(both),
        joint["topp"].count(None),
        joint["bcd"].count(None),
        float(np.mean(reached["topp"])),
        float(np.mean(reached["des"])),
    )


def percent(mean: float | None, half: float | None) -> str:
    """A saving with its interval."""
    if mean is None:
        return "none served"
    return f"{mean:.1f}" if half is None else f"{mean:.1f} ± {half:.1f}"


def table(rows: Sequence[Row]) -> str:
    """The rows in Markdown."""
    header = "changed | value | Top-p saves against Top-k, % | `des` against Top-p, %"
    header += " | `jesa` against Top-p, % | rounds that `bcd`, Top-p cannot serve"
    lines = [f"| {header} |", f"|{'---|' * (header.count(' | ') + 1)}"]
    for row in rows:
        cells = [row.factor, f"**{row.value}**" if row.base else row.value]
        cells.append(percent(row.topp_saves_percent, row.topp_ci95))
        cells.append(percent(row.des_saves_percent, row.des_ci95))
        cells.append(percent(row.jesa_saves_percent, row.jesa_ci95))
        cells.append(f"{row.bcd_unserved}, {row.topp_unserved} of {row.seeds}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def draw_panel(axes: Axes, rows: Sequence[Row]) -> None:
    """Savings against the values of one factor; the preset's value is bold."""
    looks = styles(["des", "bcd"])
    for aside, (name, label, fields) in zip(
        (-0.06, 0.06),
        (
            ("des", "des, every link on its best subcarrier", ("des_saves_percent", "des_ci95")),
            ("bcd", "jesa, subcarriers of their own", ("jesa_saves_percent", "jesa_ci95")),
        ),
        strict=True,
    ):
        points = [
            (k + aside, *(getattr(row, field) for field in fields))
            for k, row in enumerate(rows)
            if getattr(row, fields[0]) is not None
        ]
        x, mean, half = zip(*points, strict=True)
        bars = [width or 0.0 for width in half]
        line = looks[name] | {"ls": "-", "lw": 1.3, "ms": 5, "capsize": 3}
        axes.errorbar(x, mean, yerr=bars, label=label, **line)
    unserved = [(k, row) for k, row in enumerate(rows) if row.topp_unserved]
    for k, row in unserved:
        axes.annotate(f"{row.topp_unserved}/{row.seeds}", (k, 12), ha="center", fontsize=8)
    if unserved:
        axes.annotate("rounds that Top-p cannot serve:", (-0.3, 15), fontsize=8)
    axes.axhline(0, color="0.2", lw=1)
    axes.set_xticks(range(len(rows)), [row.value for row in rows])
    for tick, row in zip(axes.get_xticklabels(), rows, strict=True):
        tick.set_fontweight("bold" if row.base else "normal")
    axes.set(title=rows[0].factor, xlim=(-0.4, len(rows) - 0.6))
    tidy(axes, "y")


def draw_all(rows: Sequence[Row], path: Path) -> None:
    """Small multiples on one scale, a panel for each factor."""
    names = list(dict.fromkeys(row.factor for row in rows))
    lines = math.ceil(len(names) / COLUMNS)
    figure = Figure(figsize=(12.8, 0.5 + 2.3 * lines), layout="constrained")
    panels = figure.subplots(lines, COLUMNS, sharey=True, squeeze=False)
    for axes, name in zip(panels.flat, names, strict=False):
        draw_panel(axes, [row for row in rows if row.factor == name])
    for axes in panels.flat[len(names) :]:
        axes.set_visible(False)
    figure.supylabel("energy saved against Top-p, %")
    handles = panels[0][0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=2, frameon=False)
    figure.savefig(path, dpi=130)


def main() -> None:
    """Measure, and write table and figure."""
    rows = []
    for factor, (_, values, _) in FACTORS.items():
        for value in values:
            rows.append(measure(factor, value))
            print(table(rows[-1:]).splitlines()[-1], flush=True)
    folder = Path(arguments.output)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "paying.csv").write_text(as_csv(rows, Row), encoding="utf-8")
    (folder / "paying.md").write_text(table(rows), encoding="utf-8")
    draw_all(rows, folder / "paying.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("-o", "--output", default="paying", metavar="FOLDER")
    arguments = parser.parse_args()
    main()
