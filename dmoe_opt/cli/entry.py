"""Where the command line starts: Ctrl-C and limits come before anything heavy is imported."""

from __future__ import annotations


def main() -> None:
    """Run the command line as a process of its own."""
    built_in = __import__("_signal")  # signal itself takes a while to import
    built_in.signal(built_in.SIGINT, built_in.SIG_DFL)  # ends the process, without a traceback
    from dmoe_opt.cli import interrupts, memory

    try:
        interrupts.install()
        memory.require()
        from dmoe_opt.cli.main import main as run

        run()
    except BaseException:
        if interrupts.heard():  # whatever error an import or a callback made of it
            interrupts.end()
        interrupts.ignore()  # the work is done, and what was printed stands
        raise
