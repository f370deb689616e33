"""The commands of edge offloading: `offload generate | import | fit | train | ...`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dmoe_opt.cli import offload_inputs
from dmoe_opt.cli.options import FIGURES, JSON, NATURAL, WHOLE, emit, formatted, pictures, setting
from dmoe_opt.errors import printable

if TYPE_CHECKING:
    from pathlib import Path

    from dmoe_opt.comparing.policies import OffloadComparison

TIME_LIMIT = click.FloatRange(0, min_open=True)
AGENT = click.option(
    "--agent",
    metavar="FILE",
    help="Trained agent for `sac`; default: the one that comes with the preset.",
)

FIT = click.option(
    "--fit",
    "fit_file",
    metavar="FILE",
    help="Of `offload fit`; default: the one that comes with the preset.",
)


@click.group()
def offload() -> None:
    """Offload the subtasks of a device to edge experts.

    Choices are made by rules, by a learned policy, or by the clairvoyant optimum.
    """


@offload.command()
@click.argument("preset", required=False, metavar="[PRESET_OR_FILE]")
@click.option("--list", "listing", is_flag=True, help="List the presets.")
@click.option("--seed", type=NATURAL, help="Number of a held-out episode to write.")
@click.option("-o", "--output", metavar="FILE", help="Default: offload-PRESET[-sSEED].json here.")
@JSON
def generate(
    preset: str | None, listing: bool, seed: int | None, output: str | None, as_json: bool
) -> None:
    """Write a scenario of a preset or a file, or one of its episodes."""
    from dmoe_opt.cli import offload_tables
    from dmoe_opt.data import files, printed
    from dmoe_opt.offload import presets, store
    from dmoe_opt.offload.episode import draw, scenario_of

    if listing:
        emit(offload_tables.preset_facts()) if as_json else offload_tables.presets()
        return
    if preset is None:
        raise click.UsageError(
            f"PRESET is missing; allowed: {', '.join(presets.PRESETS)}, or --list"
        )
    data = offload_inputs.data(preset)
    scenario = scenario_of(data)
    path = _default_name(preset, seed) if output is None else output
    store.save(scenario if seed is None else draw(scenario, seed), path)
    if files.is_stdout(path):
        return
    if as_json:
        emit(printed.OffloadGenerated(path, scenario.name, seed))
    else:
        click.echo(printable(str(path)))


def _default_name(preset: str, seed: int | None) -> str:
    """The file of a scenario, or of its episode with a number."""
    from pathlib import Path

    episode = "" if seed is None else f"-s{seed}"
    return f"offload-{Path(preset).stem}{episode}.json"


@offload.command("import")
@click.argument("arrivals", metavar="ARRIVALS.csv")
@click.argument("scenario", metavar="PRESET_OR_FILE")
@setting("--seed", type=NATURAL, default=0, help="Of what is drawn.")
@click.option("-o", "--output", metavar="FILE", help="Default: ARRIVALS.json here.")
@JSON
def import_(arrivals: str, scenario: str, seed: int, output: str | None, as_json: bool) -> None:
    """Make an episode from recorded arrivals: column arrival_s, perhaps job and type from 0."""
    from pathlib import Path

    from dmoe_opt.data import files, printed
    from dmoe_opt.offload import recorded, store
    from dmoe_opt.offload.episode import scenario_of

    recording = recorded.read(arrivals)
    setting_of = scenario_of(offload_inputs.data(scenario))
    episode = recorded.episode(setting_of, recording, seed)
    path = f"{Path(arrivals).stem}.json" if output is None else output
    store.save(episode, path)
    if files.is_stdout(path):
        return
    told = printed.OffloadImported(
        file=path,
        scenario=setting_of.name,
        subtasks=episode.num_subtasks,
        jobs=int(episode.job.max()) + 1,
        seconds=float(episode.arrival_s[-1]),
        drawn=["sizes", "channels", *(["types"] if recording.type is None else [])],
    )
    if as_json:
        emit(told)
        return
    click.echo(
        printable(
            f"{path}: {told.subtasks} subtasks of {told.jobs} jobs in {told.seconds:.4g} s; "
            f"drawn: {', '.join(told.drawn)}"
        )
    )


@offload.command()
@click.argument("scenario", metavar="PRESET_OR_FILE")
@setting("--seed", type=NATURAL, default=0)
@setting("--steps", type=click.IntRange(30), default=40_000, help="About 200 per second.")
@click.option(
    "-o", "--output", required=True, metavar="FOLDER", help="For agent.npz and learning.csv, .png."
)
@FIGURES
@JSON
def train(scenario: str, seed: int, steps: int, output: str, as_json: bool) -> None:
    """Train Soft Actor-Critic; needs the extra drl."""
    from dmoe_opt.cli import console
    from dmoe_opt.comparing.policies import baselines
    from dmoe_opt.comparing.rows import as_csv
    from dmoe_opt.data import files
    from dmoe_opt.offload import agent as agents
    from dmoe_opt.offload.episode import scenario_of

    trained_on = scenario_of(offload_inputs.data(scenario))
    files.make_folder(output)
    from dmoe_opt.offload import training  # late: a wrong scenario needs no torch to be told

    with console.progress("clairvoyant optimum") as report:
        episodes = training.validation_episodes(trained_on)
        optimum, rules = baselines(episodes, progress=report)

    with console.progress(f"train on {scenario}") as report:

        def tell(done: int, total: int, mean: float) -> None:
            report(done, total, f"return {mean:.2f}, optimum {optimum:.2f}")

        agent, checks = training.train(trained_on, seed=seed, steps=steps, progress=tell)

    returns = [check.return_mean for check in checks]
    contents = {
        "agent.npz": agents.as_bytes(agent),
        "learning.csv": as_csv(checks, training.Check).encode(),
    }
    curve = ([check.step for check in checks], returns, optimum, rules)
    contents |= pictures("plot.offload", "of_learning", *curve)
    console.wrote(files.write_all(output, contents))
    if as_json:
        emit(
            {
                "return_mean": max(returns),
                "optimum_mean": optimum,
                "rules": rules,
                "made_by": agent.made_by,
            }
        )
        return
    others = ", ".join(f"{name} {value:.3f}" for name, value in rules.items())
    click.echo(
        f"return on validation episodes: sac {max(returns):.3f}, {others}; "
        f"clairvoyant optimum at most {optimum:.3f}"
    )


@offload.command()
@click.argument("scenario", metavar="PRESET_OR_FILE")
@setting("--seed", type=NATURAL, default=0)
@click.option("-o", "--output", metavar="FILE", help="Default: SCENARIO-fit.json here.")
@JSON
def fit(scenario: str, seed: int, output: str | None, as_json: bool) -> None:
    """Fit the rules `price`, `threshold` and `rollout` on training episodes."""
    from pathlib import Path

    from dmoe_opt.cli import console
    from dmoe_opt.data import files, printed
    from dmoe_opt.offload import fitting
    from dmoe_opt.offload.episode import scenario_of

    fitted_to = scenario_of(offload_inputs.data(scenario))
    path = f"{Path(scenario).stem}-fit.json" if output is None else output
    files.require_place(path)
    with console.progress(f"fit to {scenario}") as report:
        fitted = fitting.fit(fitted_to, seed, report)
    files.write(path, fitting.as_bytes(fitted))
    if files.is_stdout(path):
        return
    if as_json:
        emit(printed.Fitted(path, fitted.scenario, fitted.form, fitted.threshold, fitted.made_by))
    else:
        click.echo(printable(f"{path}: price with {fitted.form}"))


@offload.command()
@click.argument("episode", metavar="PRESET_OR_FILE")
@setting("--policy", default="price", metavar="NAME", help="A rule, sac, or optimum.")
@setting("--seed", type=NATURAL, default=0, help="Of the held-out episode.")
@click.option("--time-limit", type=TIME_LIMIT, metavar="S", help="For the optimum.")
@AGENT
@FIT
@click.option("-o", "--output", metavar="FOLDER", help="Write subtasks.csv and load.png there.")
@FIGURES
@JSON
def evaluate(
    episode: str,
    policy: str,
    seed: int,
    time_limit: float | None,
    agent: str | None,
    fit_file: str | None,
    output: str | None,
    as_json: bool,
) -> None:
    """Play one episode: return, quality, energy, losses, and every subtask's fate."""
    from dataclasses import asdict

    from dmoe_opt.cli import console, tables
    from dmoe_opt.comparing.policies import play
    from dmoe_opt.comparing.rows import as_csv
    from dmoe_opt.data import files
    from dmoe_opt.offload.episode import Episode, draw
    from dmoe_opt.offload.fates import Fate, fates
    from dmoe_opt.offload.policies import SAC
    from dmoe_opt.offload.simulate import account

    data = offload_inputs.data(episode)
    played = data if isinstance(data, Episode) else draw(data, seed)
    scenario = played.scenario
    agents = offload_inputs.agents(scenario, agent) if policy == SAC else None
    if output is not None:
        files.make_folder(output)
    fit = offload_inputs.fit(fit_file)
    choice, bound = play(played, policy, agents=agents, fit=fit, seed=seed, time_limit=time_limit)
    if output is not None:
        title = f"{scenario.name or 'scenario'}, {policy}"
        contents = {"subtasks.csv": as_csv(fates(played, choice), Fate).encode()}
        contents |= pictures("plot.offload", "of_episode", played, choice, title)
        console.wrote(files.write_all(output, contents))
    document = {
        "scenario": scenario.name,
        "policy": policy,
        "subtasks": played.num_subtasks,
        **asdict(account(played, choice)),
    }
    document["return"] = document.pop("return_")
    if bound is not None:
        document["bound"] = bound
    if as_json:
        emit(document)
    else:
        tables.listing(document)


