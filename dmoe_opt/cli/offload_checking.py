"""The command `offload check`: what a certificate proves of an episode, in exact arithmetic."""

from __future__ import annotations

import sys

import click

from dmoe_opt.cli import offload_inputs
from dmoe_opt.cli.options import JSON, NATURAL, emit, say, setting


@click.command()
@click.argument("episode", metavar="PRESET_OR_FILE")
@click.option("--proof", required=True, metavar="FILE", help="Of `offload evaluate --proof`.")
@setting("--seed", type=NATURAL, default=0, help="Of the held-out episode.")
@JSON
def check(episode: str, proof: str, seed: int, as_json: bool) -> None:
    """Say whether a certificate proves that no policy earns more than its bound.

    The exit code is 1 if it does not.
    """
    from dmoe_opt.offload.episode import Episode, draw
    from dmoe_opt.offload.proving import refusal
    from dmoe_opt.proof.files import load

    data = offload_inputs.data(episode)
    played = data if isinstance(data, Episode) else draw(data, seed)
    fields = load(proof)
    refused = refusal(played, fields)
    bound = None if refused else float(fields["bound"])
    if as_json:
        emit({"certified": not refused, "bound": bound, "reason": refused})
    elif refused:
        say(f"bound claimed, not certified: {refused}")
    else:
        say(f"bound certified: no policy earns more than {bound}, in exact arithmetic")
    sys.exit(1 if refused else 0)
