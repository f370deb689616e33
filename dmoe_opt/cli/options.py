"""What the commands share: an option, and how they print JSON."""

from __future__ import annotations

import click

JSON = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document on stdout and nothing else."
)


def emit(document: object) -> None:
    """Print one JSON document."""
    import msgspec

    click.echo(msgspec.json.encode(document))


def pictures(module: str, function: str, *arguments: object) -> dict[str, bytes]:
    """Figures by name, of a function of a module of the package; none where matplotlib is missing."""
    from importlib import import_module

    try:
        figures = import_module(f"dmoe_opt.{module}")
    except ImportError:
        return {}
    found: dict[str, bytes] = getattr(figures, function)(*arguments)
    return found
