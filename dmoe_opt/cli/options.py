"""What the commands share: options, and how they print JSON and ask for figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any

import click

from dmoe_opt.errors import printable
from dmoe_opt.method_options import SEED
from dmoe_opt.method_table import takers

WHOLE = click.IntRange(1)
NATURAL = click.IntRange(0)
setting = partial(click.option, show_default=True)
"""An option with a default that the help shows."""
JSON = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document on stdout and nothing else."
)
PER_NODE = click.option(
    "--experts-per-node", type=WHOLE, metavar="N", help="Default: expert j on node j."
)
SEND_ONCE = click.option(
    "--send-once", is_flag=True, help="A token is sent once to a node, not for each expert."
)
FIGURE_FORMAT = "dmoe_opt.figure_format"
FIGURES = click.option(
    "--format-figure",
    type=click.Choice(["png", "pdf", "svg"]),
    default="png",
    show_default=True,
    expose_value=False,
    callback=lambda context, _, kind: context.meta.__setitem__(FIGURE_FORMAT, kind),
    help="Of the figures.",
)
FORMS = ("text", "csv", "json", "markdown", "latex")
PROBLEM = click.option(
    "--problem",
    default="selection",
    show_default=True,
    metavar="NAME",
    help="What to solve; see `dmoe-opt methods`.",
)


def formatted(*forms: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add --format with these forms, and --json for one of them; the command gets `form`."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def run(*arguments: Any, form: str, as_json: bool, **options: Any) -> Any:
            if as_json and form not in ("text", "json"):
                raise click.UsageError("give --json or --format, one of the two")
            return command(*arguments, form="json" if as_json else form, **options)

        choice = click.Choice(forms or FORMS)
        help_ = "Of what is printed; csv and json have all digits."
        option = setting("--format", "form", type=choice, default="text", help=help_)
        return option(JSON(run))

    return add


def of_methods(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add every option of a method that fits on a command line; its help names the methods."""
    for option, names in reversed(takers().items()):
        if not option.plain:
            continue
        command = click.option(
            f"--{option.name.replace('_', '-')}",
            type=option.parse,
            is_flag=option.parse is bool,
            default=0 if option is SEED else None,
            show_default=option is SEED,
            metavar=option.metavar,
            help=f"{option.says} ({', '.join(names)})",
        )(command)
    return command


def emit(document: object) -> None:
    """Print one JSON document, in which control characters of any kind are escaped."""
    import json

    import msgspec

    text = msgspec.json.encode(document).decode()
    if not text.isprintable():  # JSON itself escapes those below U+0020 only
        text = "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)
    click.echo(text)


def say(text: str, indent: int = 4, *, err: bool = False) -> None:
    """Print lines; a terminal gets them broken between words, and indented from the second on."""
    import shutil
    import sys
    import textwrap

    stream = sys.stderr if err else sys.stdout
    lines = printable(text).splitlines()
    if stream is not None and stream.isatty():
        columns = shutil.get_terminal_size().columns
        lines = [
            textwrap.fill(
                line,
                columns,
                subsequent_indent=" " * indent,
                break_long_words=False,
                break_on_hyphens=False,
            )
            for line in lines
        ]
    click.echo("\n".join(lines), err=err)


def pictures(module: str, function: str, *arguments: object) -> dict[str, bytes]:
    """Figures by name, drawn by a function of a module; none where matplotlib is missing."""
    from importlib import import_module

    try:
        figures = import_module(f"dmoe_opt.{module}")
    except ImportError:
        return {}
    with figure_format() as suffix:
        drawn: dict[str, bytes] = getattr(figures, function)(*arguments)
    return renamed(drawn, suffix)


@contextmanager
def figure_format() -> Iterator[str]:
    """Figures are drawn in the format that --format-figure says; yields it."""
    import matplotlib as mpl

    context = click.get_current_context(silent=True)
    kind: str = "png" if context is None else context.meta.get(FIGURE_FORMAT, "png")
    with mpl.rc_context({"savefig.format": kind}):
        yield kind


def renamed(files: dict[str, bytes], suffix: str) -> dict[str, bytes]:
    """Files by name, figures with the suffix of their format."""
    return {
        f"{name.removesuffix('.png')}.{suffix}" if name.endswith(".png") else name: content
        for name, content in files.items()
    }


def numbers_in(name: str, text: str) -> list[float]:
    """Numbers that were typed with commas between them."""
    from dmoe_opt.data.validate import fail

    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise fail(name, text, "numbers with commas between them") from None
