"""The table of policies: rules that look at the present only, and trained agents.

A policy is a function from a seed to a function that chooses an action in one episode.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError
from dmoe_opt.offload import agent as trained
from dmoe_opt.offload import fitting
from dmoe_opt.offload.agent import Agent
from dmoe_opt.offload.episode import Episode
from dmoe_opt.offload.fitting import Fit, committed
from dmoe_opt.offload.fluid import resolving
from dmoe_opt.offload.forecast import Forecast
from dmoe_opt.offload.presets import PRESETS, preset
from dmoe_opt.offload.pricing import by_threshold
from dmoe_opt.offload.rollout import rollout
from dmoe_opt.offload.scenario import Scenario
from dmoe_opt.offload.simulate import Choose, State

OPTIMUM = "optimum"
"""Name of the clairvoyant optimum, which stands beside the policies and is none."""
SAC = "sac"
"""Name of an agent trained by Soft Actor-Critic."""

Policy = Callable[[int], Choose]
Agents = Mapping[str, Agent]


def uniform(seed: int) -> Choose:
    """Any open action, all with the same probability."""
    rng = random.Random(seed)

    def choose(state: State) -> int:
        open_ = [action for action, is_open in enumerate(state.mask) if is_open]
        return rng.choice(open_ or [state.device])

    return choose


def round_robin(seed: int) -> Choose:
    """The next expert in turn that is open; the device if none is."""
    last = -1

    def choose(state: State) -> int:
        nonlocal last
        count = state.device
        for k in range(1, count + 1):
            expert = (last + k) % count
            if state.mask[expert]:
                last = expert
                return expert
        return count

    return choose


def most_free(seed: int) -> Choose:
    """The open expert with the most free slots, the first of equals; the device if none is open."""

    def choose(state: State) -> int:
        open_ = [e for e in range(state.device) if state.mask[e]]
        return max(open_, key=lambda e: state.free[e], default=state.device)

    return choose


def greedy(seed: int) -> Choose:
    """The open action of greatest reward now; among equals the device, then the first expert."""
    return lambda state: state.best_open(state.reward)


def local(seed: int) -> Choose:
    """Always the device."""
    return lambda state: state.device


RULES: dict[str, Policy] = {
    "random": uniform,
    "round-robin": round_robin,
    "most-free": most_free,
    "greedy": greedy,
    "local": local,
    "lp": resolving,
}
"""Rules that need no numbers."""


def price(scenario: Scenario, fit: Fit) -> Policy:
    """Reward less duration times a fitted price per second, which grows as slots fill."""
    fit.tariff.require(scenario)
    return lambda seed: fit.tariff.choose


def threshold(scenario: Scenario, fit: Fit) -> Policy:
    """The best open expert, if it earns at least a fitted number more than the device."""
    return lambda seed: partial(by_threshold, least=fit.threshold)


def sampled(scenario: Scenario, fit: Fit) -> Policy:
    """The better of 2 actions in 8 sampled futures of 32 subtasks, played on by `price`."""
    fit.tariff.require(scenario)
    return partial(rollout, scenario, fit.tariff)


def forecast(scenario: Scenario, fit: Fit) -> Policy:
    """A price that knows what is still to arrive; its numbers are learned on whole episodes."""
    if fit.forecast is None:
        allowed = "a fit to a scenario without stages"
        raise InputError(f'policy = "forecast" has no numbers here; allowed: {allowed}')
    rule = Forecast(scenario, fit.forecast)
    return lambda seed: rule.choose


FITTED: dict[str, Callable[[Scenario, Fit], Policy]] = {
    "price": price,
    "threshold": threshold,
    "rollout": sampled,
    "forecast": forecast,
}
"""Rules with numbers that are fitted to a scenario."""
MADE = (*FITTED, SAC)
"""Policies that are made for a scenario."""


def usual(scenario: Scenario, agents: Agents | None = None, fit: Fit | None = None) -> list[str]:
    """The policies that can be played: all rules, fitted ones if there is a fit, and the agents."""
    return [*RULES, *fitted(fit or committed(scenario)), *(agents or {})]


def fitted(numbers: Fit | None) -> list[str]:
    """The rules that can be played with a fit."""
    if numbers is None:
        return []
    return [name for name in FITTED if name != "forecast" or numbers.forecast is not None]


def best(episode: Episode, fit: Fit | None = None) -> str:
    """The rule that earned most in our comparisons: "forecast", where it has numbers, or "price".

    Recorded arrivals are not those that it expects.
    """
    scenario = episode.scenario
    is_drawn = len(np.unique(episode.job)) == scenario.arrivals.num_jobs
    has_forecast = "forecast" in fitted(fit or committed(scenario))
    return "forecast" if is_drawn and has_forecast else "price"


def policy(
    name: str, scenario: Scenario, agents: Agents | None = None, fit: Fit | None = None
) -> Policy:
    """A rule, or a trained agent, by its name.

    Parameters
    ----------
    name
        Such as "price"; "price@busy" is the rule as it was fitted to the preset busy, and what
        stands after the @ may be a file of a fit or of an agent.
    agents
        Trained agents by name; they come before rules of the same name.
    fit
        Numbers of the rules in `FITTED`; presets come with theirs.

    Raises
    ------
    InputError
        If there is no policy of that name, or it was made for other numbers of experts or types
        than the scenario has.

    Examples
    --------
    >>> from dmoe_opt.offload.policies import policy
    >>> from dmoe_opt.offload.presets import preset
    >>> policy("best", preset("busy"))
    Traceback (most recent call last):
    dmoe_opt.errors.InputError: policy = 'best'; allowed: random, round-robin, most-free, greedy, \
local, lp, price, threshold, rollout, forecast, sac, optimum
    """
    agents = agents or {}
    if name in agents:
        agents[name].require(scenario)
        return lambda seed: agents[name].act
    rule, _, source = name.partition("@")
    if source and rule in MADE:
        return made_for(source, rule, scenario)
    if name == SAC:
        raise InputError(
            'policy = "sac" needs a trained agent; '
            "allowed: a preset that has one, or a file of `offload train`"
        )
    if name in FITTED:
        numbers = fit or committed(scenario)
        if numbers is None:
            allowed = "a preset that has one, or a file of `offload fit`"
            raise InputError(f'policy = "{name}" needs a fit; allowed: {allowed}')
        return FITTED[name](scenario, numbers)
    if name not in RULES:
        names = [*RULES, *FITTED, *(agents or [SAC]), OPTIMUM]
        raise fail("policy", name, ", ".join(names))
    return RULES[name]


def made_for(source: str, rule: str, scenario: Scenario) -> Policy:
    """A policy of `MADE` as it was made for another scenario: a preset, or the file of it.

    Raises
    ------
    InputError
        If it comes with no such preset, the file cannot be read, or the numbers of experts or types
        differ.
    """
    is_preset = source in PRESETS
    if rule == SAC:
        agent = trained.committed(source) if is_preset else trained.load(source)
        if agent is None:
            raise fail("policy", f"{rule}@{source}", "a preset with an agent, or a file of one")
        return policy(SAC, scenario, {SAC: agent})
    numbers = committed(preset(source)) if is_preset else fitting.load(source)
    return policy(rule, scenario, fit=numbers)
