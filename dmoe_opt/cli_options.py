"""What the commands share: an option, and how they print JSON."""

from __future__ import annotations

import click

JSON = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout and nothing else.")


def emit(document: object) -> None:
    """Print one JSON document."""
    import msgspec

    click.echo(msgspec.json.encode(document))
