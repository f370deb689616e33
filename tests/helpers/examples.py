"""Examples after `>>>`, which are run and print what they say."""

from __future__ import annotations

import doctest

import matplotlib as mpl


def run(examples: list[doctest.DocTest]) -> None:
    """Run examples in the working folder; the style of figures stays as it was."""
    runner = doctest.DocTestRunner()
    with mpl.rc_context():
        for example in examples:
            runner.run(example)
    assert runner.tries
    assert not runner.failures, "see above"
