"""Methods and their options: what a row of the table says, and each option declared once.

This file is light for the same reason as `method_table`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypedDict

from dmoe_opt.errors import InputError

if TYPE_CHECKING:
    from dmoe_opt.answer.decision import Decision
    from dmoe_opt.answer.objective import Selection
    from dmoe_opt.answer.result import Result
    from dmoe_opt.data.formats import Solution

    Start = Decision | Result | Solution | Selection | tuple[Any, Any]

MOST_SECONDS = 1e6


class Options(TypedDict, total=False):
    """Options as keyword arguments; the rows of `METHODS` say which method takes which."""

    node_limit: int | None
    threads: int | None
    restarts: int | None
    solver: str | None
    relax: bool | None
    count: int | None
    gap: float | None
    selection: Selection | None
    start: Start | None
    progress: Callable[[int, int], None] | None
    log: Callable[[float | None, float], None] | None


@dataclass(frozen=True)
class Option:
    """One option of a method.

    `check` raises `InputError` for a value that is not allowed. `parse` is the type by which a
    command line reads the value, and None for what only Python can give, such as a function;
    `metavar` stands for the value in the help text.
    """

    name: str
    check: Callable[[str, object], object]
    says: str
    parse: type | None = None
    metavar: str | None = None

    @property
    def plain(self) -> bool:
        """Whether a value fits on a command line and into a grid: a number, a word or a flag."""
        return self.parse is not None


class Proof(StrEnum):
    """What a method proves of its answers; every method of the table carries a bound."""

    YES = "yes"
    BOUND_MET = "where its bound is met"
    BOUND_ONLY = "bound only"
    NO = "no"


@dataclass(frozen=True)
class Method:
    """A row of the table: `solve` takes the instance and the options, and imports the method.

    `rules` are the optional fields of a round that the method takes.
    """

    solve: Callable[..., Result]
    proves: Proof
    says: str
    options: tuple[Option, ...] = ()
    rules: tuple[str, ...] = ()

    def takes(self, name: str) -> bool:
        """Whether the method has an option of this name."""
        return any(option.name == name for option in self.options)


def _seconds(name: str, value: object) -> None:
    from dmoe_opt.data import validate

    if validate.real(name, value) > MOST_SECONDS:
        raise validate.fail(name, value, f"at most {MOST_SECONDS:g} seconds")


def _whole_from(least: int) -> Callable[[str, object], object]:
    def check(name: str, value: object) -> None:
        from dmoe_opt.data import validate

        validate.whole(name, value, least)

    return check


def _share(name: str, value: object) -> None:
    from dmoe_opt.data import validate

    if validate.real(name, value, positive=False) > 1:
        raise validate.fail(name, value, "a number in [0, 1]")


def _word(name: str, value: object) -> None:
    from dmoe_opt.data import validate

    validate.word(name, value)


def _flag(name: str, value: object) -> None:
    from dmoe_opt.data import validate

    validate.flag(name, value)


def _function(name: str, value: object) -> None:
    if not callable(value):
        raise InputError(f"{name} = {value!r:.60}; allowed: a function")


def _by_method(name: str, value: object) -> None:
    """The method compares the value with its instance."""


TIME_LIMIT = Option(
    "time_limit",
    _seconds,
    "Stop after S seconds with the best answer and its bound; exact stops after 60 by itself.",
    float,
    "S",
)
SEED = Option("seed", _whole_from(0), "Seed of random starts.", int, "N")
NODE_LIMIT = Option("node_limit", _whole_from(0), "Search at most N nodes per token.", int, "N")
THREADS = Option("threads", _whole_from(1), "Use N threads.", int, "N")
RESTARTS = Option("restarts", _whole_from(0), "Descend N times more from random starts.", int, "N")
SOLVER = Option("solver", _word, "Another solver, by its name in Pyomo or CVXPY.", str, "NAME")
RELAX = Option("relax", _flag, "Solve the linear relaxation.", bool)
SELECTION = Option("selection", _by_method, "Experts whose links get subcarriers.")
COUNT = Option("count", _whole_from(1), "List the N best distinct answers.", int, "N")
GAP = Option("gap", _share, "With --count: at most this share above the best one.", float, "G")
PROGRESS = Option("progress", _function, "Called with (tokens done, tokens).")
START = Option("start", _by_method, "An answer to begin with; the result is never worse.")
LOG = Option("log", _function, "Called with incumbent and bound in J.")
