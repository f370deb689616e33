"""Commands that fit rules and train agents: `offload fit` and `offload train`."""

from __future__ import annotations

import click

from dmoe_opt.cli import offload_inputs
from dmoe_opt.cli.options import FIGURES, JSON, NATURAL, emit, pictures, setting
from dmoe_opt.errors import printable


@click.command()
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


@click.command()
@click.argument("scenario", metavar="PRESET_OR_FILE")
@setting("--seed", type=NATURAL, default=0)
@click.option("-o", "--output", metavar="FILE", help="Default: SCENARIO-fit.json here.")
@JSON
def fit(scenario: str, seed: int, output: str | None, as_json: bool) -> None:
    """Fit `price`, `threshold`, `rollout` and `forecast` on training episodes."""
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
