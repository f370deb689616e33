"""What choosing by energy is worth in accuracy: two trained networks, the loop closed.

python tests/benchmarks/trained.py costs [--seeds N] [-o FOLDER]
python tests/benchmarks/trained.py relevance [--seeds N] [-o FOLDER]

`costs` plays Top-p and `joint` (`bcd`) on the same held-out tokens and channels, over a grid of z
and gamma0, for costs that differ more and more. `relevance` plays `joint` with other measures of
relevance in (C1): the scores to a power, divided by their sum, and the scores times a value per
expert and layer that is fitted on training tokens (see `fitted_values`).

A contender's front is the line through the settings that no cheaper one beats in accuracy. Reported
are the energy that it saves against the rival at equal accuracy, and how many points it is ahead at
equal energy. Intervals are 95 % percentile bootstrap intervals over tokens and seeds, drawn
together for both contenders; draws in which a front does not reach an accuracy are left out.
"""

from __future__ import annotations

import argparse
import itertools
import math
import runpy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt import Instance, solve
from dmoe_opt.comparing.rows import as_csv
from dmoe_opt.data.files import instances_folder
from dmoe_opt.generating import gates
from dmoe_opt.generating.rounds import draw_radio
from dmoe_opt.layers.network import forward, held_out, load_network, normalise
from dmoe_opt.layers.protocol import PRESETS

Array = NDArray[np.float64]
Relevance = Callable[[str, int, Array], Array]
"""Task, layer from 0 and scores (T, K) to relevance (T, K)."""

SEEDS = 20
Z = (0.3, 0.45, 0.6, 0.8, 1.0)
GAMMA0 = (0.7, 0.85, 1.0)
SETTINGS = tuple(itertools.product(GAMMA0, Z))
BOOTSTRAPS = 1000
ACCURACIES = {"digits": (0.96, 0.97, 0.98), "domains": (0.84, 0.86, 0.88)}
AT = (0.25, 0.5, 0.75)
"""Where energies are compared: shares of the range that both fronts cover."""


class Costs(NamedTuple):
    """How the costs of a round are drawn; `ratio` None stands for the preset's own energies."""

    ratio: float | None = None
    payload_factor: int = 1
    radio: tuple[tuple[str, float], ...] = ()


COSTS = {
    "as in the preset": Costs(),
    "computing over 1 : 100": Costs(ratio=100.0),
    "shadowing 8 dB, 16 times the payload": Costs(
        payload_factor=16, radio=(("path_loss_exponent", 3.0), ("shadowing_db", 8.0))
    ),
}


@dataclass(frozen=True)
class Row:
    """One comparison: at an accuracy (%), or at an energy (uJ per token).

    `gain` is the energy saved in %, or the accuracy gained in points, with its 95 % interval.
    """

    task: str
    contender: str
    rival: str
    costs: str
    at: str
    gain: float
    low: float
    high: float


class Played(NamedTuple):
    """Which tokens are right, (settings, seeds, T), and uJ per token, (settings, seeds)."""

    right: NDArray[np.float32]
    energy_uj: Array


def scores_alone(task: str, layer: int, scores: Array) -> Array:
    """The relevance of the package: the gate score."""
    return scores


def power(exponent: float) -> Relevance:
    """Scores to a power, divided by their sum over the experts."""

    def measure(task: str, layer: int, scores: Array) -> Array:
        raised = scores**exponent
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))

    return measure


def learnt(task: str, layer: int, scores: Array) -> Array:
    """Scores times the fitted value of the expert, divided by their sum over the experts."""
    worth = scores * fitted_values(task)[layer]
    return np.asarray(worth / worth.sum(axis=1, keepdims=True))


