"""The commands of edge offloading: `offload generate | train | evaluate | compare`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from dmoe_opt.cli.options import JSON, emit, pictures

if TYPE_CHECKING:
    from dmoe_opt.offload.agent import Agent
    from dmoe_opt.offload.episode import Episode
    from dmoe_opt.offload.scenario import Scenario

AGENT = click.option(
    "--agent",
    metavar="FILE",
    help="Trained agent for `sac`; default: the one that comes with the preset.",
)


@click.group()
def offload() -> None:
    """Offload the subtasks of a device to edge experts: rules, a learned policy, the clairvoyant optimum."""


@offload.command()
@click.argument("preset", required=False, metavar="[PRESET_OR_FILE]")
@click.option("--list", "listing", is_flag=True, help="List the presets.")
@click.option(
    "--seed",
    type=click.IntRange(0),
    help="Write the held-out episode of this number with the scenario.",
)
@click.option(
    "-o", "--output", metavar="FILE", help="Default: offload-PRESET[-sSEED].json in this folder."
)
def generate(preset: str | None, listing: bool, seed: int | None, output: str | None) -> None:
    """Write a scenario, of a preset or of your own, or one of its episodes."""
    from pathlib import Path

    from dmoe_opt.cli import offload_tables
    from dmoe_opt.offload import presets, store
    from dmoe_opt.offload.episode import draw, scenario_of

    if listing:
        offload_tables.presets()
        return
    if preset is None:
        raise click.UsageError(
            f"PRESET is missing; allowed: {', '.join(presets.PRESETS)}, or --list"
        )
    data = _data(preset)
    scenario = scenario_of(data)
    path = (
        f"offload-{Path(preset).stem}{'' if seed is None else f'-s{seed}'}.json"
        if output is None
        else output
    )
    store.save(scenario if seed is None else draw(scenario, seed), path)
    click.echo(path)


@offload.command()
@click.argument("scenario", metavar="PRESET_OR_FILE")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--steps",
    type=click.IntRange(30),
    default=40_000,
    show_default=True,
    help="About 200 a second.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FOLDER",
    help="For agent.npz, learning.csv and learning.png.",
)
@JSON
def train(scenario: str, seed: int, steps: int, output: str, as_json: bool) -> None:
    """Train Soft Actor-Critic; needs the extra drl."""
    from dmoe_opt.cli import tables
    from dmoe_opt.comparing.policies import baselines
    from dmoe_opt.comparing.rows import as_csv
    from dmoe_opt.data import files
    from dmoe_opt.errors import InputError
    from dmoe_opt.offload import agent as agents
    from dmoe_opt.offload.episode import scenario_of

    found = scenario_of(_data(scenario))
    files.make_folder(output)
    try:
        from dmoe_opt.offload.training import train as learn
        from dmoe_opt.offload.training import validation_episodes
    except ImportError as error:
        how = 'install the CPU build of torch, then "dmoe-opt[drl]"'
        raise InputError(f"training needs the extra drl: {how} ({error})") from None
    episodes = validation_episodes(found)
    with tables.progress("clairvoyant optimum") as report:
        optimum, rules = baselines(episodes, progress=report)
    with tables.progress(f"train on {scenario}") as report:
        agent, checks = learn(
            found, seed=seed, steps=steps,
            progress=lambda done, total, mean: report(done, total, f"return {mean:.2f}, optimum {optimum:.2f}"),
        )  # fmt: skip
    best = max(check.return_mean for check in checks)
    contents = {
        "agent.npz": agents.as_bytes(agent),
        "learning.csv": as_csv(checks, type(checks[0])).encode(),
    }
    curve = ([c.step for c in checks], [c.return_mean for c in checks], optimum, rules)
    written = files.write_all(
        output, contents | pictures("plot.offload", "of_learning", *curve)
    )
    tables.wrote(written)
    summary = {
        "return_mean": best,
        "optimum_mean": optimum,
        "rules": rules,
        "made_by": agent.made_by,
    }
    if as_json:
        emit(summary)
    else:
        others = ", ".join(f"{name} {value:.3f}" for name, value in rules.items())
        click.echo(
            f"return on validation episodes: sac {best:.3f}, {others}; clairvoyant optimum at most {optimum:.3f}"
        )


@offload.command()
@click.argument("episode", metavar="PRESET_OR_FILE")
@click.option(
    "--policy", default="greedy", show_default=True, metavar="NAME", help="A rule, sac, or optimum."
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Number of the held-out episode.",
)
@click.option(
    "--time-limit", type=click.FloatRange(0, min_open=True), metavar="S", help="For the optimum."
)
@AGENT
@click.option("-o", "--output", metavar="FOLDER", help="Write subtasks.csv and load.png there.")
@JSON
def evaluate(
    episode: str,
    policy: str,
    seed: int,
    time_limit: float | None,
    agent: str | None,
    output: str | None,
    as_json: bool,
) -> None:
    """Play one episode: return, quality, energy, losses, and every subtask's fate."""
    from dataclasses import asdict

    from dmoe_opt.cli import tables
    from dmoe_opt.comparing import policies
    from dmoe_opt.comparing.rows import as_csv
    from dmoe_opt.data import files
    from dmoe_opt.offload.episode import Episode, draw
    from dmoe_opt.offload.simulate import account

    data = _data(episode)
    given = data if isinstance(data, Episode) else draw(data, seed)
    scenario = given.scenario
    agents = _agents(scenario, agent) if policy == policies.SAC else None
    if output is not None:
        files.make_folder(output)
    choice = policies.play(given, policy, agents=agents, seed=seed, time_limit=time_limit)
    if choice is None:
        click.echo("dmoe-opt: optimum: no schedule found within the time limit", err=True)
        sys.exit(4)
    total = account(given, choice)
    if output is not None:
        contents = {"subtasks.csv": as_csv(policies.fates(given, choice), policies.Fate).encode()}
        title = f"{scenario.name or 'scenario'}, {policy}"
        tables.wrote(
            files.write_all(
                output,
                contents | pictures("plot.offload", "of_episode", given, choice, title),
            )
        )
    document = {
        "scenario": scenario.name,
        "policy": policy,
        "subtasks": given.num_subtasks,
        **asdict(total),
    }
    document["return"] = document.pop("return_")
    if as_json:
        emit(document)
    else:
        tables.listing(document)


