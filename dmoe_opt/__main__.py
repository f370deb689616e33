"""python -m dmoe_opt."""


def run() -> None:
    """Run the command line; Ctrl-C while its first files load prints no traceback either."""
    built_in = __import__("_signal")  # as in `cli.entry`
    built_in.signal(built_in.SIGINT, built_in.SIG_DFL)
    from dmoe_opt.cli.entry import main

    main()


run()