@cache
def fitted_values(task: str) -> Array:
    """The worth of a unit of score of every expert, (L, K), at least 0.1 of the layer's mean.

    20,000 plays of training tokens ask experts at random. The negative log-likelihood of the right
    class is regressed on the scores that were left out, expert by expert: ridge regression with 32
    coefficients.
    """
    network = load_network(task)
    folder = instances_folder()
    inputs, labels, _ = runpy.run_path(str(folder / "train.py"))["TASKS"][task]()
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(labels), size=20_000)
    hidden, labels = network.embed(inputs[drawn]), labels[drawn]
    left_out = []
    for layer in range(network.num_layers):
        scores = network.gate(layer, hidden)
        asked = rng.random(scores.shape) < rng.uniform(0.2, 0.9, (len(scores), 1))
        left_out.append(np.where(asked, 0.0, scores))
        hidden = network.layer(layer, hidden, np.where(asked, scores, 0.0))
    logits = normalise(hidden) @ network.w_out + network.b_out
    loss = -np.log(gates.softmax(logits)[np.arange(len(labels)), labels] + 1e-9)
    matrix = np.hstack([np.ones((len(loss), 1)), *left_out])
    ridge = np.eye(matrix.shape[1])
    ridge[0, 0] = 0.0
    weights = np.linalg.solve(matrix.T @ matrix + ridge, matrix.T @ loss)[1:]
    values = weights.reshape(network.num_layers, network.num_experts)
    mean = values.mean(axis=1, keepdims=True)
    return np.asarray(np.maximum(values, 0.1 * mean) / mean)


@cache
def radio_and_energies(task: str, costs: str, seed: int, layer: int) -> tuple[Any, Array]:
    """The channel of a layer, and the energies of the experts, J per token, one draw per seed."""
    preset, drawn = PRESETS[task], COSTS[costs]
    rng = np.random.default_rng([seed, layer])
    payload_bits = preset.payload_bits * drawn.payload_factor
    radio = draw_radio(
        rng, 8, preset.num_subcarriers, payload_bits, round_trip=True, **dict(drawn.radio)
    )
    energies = preset.compute_energy_j()
    if drawn.ratio is not None:
        spread = drawn.ratio ** np.random.default_rng([seed, 99]).random(8)
        energies = spread * energies.mean() / spread.mean()
    return radio, energies


def play(
    task: str,
    method: str,
    relevance: Relevance,
    costs: str,
    seed: int,
    setting: tuple[float, float],
) -> tuple[NDArray[np.bool_], float]:
    """Which held-out tokens are right, (T,), and the energy per token, uJ."""
    tokens = held_out(task)
    number = len(tokens.labels)
    gamma0, z = setting
    thresholds = z * gates.importance(4, gamma0)
    spent_j = []

    def weigh(layer: int, scores: Array) -> Array:
        radio, energies = radio_and_energies(task, costs, seed, layer)
        round_ = Instance(
            source=np.arange(number) % 8,
            scores=gates.to_grid(relevance(task, layer, scores)),
            threshold=np.full(number, gates.floor_to_grid(thresholds[layer])),
            max_experts=2,
            compute_energy=energies,
            radio=radio,
        )
        result = solve(round_, "jesa", method)
        assert result.objective_j is not None
        spent_j.append(result.objective_j)
        return np.where(result.selection, scores, 0.0)

    _, classes = forward(load_network(task), tokens.inputs, weigh)
    return classes == tokens.labels, 1e6 * sum(spent_j) / number


@cache
def play_all(task: str, method: str, relevance: Relevance, costs: str) -> Played:
    """Every setting on every seed."""
    right, energy = [], []
    for setting in SETTINGS:
        runs = [play(task, method, relevance, costs, s, setting) for s in range(arguments.seeds)]
        right.append([run[0] for run in runs])
        energy.append([run[1] for run in runs])
    return Played(np.array(right, dtype=np.float32), np.array(energy))


def front(accuracy: Array, energy_uj: Array) -> tuple[Array, Array]:
    """Accuracy and energy of the settings that no cheaper one beats, by energy."""
    order = np.lexsort((-accuracy, energy_uj))
    accuracy, energy_uj = accuracy[order], energy_uj[order]
    best = accuracy > np.maximum.accumulate(np.concatenate([[-1.0], accuracy[:-1]]))
    return accuracy[best], energy_uj[best]


def read_off(at: float, x: Array, y: Array) -> float:
    """The line through the points at this place; NaN outside of them."""
    return float(np.interp(at, x, y, left=np.nan, right=np.nan))


