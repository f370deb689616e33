"""Commands that play episodes: `offload evaluate` and `offload compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dmoe_opt.cli import offload_inputs
from dmoe_opt.cli.options import FIGURES, JSON, NATURAL, WHOLE, emit, formatted, pictures, setting

if TYPE_CHECKING:
    from pathlib import Path

    from dmoe_opt.comparing.policies import OffloadComparison
    from dmoe_opt.offload.episode import Episode
    from dmoe_opt.offload.fitting import Fit
    from dmoe_opt.offload.scenario import Array, Whole

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


@click.command()
@click.argument("episode", metavar="PRESET_OR_FILE")
@click.option(
    "--policy",
    metavar="NAME",
    help="A rule, sac, or optimum; default: forecast, or price where that has no numbers.",
)
@setting("--seed", type=NATURAL, default=0, help="Of the held-out episode.")
@click.option("--time-limit", type=TIME_LIMIT, metavar="S", help="For the optimum.")
@AGENT
@FIT
@click.option("--proof", metavar="FILE", help="Write a certificate of a bound on all policies.")
@click.option("-o", "--output", metavar="FOLDER", help="Write subtasks.csv and load.png there.")
@FIGURES
@JSON
def evaluate(
    episode: str,
    policy: str | None,
    seed: int,
    time_limit: float | None,
    agent: str | None,
    fit_file: str | None,
    proof: str | None,
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
    from dmoe_opt.offload.policies import SAC, best
    from dmoe_opt.offload.simulate import account

    data = offload_inputs.data(episode)
    played = data if isinstance(data, Episode) else draw(data, seed)
    scenario = played.scenario
    fit = offload_inputs.fit(fit_file)
    policy = policy or best(played, fit)
    agents = offload_inputs.agents(scenario, agent) if policy == SAC else None
    if output is not None:
        files.make_folder(output)
    choice, bound = play(played, policy, agents=agents, fit=fit, seed=seed, time_limit=time_limit)
    if output is not None:
        title = f"{scenario.name or 'scenario'}, {policy}"
        contents = {"subtasks.csv": as_csv(fates(played, choice), Fate).encode()}
        prices = _prices(played, choice, policy, fit)
        contents |= pictures("plot.offload", "of_episode", played, choice, title, prices)
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
    if proof is not None:
        document["certified_bound"] = _certified(played, proof)
    if as_json:
        emit(document)
    else:
        tables.listing(document)


def _certified(episode: Episode, path: str) -> float:
    """Write a certificate; returns the bound that it proves."""
    from dmoe_opt.data import files
    from dmoe_opt.offload.proving import prove_episode

    files.require_place(path)
    certificate = prove_episode(episode)
    certificate.save(path)
    return certificate.bound


def _prices(played: Episode, choice: Whole, policy: str, fit: Fit | None) -> Array | None:
    """What `price` or `forecast` charged for a slot at each arrival, (N, E); None for others."""
    from dmoe_opt.offload import fitting, pricing
    from dmoe_opt.offload.forecast import Forecast

    numbers = fit or fitting.committed(played.scenario)
    if numbers is None or policy not in ("price", "forecast"):
        return None
    charging: pricing.Prices = numbers.tariff
    if policy == "forecast":
        assert numbers.forecast is not None  # or the rule had not played
        charging = Forecast(played.scenario, numbers.forecast)
    return pricing.along(charging, played, choice)


@click.command()
@click.argument("scenario", required=False, metavar="[PRESET_OR_FILE]")
@click.option("--preset", metavar="NAME", help="The same, as an option.")
@click.option(
    "--policies",
    metavar="A,B,C",
    help="Default: all rules, sac if there is an agent; price@busy is fitted to busy.",
)
@click.option(
    "--fitted-on",
    metavar="A,B",
    help="Also price, threshold, forecast and sac (or those of --policies) as made for these.",
)
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
@click.option("-o", "--output", metavar="FOLDER", help="Write comparison.csv and pictures there.")
@FIGURES
@formatted()
def compare(
    scenario: str | None,
    preset: str | None,
    policies: str | None,
    fitted_on: str | None,
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
    from dmoe_opt.offload.policies import MADE, SAC, usual

    data = offload_inputs.data(offload_inputs.one_of(scenario, preset))
    names = None if policies is None else [name.strip() for name in policies.split(",")]
    with_sac = names is None or SAC in names
    agents = offload_inputs.agents(scenario_of(data), agent) if with_sac else None
    fit = offload_inputs.fit(fit_file)
    if fitted_on is not None:
        quick = [name for name in MADE if name != "rollout"]  # which takes minutes for each
        made = offload_inputs.shifted(names or quick, fitted_on.split(","))
        names = [*(names or usual(scenario_of(data), agents, fit)), *made]
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
