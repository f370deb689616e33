"""The command that writes a page with sliders: `explore`."""

from __future__ import annotations

import click

from dmoe_opt.cli.options import JSON, emit, setting


@click.command()
@click.argument("file")
@click.option(
    "-o", "--output", metavar="PAGE", help="Default: the instance's name with .html; - is stdout."
)
@setting(
    "--time-limit",
    type=float,
    default=2.0,
    help="Seconds for each exact solve; 30 times as long for all together.",
)
@JSON
def explore(file: str, output: str | None, time_limit: float, as_json: bool) -> None:
    """Write a page on which thresholds, D, importance and subcarriers can be moved by sliders.

    A round with a deadline on the air has a slider for it in place of subcarriers.

    FILE is an instance of at most 512 tokens and 64 experts. The page holds some 200 exact solves;
    it needs no network.
    """
    from pathlib import Path

    import dmoe_opt
    from dmoe_opt.cli import console
    from dmoe_opt.data import files, printed, writing
    from dmoe_opt.errors import printable
    from dmoe_opt.exploring.grid import LIMITS_IN_ALL

    data = dmoe_opt.load(file)
    target = f"{Path(file).stem}.html" if output is None else output
    files.require_place(target)
    console.prepare("jesa" if isinstance(data, dmoe_opt.Instance) else "selection")
    most_s = LIMITS_IN_ALL * time_limit
    with console.progress(f"solving {data.name or file}, about {most_s:g} s at most") as bar:
        page = dmoe_opt.explore(data, time_limit=time_limit, progress=bar)
    page.save(target)
    if writing.is_stdout(target):
        return
    click.echo(printable(f"wrote {target}"), err=True)
    points = len(page.data["points"])
    if page.proven < points:
        proven = f"{page.proven} of {points} points are proven"
        click.echo(f"{proven}; a longer --time-limit proves more", err=True)
    if as_json:
        emit(printed.Explored(target, data.name, data.sha256, points, page.proven))