@offload.command()
@click.argument("scenario", required=False, metavar="[PRESET_OR_FILE]")
@click.option("--preset", metavar="NAME", help="The same, as an option.")
@click.option(
    "--policies", metavar="A,B,C", help="Default: all rules, and sac if there is an agent."
)
@click.option(
    "--episodes",
    type=click.IntRange(1),
    default=30,
    show_default=True,
    metavar="N",
    help="Held-out episodes.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Number of the first."
)
@click.option(
    "--time-limit", type=click.FloatRange(0, min_open=True), default=5.0, show_default=True, metavar="S",
    help="For the optimum of an episode; beyond it the proven bound counts.",
)  # fmt: skip
@AGENT
@click.option("-o", "--output", metavar="FOLDER", help="Write comparison.csv and shares.png there.")
@JSON
def compare(
    scenario: str | None, preset: str | None, policies: str | None, episodes: int, seed: int, time_limit: float,
    agent: str | None, output: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Policies over held-out episodes, and the share of the clairvoyant optimum that each earns."""
    from dataclasses import asdict

    from dmoe_opt.cli import offload_tables as offload_tables
    from dmoe_opt.cli import tables
    from dmoe_opt.comparing.policies import SAC, PolicyRow
    from dmoe_opt.comparing.policies import compare as run
    from dmoe_opt.comparing.rows import as_csv
    from dmoe_opt.data import files
    from dmoe_opt.offload.episode import scenario_of

    if (scenario is None) == (preset is None):
        raise click.UsageError("give PRESET_OR_FILE or --preset NAME, one of the two")
    data = _data(str(scenario or preset))
    found = scenario_of(data)
    names = None if policies is None else [name.strip() for name in policies.split(",")]
    trained = _agents(found, agent) if names is None or SAC in names else None
    if output is not None:
        files.make_folder(output)
    with tables.progress("compare") as report:
        done = run(
            data,
            names,
            agents=trained,
            episodes=episodes,
            seed=seed,
            time_limit=time_limit,
            progress=report,
        )
    if output is not None:
        rows = [*done.rows, *([done.optimum] if done.optimum else [])]
        contents = {"comparison.csv": as_csv(rows, PolicyRow).encode()}
        tables.wrote(
            files.write_all(
                output, contents | pictures("plot.offload", "of_comparison", done)
            )
        )
    if as_json:
        emit(asdict(done))
    else:
        offload_tables.comparison(done)


def _data(name: str) -> Scenario | Episode:
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


def _agents(scenario: Scenario, path: str | None) -> dict[str, Agent]:
    """The agent of a file, or the one that comes with a preset, if there is one."""
    from dmoe_opt.comparing.policies import SAC
    from dmoe_opt.offload import agent

    found = agent.committed(scenario.name) if path is None else agent.load(path)
    return {} if found is None or (path is None and not found.fits(scenario)) else {SAC: found}
