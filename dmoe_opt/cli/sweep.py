"""The command of sweeps: `sweep`."""

from __future__ import annotations

import click

from dmoe_opt.cli.options import JSON, WHOLE, emit, setting
from dmoe_opt.errors import printable


@click.command()
@click.argument("config", metavar="CONFIG.toml")
@click.option(
    "-o", "--output", required=True, metavar="FOLDER", help="For results.jsonl, a line per job."
)
@setting(
    "--backend",
    type=click.Choice(["serial", "loky", "dask"]),
    default="serial",
    help="One process, all cores, a cluster.",
)
@click.option("--jobs", type=WHOLE, metavar="N", help="Worker processes; default: one per core.")
@click.option("--scheduler", metavar="ADDRESS", help="Of a dask cluster that runs already.")
@click.option("--resume", is_flag=True, help="Go on where the results of FOLDER end.")
@JSON
def sweep(
    config: str,
    output: str,
    backend: str,
    jobs: int | None,
    scheduler: str | None,
    resume: bool,
    as_json: bool,
) -> None:
    """Run a grid of presets, seeds, problems, methods and options; no finished row is ever lost."""
    from dmoe_opt.cli import console
    from dmoe_opt.data import printed
    from dmoe_opt.sweep import plan
    from dmoe_opt.sweep.driver import sweep as run
    from dmoe_opt.sweep.journal import RESULTS

    if scheduler is not None and backend != "dask":
        raise click.UsageError("--scheduler is for --backend dask")
    planned = plan.read(config)
    if backend == "serial":
        console.prepare("selection" if planned.grid["problem"] == ["selection"] else "jesa")
    try:
        with console.progress("sweep") as report:
            done = run(
                planned,
                output,
                backend=backend,
                workers=jobs,
                scheduler=scheduler,
                resume=resume,
                progress=report,
            )
    except KeyboardInterrupt:
        kept = f"{output}/{RESULTS}: the rows that are finished are kept; go on with --resume"
        click.echo(printable(kept), err=True)
        raise
    if as_json:
        counts = (done.rows, done.failed, done.before, done.rows - done.before)
        results = f"{output}/{RESULTS}"
        emit(printed.Swept(results, *counts, list(done.damaged), list(done.reasons)))
        return
    said = (
        f"{output}/{RESULTS}: {done.rows} rows, {done.failed} of them failed; "
        f"{done.before} were there before, {done.rows - done.before} are new"
    )
    click.echo(printable(said))
    if done.damaged:
        lines = ", ".join(map(str, done.damaged[:10]))
        are = f"lines {lines} are" if len(done.damaged) > 1 else f"line {lines} is"
        passed = f"{output}/{RESULTS}: {are} damaged and passed over"
        click.echo(printable(passed), err=True)
    for line in done.reasons:
        click.echo(printable(f"failed: {line}"), err=True)
