"""The command `explain`."""

from __future__ import annotations

import click

from dmoe_opt.cli.options import JSON, emit, say, setting


@click.command()
@click.argument("file")
@click.option(
    "--problem",
    metavar="NAME",
    help="As for `solve`; default: jesa for a round, allocation with --selection.",
)
@click.option(
    "--selection", metavar="SOLUTION", help="Whose experts get subcarriers; default: DES."
)
@setting("--time-limit", type=float, default=60.0, metavar="S", help="Seconds, for jesa.")
@JSON
def explain(
    file: str, problem: str | None, selection: str | None, time_limit: float, as_json: bool
) -> None:
    """Say why an instance has no answer, by as few tokens and rules as possible.

    Without any one of them the others have an answer. There can be further reasons.
    """
    from dmoe_opt import explain as run
    from dmoe_opt.cli import console
    from dmoe_opt.cli.solutions import selection_in
    from dmoe_opt.data import files

    data = files.load(file)
    chosen = None if selection is None else selection_in(selection, data)
    console.prepare(problem or "jesa")
    explanation = run(data, problem, chosen, time_limit)
    if as_json:
        emit(explanation.document())
    else:
        say(str(explanation))
