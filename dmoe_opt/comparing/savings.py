"""What choosing experts by energy saves, against the share of the gate weight that is kept.

A sample is a model's layers on one draw of radio and energies: one round per layer, or one run of
the protocol. Each scheduler serves the same samples, so differences are paired.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmoe_opt.comparing.rows import half_width
from dmoe_opt.data import validate
from dmoe_opt.data.instance import Instance
from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError
from dmoe_opt.generating import gates
from dmoe_opt.layers import protocol
from dmoe_opt.solving import solve

SHARES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
SCHEDULERS = ("topk", "topp", "des", "joint")


class Spent(NamedTuple):
    """What a scheduler spends on one sample.

    Energy and relevance are per token, summed over the layers. `accuracy` is None without a task.
    """

    energy_j: float
    relevance: float
    accuracy: float | None = None


Measure = Callable[[str, float, int], Spent | None]
"""What a scheduler spends at a share on the sample of a number; None where it has no answer."""


@dataclass(frozen=True)
class SavingPoint:
    """Energies per token, J, and savings at one share, as means over the samples.

    `share` is the threshold as a share of what the best D scores of a token reach, and `kept` the
    share of the gate weight of Top-k that `joint` keeps. `saved` is 1 less the energy of `joint`
    over that of `topk`, `saved_from_topp` the same over that of `topp`. The `_ci95` are half the
    widths of 95 % confidence intervals (Student's t), None for a single sample. An energy is None
    if its scheduler left a sample without an answer, and what follows from it too.
    """

    share: float
    samples: int
    topk_j: float | None
    topp_j: float | None
    des_j: float | None
    joint_j: float | None
    kept: float | None
    saved: float | None
    saved_ci95: float | None
    saved_from_topp: float | None
    saved_from_topp_ci95: float | None
    topk_accuracy: float | None
    accuracy: float | None


def savings(
    measure: Measure,
    *,
    shares: Sequence[float] = SHARES,
    samples: int = 10,
    progress: Callable[[int, int], None] | None = None,
) -> list[SavingPoint]:
    """One point per share, each over the same samples.

    Parameters
    ----------
    measure
        From `of_rounds` or `of_protocol`.
    shares
        In (0, 1].
    samples
        How many samples.
    progress
        Called before each run with the number of runs done, and of all runs.

    Examples
    --------
    >>> import dmoe_opt
    >>> from dmoe_opt.comparing.savings import of_rounds, savings
    >>> measure = of_rounds(lambda seed: [dmoe_opt.generate("tiny", seed)])
    >>> [(point.share, point.saved > 0) for point in savings(measure, shares=[0.5], samples=3)]
    [(0.5, True)]
    """
    if not len(shares):
        raise InputError("shares is empty; allowed: at least one value")
    for share in shares:
        if not 0 < share <= 1:
            raise fail("shares", share, "numbers in (0, 1]")
    samples = validate.whole("samples", samples)
    points = []
    for number, share in enumerate(sorted(shares)):
        runs: dict[str, list[Spent | None]] = {name: [] for name in SCHEDULERS}
        for seed in range(samples):
            if progress:
                progress(number * samples + seed, len(shares) * samples)
            for name in SCHEDULERS:
                runs[name].append(measure(name, share, seed))
        points.append(_point(share, runs))
    return points


def ends_at(points: Sequence[SavingPoint]) -> float | None:
    """The least share from which on no saving can be told from 0, None if the last one still can.

    A saving can be told from 0 if its interval lies above 0.
    """
    end = None
    for point in sorted(points, key=lambda point: -point.share):
        if point.saved is None or point.saved > (point.saved_ci95 or 0.0):
            break
        end = point.share
    return end


def of_rounds(rounds_of: Callable[[int], Sequence[Instance]]) -> Measure:
    """Measure on rounds, one per layer; `rounds_of` gives those of a sample by its number.

    Thresholds become a share of what the best D scores of a token reach.
    """
    drawn = cache(rounds_of)

    @cache
    def at_share(seed: int, share: float) -> list[Instance]:
        return [
            round_.replace(
                threshold=gates.share_threshold(round_.scores, round_.max_experts, share),
                on_shortfall="top_d",
            )
            for round_ in drawn(seed)
        ]

    @cache
    def topk(seed: int) -> Spent | None:
        return _spent("topk", at_share(seed, 1.0))

    def measure(scheduler: str, share: float, seed: int) -> Spent | None:
        if scheduler == "topk":  # it takes D experts whatever the threshold
            return topk(seed)
        return _spent(scheduler, at_share(seed, share))

    return measure


PROBLEM_AND_METHOD = {
    "topk": ("jesa", "topk"),
    "topp": ("jesa", "topp"),
    "des": ("allocation", "assignment"),  # for the experts that DES chooses
    "joint": ("jesa", "bcd"),
}


def _spent(scheduler: str, rounds: Sequence[Instance]) -> Spent | None:
    energy_j = relevance = 0.0
    for round_ in rounds:
        result = solve(round_, *PROBLEM_AND_METHOD[scheduler])
        if result.objective_j is None or result.decision is None:
            return None
        energy_j += result.objective_j / max(round_.num_tokens, 1)
        relevance += result.decision.mean_relevance or 0.0
    return Spent(energy_j, relevance)


def of_protocol(preset: str, *, num_tokens: int | None = None, max_experts: int = 2) -> Measure:
    """Measure on the closed loop of a preset of the protocol: with a task, accuracy is known.

    The same share is wanted in all layers (gamma0 = 1). Gate scores sum to 1, and a token whose
    best D scores stay below the share takes these.
    """

    @cache
    def run(scheduler: str, z: float, seed: int) -> Spent:
        done = protocol.run(
            preset,
            scheduler,
            gamma0=1.0,
            z=z,
            max_experts=max_experts,
            seed=seed,
            num_tokens=num_tokens,
        )
        energy_j = done.total("energy_j") / max(done.layers[0].tokens, 1)
        return Spent(energy_j, done.total("relevance"), done.accuracy)

    def measure(scheduler: str, share: float, seed: int) -> Spent | None:
        return run(scheduler, 1.0 if scheduler == "topk" else share, seed)

    return measure


def _point(share: float, runs: dict[str, list[Spent | None]]) -> SavingPoint:
    energy_j = {name: _energies_j(of) for name, of in runs.items()}
    mean_j = {name: None if e is None else float(e.mean()) for name, e in energy_j.items()}
    saved, saved_ci95 = _saved(energy_j["topk"], energy_j["joint"])
    from_topp, from_topp_ci95 = _saved(energy_j["topp"], energy_j["joint"])
    return SavingPoint(
        share=share,
        samples=len(runs["topk"]),
        topk_j=mean_j["topk"],
        topp_j=mean_j["topp"],
        des_j=mean_j["des"],
        joint_j=mean_j["joint"],
        kept=_kept(runs["topk"], runs["joint"]),
        saved=saved,
        saved_ci95=saved_ci95,
        saved_from_topp=from_topp,
        saved_from_topp_ci95=from_topp_ci95,
        topk_accuracy=_accuracy(runs["topk"]),
        accuracy=_accuracy(runs["joint"]),
    )


def _energies_j(runs: Sequence[Spent | None]) -> NDArray[np.float64] | None:
    """Energy of every sample, None if one has no answer."""
    energies = [run.energy_j for run in runs if run is not None]
    return np.array(energies) if len(energies) == len(runs) else None


def _saved(
    before_j: NDArray[np.float64] | None, after_j: NDArray[np.float64] | None
) -> tuple[float | None, float | None]:
    """Mean saving of the samples, and half the width of its interval."""
    if before_j is None or after_j is None:
        return None, None
    saved = 1.0 - np.divide(after_j, before_j, out=np.ones_like(after_j), where=before_j > 0)
    return float(saved.mean()), half_width(saved)


def _kept(before: Sequence[Spent | None], after: Sequence[Spent | None]) -> float | None:
    shares = [
        b.relevance / a.relevance if a.relevance > 0 else 1.0
        for a, b in zip(before, after, strict=True)
        if a is not None and b is not None
    ]
    return float(np.mean(shares)) if len(shares) == len(before) else None


def _accuracy(runs: Sequence[Spent | None]) -> float | None:
    values = [run.accuracy for run in runs if run is not None and run.accuracy is not None]
    return float(np.mean(values)) if values else None
