"""What the offloading commands read: scenarios and episodes, agents, and fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from dmoe_opt.offload.agent import Agent
    from dmoe_opt.offload.episode import Episode
    from dmoe_opt.offload.fitting import Fit
    from dmoe_opt.offload.scenario import Scenario


def data(name: str) -> Scenario | Episode:
    """A preset by its name, or what a file holds."""
    from pathlib import Path

    from dmoe_opt.errors import InputError
    from dmoe_opt.offload import presets, store

    if name in presets.PRESETS:
        return presets.preset(name)
    try:
        return store.load(name)
    except InputError as error:
        if Path(name).suffix:
            raise
        raise InputError(f"{error}; presets are {', '.join(presets.PRESETS)}") from None


def agents(scenario: Scenario, path: str | None) -> dict[str, Agent]:
    """The agent of a file, or the one that comes with a preset, if there is one."""
    from dmoe_opt.offload import agent
    from dmoe_opt.offload.policies import SAC

    if path is not None:
        return {SAC: agent.load(path)}
    committed = agent.committed(scenario.name)
    if committed is None or not committed.fits(scenario):
        return {}
    return {SAC: committed}


def fit(path: str | None) -> Fit | None:
    """The fit of a file; None for the one that comes with a preset."""
    from dmoe_opt.offload import fitting

    return None if path is None else fitting.load(path)


def shifted(names: list[str], made_for: list[str]) -> list[str]:
    """The fitted ones of the policies as made for each of the presets, such as `price@busy`.

    Without the policies that a preset has not.
    """
    from dmoe_opt.errors import InputError
    from dmoe_opt.offload import agent, fitting, presets
    from dmoe_opt.offload.policies import SAC, fitted

    shown = []
    for preset in (name.strip() for name in made_for):
        if preset not in presets.PRESETS:
            raise InputError(f"fitted-on = {preset!r}; allowed: {', '.join(presets.PRESETS)}")
        made = fitted(fitting.committed(presets.preset(preset)))
        if agent.committed(preset):
            made.append(SAC)
        shown += [f"{name}@{preset}" for name in names if name in made]
    return shown


def one_of(scenario: str | None, preset: str | None) -> str:
    """The one name that was given, as the argument or as the option."""
    if scenario is not None and preset is None:
        return scenario
    if preset is not None and scenario is None:
        return preset
    raise click.UsageError("give PRESET_OR_FILE or --preset NAME, one of the two")
