"""The command line: its commands, and how it ends.

Exit codes: 0 checked answer, 1 solution fails its check, 2 bad input, 3 infeasible, 4 no answer.
"""

from __future__ import annotations

import sys

import click

from dmoe_opt.cli import instances, interrupts, solutions
from dmoe_opt.cli.layers import frontier, protocol
from dmoe_opt.cli.offload import offload
from dmoe_opt.cli.plot import plot
from dmoe_opt.cli.sweep import sweep
from dmoe_opt.errors import DmoeError

MOST_CHARACTERS = 300  # of a complaint


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dmoe-opt")
def cli() -> None:
    """Which experts should a token see, and which subcarrier should carry it there."""


for command in (
    instances.generate,
    instances.import_,
    instances.info,
    instances.export,
    solutions.methods,
    solutions.solve,
    solutions.check,
    solutions.compare,
    protocol,
    frontier,
    offload,
    plot,
    sweep,
):
    cli.add_command(command)


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
    line = "".join(c if c.isprintable() else repr(c)[1:-1] for c in " ".join(text.split()))
    if len(line) > MOST_CHARACTERS:  # the ends say which file, and what is allowed
        line = f"{line[: MOST_CHARACTERS // 2]} ... {line[-MOST_CHARACTERS // 2 :]}"
    click.echo(f"dmoe-opt: {line}", err=True)
    sys.exit(exit_code)
