"""Rules that charge for time: an expert's slot has a price per second that grows as slots fill.

A subtask takes the action of greatest reward less duration times price. The duals of the capacity
rows of the clairvoyant program are such prices; here they are a small function of the occupied
slots, fitted on training episodes (`dmoe_opt.offload.fitting`). In revenue management they are
called bid prices: K. Talluri and G. van Ryzin, *An Analysis of Bid-Price Controls for Network
Revenue Management*, Management Science 44 (1998).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from dmoe_opt.data import validate
from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError
from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.scenario import MOST_LOSS, Array, Scenario, Whole
from dmoe_opt.offload.simulate import State

MOST_POWER = 20.0


@dataclass(frozen=True, eq=False)
class Tariff:
    """The price of a slot or a work unit for a second, by the occupied share u of its group.

    It is base[g] + rise[g] u^power.

    Parameters
    ----------
    group
        Group of each expert, shape (E,), numbered from 0. Experts of a group share their slots and
        their price.
    base, rise
        Shape (G,), in units of one job done perfectly per second.
    power
        How late the price rises, in [0, 20].

    Raises
    ------
    InputError
        If shapes do not fit together, or a number is out of range.
    """

    group: Whole
    base: Array
    rise: Array
    power: float
    __reduce__ = validate.reduced

    def __post_init__(self) -> None:
        put = object.__setattr__
        experts = len(np.atleast_1d(self.group))
        put(self, "group", validate.whole_array("group", self.group, (experts,), experts))
        shape = (int(self.group.max(initial=-1)) + 1,)
        for name in ("base", "rise"):
            put(self, name, validate.real_array(name, getattr(self, name), shape, MOST_LOSS))
        put(self, "power", validate.real("power", self.power, positive=False))
        if self.power > MOST_POWER:
            raise fail("power", self.power, f"a number in [0, {MOST_POWER:g}]")

    def require(self, scenario: Scenario) -> None:
        """Raise `InputError` if the tariff is for another number of experts."""
        if len(self.group) != scenario.num_experts:
            allowed = f"{scenario.num_experts}, as in the scenario"
            raise InputError(f"the tariff has {len(self.group)} experts; allowed: {allowed}")

    @cached_property
    def _plain(self) -> tuple[list[int], list[float], list[float]]:
        """Lists, which are faster than arrays of a few numbers."""
        return self.group.tolist(), self.base.tolist(), self.rise.tolist()

    def prices(self, state: State) -> list[float]:
        """The price of a second of a slot at each expert now, (E,)."""
        group, base, rise = self._plain
        free, slots = [0.0] * len(base), [0.0] * len(base)
        for e, g in enumerate(group):
            free[g] += state.free[e]
            slots[g] += state.room[e]
        of_group = [
            b + r * (1.0 - f / s) ** self.power if s else b
            for b, r, f, s in zip(base, rise, free, slots, strict=True)
        ]
        return [of_group[g] for g in group]

    def choose(self, state: State) -> int:
        """The open action of greatest reward less duration times price; the device among equals."""
        return best_at(state, self.prices(state))


class Prices(Protocol):
    """A rule that charges for slots: a `Tariff`, or a `dmoe_opt.offload.forecast.Forecast`."""

    def prices(self, state: State) -> list[float]:
        """The price of a second of a slot at each expert now, (E,)."""
        ...


def along(rule: Prices, episode: Episode, choice: Whole) -> Array:
    """Prices at each arrival and expert, (N, E), as the choices (N,) of a policy are played."""
    state, prices = State(episode), []
    for action in choice.tolist():
        prices.append(rule.prices(state))
        state.step(action)
    return np.array(prices)


def net_rewards(state: State, prices: list[float]) -> list[float]:
    """Reward of each expert less duration times size times price per second, (E,)."""
    size = state.size
    return [r - p * s * size for r, p, s in zip(state.reward, prices, state.duration, strict=False)]


def best_at(state: State, prices: list[float]) -> int:
    """The open action of greatest reward less duration times price; the device among equals."""
    return state.best_open(net_rewards(state, prices))


def equal_experts(scenario: Scenario) -> Whole:
    """Group of each expert, (E,): experts that differ at most in their slots are equal."""
    experts = scenario.experts
    facts = [experts.speed, experts.energy_per_work_j, experts.mean_gain]
    rows = np.column_stack([experts.skill, *facts])
    first = [int(np.argmax((rows == row).all(axis=1))) for row in rows]
    return np.asarray(np.unique(first, return_inverse=True)[1])


def by_threshold(state: State, least: float) -> int:
    """The open expert of greatest reward if it earns at least so much more than the device.

    Thresholds are the classic rule of admission to loss networks: F. Kelly, *Loss Networks*, Annals
    of Applied Probability 1 (1991).
    """
    return state.best_open(state.reward, least)
