"""Numbers of rules, fitted on training episodes: `dmoe-opt offload fit`."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec
import numpy as np

from dmoe_opt.data import files, formats, validate
from dmoe_opt.errors import InputError
from dmoe_opt.offload import ceiling, forecast
from dmoe_opt.offload.episode import draw
from dmoe_opt.offload.presets import PRESETS
from dmoe_opt.offload.pricing import MOST_POWER, Tariff, by_threshold, equal_experts
from dmoe_opt.offload.scenario import MOST_LOSS, Array, Scenario
from dmoe_opt.offload.simulate import Choose, State

FIT = "dmoe-opt/offload-fit"
TRAINING = 2403
"""First part of the seeds of training episodes; held-out ones have another."""
EPISODES = 40
"""Training episodes; as many more choose between the forms of a tariff."""
ROUNDS = 12
"""Rounds of the pattern search; a round tries every number up and down."""
FORMS = ("one number", "three numbers", "per group")
LEAST_STEP = 0.02
EXPECTED = 430
"""Evaluations that a fit usually takes, for the progress bar."""


@dataclass(frozen=True, eq=False)
class Fit:
    """The numbers of the rules `price`, `threshold`, `rollout` and `forecast` for one scenario.

    `form` is the form of the tariff that did best, one of `FORMS`; `threshold` is in units of one
    job done perfectly. `penalty` holds the weights of `dmoe_opt.offload.ceiling`, (G, F), and
    `forecast` the numbers of `dmoe_opt.offload.forecast`, (G + 6,); they are None where there is no
    ceiling, or no such rule.
    """

    scenario: str
    form: str
    tariff: Tariff
    threshold: float
    made_by: str = ""
    penalty: Array | None = None
    forecast: Array | None = None


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    """A fit as a file."""

    format: str
    version: int
    scenario: str
    form: str
    group: list[int]
    base: list[float]
    rise: list[float]
    power: float
    threshold: float
    made_by: str = ""
    penalty: list[list[float]] | None = None
    forecast: list[float] | None = None


def fit(
    scenario: Scenario, seed: int = 0, progress: Callable[[int, int], None] | None = None
) -> Fit:
    """Fit the rules on episodes that are drawn for that, never on held-out ones.

    The three forms of a tariff are fitted on the same episodes, and the best on as many others is
    kept. The price of a form is found by a pattern search: each number goes up or down by a step
    that is halved when nothing gets better. The weights of the ceiling and the numbers of
    `forecast` come last, where the scenario has them.
    """
    rng = np.random.default_rng([TRAINING, validate.whole("seed", seed, 0)])
    episodes = [State(draw(scenario, rng)) for _ in range(EPISODES)]
    others = [State(draw(scenario, rng)) for _ in range(EPISODES)]
    done = 0

    def tell() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, max(done, EXPECTED))

    def mean(rule: Callable[[list[float]], Choose], numbers: list[float]) -> float:
        tell()
        return _mean_return(episodes, rule(numbers))

    tariffs = {}
    for form in FORMS:
        rule = partial(_by_price, form, scenario)
        tariffs[form] = _tariff(
            form, scenario, _searched(_start(form, scenario), partial(mean, rule))
        )
    chosen = max(FORMS, key=lambda form: _mean_return(others, tariffs[form].choose))
    (least,) = _searched([0.02], partial(mean, _by_threshold))
    made_by = f"dmoe-opt offload fit, {EPISODES} episodes, seed {seed}"
    tariff = tariffs[chosen]
    penalty = ceiling.fitted(scenario, tariff, seed) if ceiling.exists(scenario) else None
    ahead = forecast.learn(scenario, tariff, seed, tell) if forecast.exists(scenario) else None
    return Fit(scenario.name, chosen, tariff, least, made_by, penalty, ahead)


def _start(form: str, scenario: Scenario) -> list[float]:
    """Where the search begins: prices of 0.05, and linear in the occupied share."""
    if form == "one number":
        return [0.05]
    if form == "three numbers":
        return [0.0, 0.05, 1.0]
    return [*[0.05] * (int(equal_experts(scenario).max()) + 1), 1.0]


def _tariff(form: str, scenario: Scenario, numbers: list[float]) -> Tariff:
    """One number: the rise. Three: base, rise and power. Per group: a rise for each, and power.

    The first two look at the slots of each expert, the last at the slots of its group.
    """
    own = np.arange(scenario.num_experts)
    if form == "one number":
        return Tariff(own, np.zeros(len(own)), np.full(len(own), numbers[0]), 1.0)
    power = min(numbers[-1], MOST_POWER)
    if form == "three numbers":
        base, rise = numbers[:2]
        return Tariff(own, np.full(len(own), base), np.full(len(own), rise), power)
    rises = np.array(numbers[:-1])
    return Tariff(equal_experts(scenario), np.zeros(len(rises)), rises, power)


def _by_price(form: str, scenario: Scenario, numbers: list[float]) -> Choose:
    return _tariff(form, scenario, numbers).choose


def _by_threshold(numbers: list[float]) -> Choose:
    return partial(by_threshold, least=numbers[0])


def _searched(start: list[float], worth: Callable[[list[float]], float]) -> list[float]:
    """Numbers >= 0 that no step up or down makes better, as far as the rounds go."""
    best, most = start, worth(start)
    steps = [max(number / 2, LEAST_STEP) for number in start]
    for _ in range(ROUNDS):
        before = most
        for k, step in enumerate(steps):
            for tried in (best[k] + step, max(best[k] - step, 0.0)):
                numbers = [*best[:k], tried, *best[k + 1 :]]
                value = worth(numbers)
                if value > most:
                    best, most = numbers, value
                    break
        if most == before:
            steps = [step / 2 for step in steps]
    return best


def _mean_return(starts: Sequence[State], choose: Choose) -> float:
    """Mean return of episodes from their beginning; the states stay as they are."""
    total = 0.0
    for start in starts:
        state = start.elsewhere(0, [[] for _ in start.held])
        while not state.done:
            total += state.step(choose(state))
    return total / len(starts)


def as_bytes(fitted: Fit) -> bytes:
    """The content of the file of a fit."""
    tariff = fitted.tariff
    document = _Document(
        FIT,
        formats.VERSION,
        fitted.scenario,
        fitted.form,
        tariff.group.tolist(),
        tariff.base.tolist(),
        tariff.rise.tolist(),
        tariff.power,
        fitted.threshold,
        fitted.made_by,
        None if fitted.penalty is None else fitted.penalty.tolist(),
        None if fitted.forecast is None else fitted.forecast.tolist(),
    )
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def load(path: str | os.PathLike[str]) -> Fit:
    """Read a fit.

    Raises
    ------
    InputError
        One line that names the file, the field and what is wrong.
    """
    content = files.read(path)
    try:
        formats.check_header(content, FIT)
        read = formats.decode(content, _Document)
        tariff = Tariff(read.group, read.base, read.rise, read.power)  # type: ignore[arg-type]
        threshold = validate.real("threshold", read.threshold, positive=False)
        penalty = None if read.penalty is None else _penalty(read.penalty)
        ahead = None if read.forecast is None else _forecast(read.forecast)
        return Fit(read.scenario, read.form, tariff, threshold, read.made_by, penalty, ahead)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _penalty(rows: list[list[float]]) -> Array:
    return validate.real_array("penalty", rows, (None, None), MOST_LOSS, -MOST_LOSS)


def _forecast(numbers: list[float]) -> Array:
    return validate.real_array("forecast", numbers, (None,), MOST_LOSS, -MOST_LOSS)


def committed(scenario: Scenario) -> Fit | None:
    """The fit that comes with a preset; None if there is none for these experts."""
    path = files.instances_folder() / "offload" / "fits" / f"{scenario.name}.json"
    if scenario.name not in PRESETS or not path.is_file():
        return None
    fitted = load(path)
    return fitted if len(fitted.tariff.group) == scenario.num_experts else None