@offload.command()
@click.argument("scenario", required=False, metavar="[PRESET_OR_FILE]")
@click.option("--preset", metavar="NAME", help="The same, as an option.")
@click.option("--policies", metavar="A,B,C", help="Default: all rules, sac if there is an agent.")
@setting("--episodes", type=WHOLE, default=30, metavar="N", help="Held-out episodes.")
@setting("--seed", type=NATURAL, default=0, help="Number of the first.")
@setting(
    "--time-limit",
    type=TIME_LIMIT,
    default=5.0,
    metavar="S",
    help="For the optimum; then its bound counts.",
)
@AGENT
@FIT
@click.option("-o", "--output", metavar="FOLDER", help="Write comparison.csv and shares.png there.")
@FIGURES
@formatted()
def compare(
    scenario: str | None,
    preset: str | None,
    policies: str | None,
    episodes: int,
    seed: int,
    time_limit: float,
    agent: str | None,
    fit_file: str | None,
    output: str | None,
    form: str,
) -> None:
    """Policies over held-out episodes, and the share of the clairvoyant optimum that each earns."""
    from dataclasses import asdict

    from dmoe_opt.cli import console, offload_tables
    from dmoe_opt.comparing.policies import compare as run
    from dmoe_opt.data import files
    from dmoe_opt.offload.episode import scenario_of
    from dmoe_opt.offload.policies import SAC

    data = offload_inputs.data(offload_inputs.one_of(scenario, preset))
    names = None if policies is None else [name.strip() for name in policies.split(",")]
    with_sac = names is None or SAC in names
    agents = offload_inputs.agents(scenario_of(data), agent) if with_sac else None
    fit = offload_inputs.fit(fit_file)
    if output is not None:
        files.make_folder(output)
    with console.progress("compare") as report:
        comparison = run(
            data,
            names,
            agents=agents,
            fit=fit,
            episodes=episodes,
            seed=seed,
            time_limit=time_limit,
            progress=report,
        )
    if output is not None:
        console.wrote(_save(comparison, output))
    if form == "json":
        emit(asdict(comparison))
    elif form == "csv":
        click.echo(_csv(comparison), nl=False)
    else:
        offload_tables.comparison(comparison, form)


def _csv(comparison: OffloadComparison) -> str:
    """The rows of all policies, that of the optimum last."""
    from dmoe_opt.comparing.policies import PolicyRow
    from dmoe_opt.comparing.rows import as_csv

    return as_csv([*comparison.rows, comparison.optimum], PolicyRow)


def _save(comparison: OffloadComparison, folder: str) -> list[Path]:
    """Write the rows as a table, and their shares as a picture."""
    from dmoe_opt.data import files

    contents = {"comparison.csv": _csv(comparison).encode()}
    contents |= pictures("plot.offload", "of_comparison", comparison)
    return files.write_all(folder, contents)
