"""Commands that write scenarios and episodes: `offload generate` and `offload import`."""

from __future__ import annotations

import click

from dmoe_opt.cli import offload_inputs
from dmoe_opt.cli.options import JSON, NATURAL, WHOLE, emit, setting
from dmoe_opt.data.words import counted
from dmoe_opt.errors import printable


@click.command()
@click.argument("preset", required=False, metavar="[PRESET_OR_FILE]")
@click.option("--list", "listing", is_flag=True, help="List the presets.")
@click.option("--seed", type=NATURAL, help="Number of a held-out episode to write.")
@setting("--copies", type=WHOLE, default=1, help="Of each expert, for as many times the load.")
@click.option("--jobs", type=WHOLE, help="Of an episode; default: those of the scenario by copy.")
@click.option("-o", "--output", metavar="FILE", help="Default: offload-PRESET[-sSEED].json here.")
@JSON
def generate(
    preset: str | None,
    listing: bool,
    seed: int | None,
    copies: int,
    jobs: int | None,
    output: str | None,
    as_json: bool,
) -> None:
    """Write a scenario of a preset or a file, or one of its episodes."""
    from pathlib import Path

    from dmoe_opt.cli import offload_tables
    from dmoe_opt.data import files, printed
    from dmoe_opt.offload import presets, store
    from dmoe_opt.offload.episode import draw, scenario_of
    from dmoe_opt.offload.scaling import scaled

    if listing:
        emit(offload_tables.preset_facts()) if as_json else offload_tables.presets()
        return
    if preset is None:
        raise click.UsageError(
            f"PRESET is missing; allowed: {', '.join(presets.PRESETS)}, or --list"
        )
    scenario = scaled(scenario_of(offload_inputs.data(preset)), copies, jobs)
    grown = "" if copies == 1 else f"-x{copies}"
    path = _default_name(f"{Path(preset).stem}{grown}", seed) if output is None else output
    store.save(scenario if seed is None else draw(scenario, seed), path)
    if files.is_stdout(path):
        return
    if as_json:
        emit(printed.OffloadGenerated(path, scenario.name, seed))
    else:
        click.echo(printable(str(path)))


def _default_name(scenario: str, seed: int | None) -> str:
    """The file of a scenario, or of its episode with a number."""
    episode = "" if seed is None else f"-s{seed}"
    return f"offload-{scenario}{episode}.json"


@click.command("import")
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
    size = f"{counted(told.subtasks, 'subtask')} of {counted(told.jobs, 'job')}"
    drawn = f"drawn: {', '.join(told.drawn)}"
    click.echo(printable(f"{path}: {size} in {told.seconds:.4g} s; {drawn}"))
