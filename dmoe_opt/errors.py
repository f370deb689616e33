"""The errors of this package on one page.

The type of an error says what to do about it, and with which exit code the command line ends.

::

    DmoeError
    ├── InputError           wrong input or usage                      exit code 2
    ├── MissingExtraError    an optional package is not installed      exit code 2
    ├── MethodError          a method raised an error, or was wrong    exit code 2
    └── NoAnswerError        the input is fine, and there is no answer
        ├── InfeasibleError      proven that none exists               exit code 3
        └── LimitError           a limit was reached before one        exit code 4
"""

from __future__ import annotations

MOST_CHARACTERS = 400
"""Of the text of an error; names and values from files may be longer."""


def printable(text: str) -> str:
    """Text of others as one can print it: control characters are spelt out, never sent."""
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)


def one_line(text: str) -> str:
    """Text as one printable line of limited length; its ends say where, and what is allowed."""
    line = printable(" ".join(text.split()))
    if len(line) <= MOST_CHARACTERS:
        return line
    half = MOST_CHARACTERS // 2 - 3
    return f"{line[:half]} ... {line[-half:]}"


class DmoeError(Exception):
    """Every error that this package raises on purpose.

    Its text is one printable line of at most `MOST_CHARACTERS`, whatever names and values of a file
    it quotes.

    Examples
    --------
    >>> import dmoe_opt
    >>> try:
    ...     dmoe_opt.load("no-such-file.json")
    ... except dmoe_opt.DmoeError as error:
    ...     error.exit_code
    2
    """

    exit_code = 2

    def __init__(self, text: str = "") -> None:
        super().__init__(one_line(str(text)))


class InputError(DmoeError, ValueError):
    """Bad input from a user or a file, told in one line.

    Examples
    --------
    >>> import dmoe_opt
    >>> dmoe_opt.SelectionProblem(scores=[[1.5]], cost=[[1.0]], threshold=0.5, max_experts=1)
    Traceback (most recent call last):
    dmoe_opt.errors.InputError: scores[0][0] = 1.5; allowed: finite numbers in [0, 1]
    """


class MissingExtraError(DmoeError, ImportError):
    """An optional part of the package is not installed; the text says how to install it.

    Examples
    --------
    >>> import dmoe_opt
    >>> issubclass(dmoe_opt.MissingExtraError, ImportError)
    True
    """


class MethodError(DmoeError, RuntimeError):
    """A method of the user raised an error, or returned what is no answer; or a bound is wrong.

    Examples
    --------
    >>> import dmoe_opt
    >>> try:
    ...     dmoe_opt.solve(dmoe_opt.load("tiny-s1"), method=lambda problem: 1 / 0)
    ... except dmoe_opt.MethodError as error:
    ...     print(error)
    method <lambda> raised ZeroDivisionError: division by zero
    """


class NoAnswerError(DmoeError, RuntimeError):
    """The input is right, and yet a step of the work has no answer.

    Examples
    --------
    >>> from dmoe_opt.errors import InfeasibleError, LimitError, NoAnswerError
    >>> [error.exit_code for error in NoAnswerError.__subclasses__()]
    [3, 4]
    """


class InfeasibleError(NoAnswerError):
    """It is proven that no answer exists; the text says why."""

    exit_code = 3


class LimitError(NoAnswerError):
    """A limit of time, nodes or iterations was reached before an answer was found."""

    exit_code = 4