def gains(
    ours: tuple[Array, Array], theirs: tuple[Array, Array], task: str, energies: Sequence[float]
) -> list[float]:
    """Energy saved in % at the accuracies of the task, then points gained at these energies."""
    found = []
    for accuracy in ACCURACIES[task]:
        mine, other = (read_off(accuracy, *line) for line in (ours, theirs))
        found.append(100 * (1 - mine / other))
    for energy in energies:
        mine, other = (read_off(energy, line[1], line[0]) for line in (ours, theirs))
        found.append(100 * (mine - other))
    return found


def fronts(pair: Sequence[Played], tokens: Array, seeds: Array) -> list[tuple[Array, Array]]:
    """The fronts of both contenders, with weights of tokens (T,) and seeds (S,) that sum to 1."""
    return [front(played.right @ tokens @ seeds, played.energy_uj @ seeds) for played in pair]


def compare(task: str, names: tuple[str, str], pair: Sequence[Played], costs: str) -> list[Row]:
    """The rows of two contenders, the second one being the rival."""
    _, num_seeds, number = pair[0].right.shape
    even = np.full(number, 1 / number), np.full(num_seeds, 1 / num_seeds)
    lines = fronts(pair, *even)
    low = max(energy[0] for _, energy in lines)
    high = min(energy[-1] for _, energy in lines)
    energies = [low + share * (high - low) for share in AT]
    means = gains(lines[0], lines[1], task, energies)
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(BOOTSTRAPS):
        tokens = rng.multinomial(number, even[0]) / number
        seeds = rng.multinomial(num_seeds, even[1]) / num_seeds
        drawn.append(gains(*fronts(pair, tokens, seeds), task, energies))
    lows, highs = np.nanpercentile(drawn, [2.5, 97.5], axis=0)
    at = [f"{100 * accuracy:.0f} %" for accuracy in ACCURACIES[task]]
    at += [f"{energy:.1f} uJ" for energy in energies]
    columns = zip(at, means, lows.tolist(), highs.tolist(), strict=True)
    return [Row(task, *names, costs, *column) for column in columns]


def table(rows: Sequence[Row]) -> str:
    """The rows in Markdown."""
    lines = ["| task | costs | contender | rival | at | gain |", "|---|---|---|---|---|---|"]
    for row in rows:
        unit = "points" if row.at.endswith("uJ") else "% energy"
        mean = "not reached" if math.isnan(row.gain) else f"{row.gain:+.1f} {unit}"
        gain = f"{mean} ({row.low:+.1f} to {row.high:+.1f})"
        lines.append(
            f"| {row.task} | {row.costs} | {row.contender} | {row.rival} | {row.at} | {gain} |"
        )
    return "\n".join(lines) + "\n"


def study_costs() -> list[Row]:
    """`joint` against Top-p, for every way to draw costs."""
    rows = []
    for costs, task in itertools.product(COSTS, PRESETS_WITH_TASK):
        pair = [play_all(task, method, scores_alone, costs) for method in ("bcd", "topp")]
        rows += compare(task, ("joint", "topp"), pair, costs)
        print(table(rows[-6:]), flush=True)
    return rows


def study_relevance() -> list[Row]:
    """`joint` with other measures of relevance against `joint` with the scores."""
    measures = {"power 0.5": power(0.5), "power 2": power(2.0), "learnt values": learnt}
    rows = []
    for task, (name, measure) in itertools.product(PRESETS_WITH_TASK, measures.items()):
        costs = "as in the preset"
        pair = [play_all(task, "bcd", relevance, costs) for relevance in (measure, scores_alone)]
        rows += compare(task, (name, "scores"), pair, costs)
        print(table(rows[-6:]), flush=True)
    return rows


PRESETS_WITH_TASK = ("digits", "domains")

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", choices=("costs", "relevance"))
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("-o", "--output", default="trained", metavar="FOLDER")
    arguments = parser.parse_args()
    rows = study_costs() if arguments.study == "costs" else study_relevance()
    folder = Path(arguments.output)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{arguments.study}.csv").write_text(as_csv(rows, Row), encoding="utf-8")
    (folder / f"{arguments.study}.md").write_text(table(rows), encoding="utf-8")
