"""The command line: its commands, and how it ends.

Exit codes: 0 checked answer, 1 solution fails its check, 2 bad input, 3 infeasible, 4 no answer.
"""

from __future__ import annotations

import sys
from importlib import import_module

import click

from dmoe_opt.cli import interrupts
from dmoe_opt.errors import DmoeError, one_line

COMMANDS = {
    "generate": ("instances", "Write instances of a preset."),
    "new": ("new", "Make a round from your own channel gains and gate scores."),
    "import": ("instances", "Turn the router trace of a real model into instances."),
    "info": ("instances", "Say what an instance holds."),
    "export": ("instances", "Write the integer program for another solver."),
    "methods": ("solutions", "List the methods of every problem."),
    "solve": ("solutions", "Solve an instance and check the answer."),
    "check": ("solutions", "Recompute a solution, and try to refute its bound."),
    "compare": ("solutions", "Methods side by side."),
    "explain": ("explain", "Say why an instance has no answer."),
    "explore": ("explore", "Write a page with sliders about an instance."),
    "protocol": ("layers", "Run all layers of a model under a scheduler."),
    "savings": ("savings", "What choosing experts by energy would save on a model."),
    "place": ("place", "Where to put the experts."),
    "frontier": ("layers", "Accuracy against energy, by scheduler."),
    "offload": ("offload", "Subtasks of a device on edge experts."),
    "sweep": ("sweep", "Run a grid of presets, seeds, methods and options."),
    "plot": ("plot", "Draw a sweep, or the frontier of schedulers."),
}
"""File and one line of help for every command; its file is imported when it is called."""


class Commands(click.Group):
    """The commands; `--help` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"dmoe_opt.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, "import_" if cmd_name == "import" else cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is called; one that does not exist gets the list of those that do."""
        if not args[0].startswith("-") and args[0] not in COMMANDS:
            ctx.fail(f'command = "{args[0]}"; allowed: {", ".join(COMMANDS)}')
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands in the help text."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, says) for name, (_, says) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dmoe-opt")
def cli() -> None:
    """Which experts should a token see, and which subcarrier should carry it there."""


def main() -> None:
    """Run the command line: every error is one line on stderr."""
    try:
        sys.exit(cli.main(standalone_mode=False) or 0)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(2)
    except click.ClickException as error:
        _complain(error.format_message())
    except DmoeError as error:
        _complain(str(error), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        interrupts.tell()
        sys.exit(interrupts.EXIT_CODE)
    except BrokenPipeError:  # the reader of a pipe has left
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:  # stdout itself: files report their own errors
        _complain(f"output: {error.strerror or error}")
    except MemoryError:
        _complain("out of memory", 4)


def _complain(text: str, exit_code: int = 2) -> None:
    click.echo(f"dmoe-opt: {one_line(text)}", err=True)
    sys.exit(exit_code)
