"""The plan of a sweep: a grid in a TOML file, and the jobs that it stands for."""

from __future__ import annotations

import itertools
import json
import os
import sys
import tomllib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from dmoe_opt import method_table, own_methods
from dmoe_opt.data import reading, validate
from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError
from dmoe_opt.generating.presets import options
from dmoe_opt.method_options import SEED, TIME_LIMIT

AXES = ("preset", "seed", "problem", "method")
LIMITS = ("tries", "job_s", "memory_gb")
MOST_BYTES = 2**20
"""Of a plan; one line per value is far less."""
MOST_DOTS, MOST_BRACKETS = 20, 1000
LIMIT = frozenset({TIME_LIMIT.name})  # `solve` takes it for every method


class Job(NamedTuple):
    """One method on one instance.

    `key` names the job; the instance is drawn where the job runs.
    """

    key: str
    preset: str
    seed: int
    changes: dict[str, Any]
    problem: str
    method: str
    options: dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """When to give a job up.

    After `tries` runs that took its process down, after `job_s` seconds, above `memory_gb`.
    """

    tries: int = 2
    job_s: float = 3600.0
    memory_gb: float | None = None


@dataclass(frozen=True)
class Plan:
    """A grid: values by name, of the axes and of options of the generator and of methods."""

    grid: dict[str, list[Any]]
    limits: Limits

    def __post_init__(self) -> None:
        for seed in self.grid["seed"]:
            validate.whole("grid.seed", seed, 0)
        self._check_methods()
        self._check_names()
        if next(self.jobs(), None) is None:
            allowed = "presets, problems and methods that go together"
            raise InputError(f"grid holds no job; allowed: {allowed}")

    def _check_methods(self) -> None:
        problems = self.grid["problem"]
        known = {method for problem in problems for method in method_table.methods(problem)}
        for method in self.grid["method"]:
            if own_methods.is_path(method):
                own_methods.own(method)  # it can be imported
            elif method not in known:
                allowed = (
                    f"a method of {' or '.join(problems)}, see `dmoe-opt methods`, "
                    'or "package.module:function"'
                )
                raise fail("grid.method", method, allowed)

    def _check_names(self) -> None:
        known = set().union(*(options(preset) for preset in self.grid["preset"]))
        known |= set().union(*(_method_options(*pair) for pair in self._pairs()))
        for name in self.grid:
            if name not in known and name not in AXES:
                allowed = ", ".join([*AXES, "seeds", *sorted(known)])
                raise InputError(f"grid.{name} is unknown; allowed: {allowed}")

    def _pairs(self) -> list[tuple[str, str]]:
        """Problems and methods that go together, each once."""
        return [
            (problem, method)
            for problem in dict.fromkeys(self.grid["problem"])
            for method in dict.fromkeys(self.grid["method"])
            if own_methods.is_path(method) or method in method_table.methods(problem)
        ]

    def jobs(self) -> Iterator[Job]:
        """Every job once, those of one instance after one another.

        An option goes to the presets and methods that know it. Problems of a whole round pass over
        presets without a radio.
        """
        tasks = [(*pair, list(self._settings(_method_options(*pair)))) for pair in self._pairs()]
        for preset in dict.fromkeys(self.grid["preset"]):
            known = options(preset)
            has_radio = "family" not in known
            fitting = [task for task in tasks if has_radio or task[0] == "selection"]
            for seed in dict.fromkeys(self.grid["seed"]):
                for changes in self._settings(known):
                    yield from _jobs_on(preset, seed, changes, fitting)

    def _settings(self, known: Collection[str]) -> Iterator[dict[str, Any]]:
        """The grid over those of its options that are known."""
        names = [name for name in self.grid if name in known and name not in AXES]
        for values in itertools.product(*(self.grid[name] for name in names)):
            yield dict(zip(names, values, strict=True))


def _jobs_on(
    preset: str,
    seed: int,
    changes: dict[str, Any],
    tasks: list[tuple[str, str, list[dict[str, Any]]]],
) -> Iterator[Job]:
    """The jobs on one instance, by problem, method and setting of its options."""
    instance = f"{preset}-s{seed}{_spelt(changes)}"
    for problem, method, settings in tasks:
        for given in settings:
            key = f"{instance}/{problem}/{method}{_spelt(given)}"
            yield Job(key, preset, seed, changes, problem, method, given)


@cache
def _method_options(problem: str, method: str) -> frozenset[str]:
    """Options of a method that a grid can set; the seed is that of the instance."""
    declared = own_methods.find(problem, method)[1].options
    return LIMIT | {option.name for option in declared if option.plain} - {SEED.name}


def _spelt(options: dict[str, Any]) -> str:
    return "".join(f",{name}={json.dumps(value)}" for name, value in sorted(options.items()))


def read(path: str | os.PathLike[str]) -> Plan:
    """Read a plan: tables `[grid]` and, optionally, `[limits]`.

    `seeds = n` in place of `seed` stands for 0 to n - 1, and a single value for a list of one.

    Raises
    ------
    InputError
        One line naming file, field, value and what is allowed.
    """
    content = reading.read(path, MOST_BYTES)
    try:
        return plan(_document(content))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _document(content: bytes) -> dict[str, Any]:
    """The TOML document; keys and values nested deeply cost the reader time without limit."""
    for number, line in enumerate(content.splitlines(), 1):
        if _key(line).count(b".") > MOST_DOTS or line.count(b"[") > MOST_BRACKETS:
            allowed = f"{MOST_DOTS} dots in a key, {MOST_BRACKETS} brackets"
            raise InputError(f"line {number} is nested too deeply; allowed: {allowed}")
    try:
        return tomllib.loads(content.decode())
    except RecursionError:
        raise InputError("is nested too deeply; allowed: [grid] and [limits]") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"is not valid TOML: {error}") from None
    except ValueError:  # by Python, which says how to raise its limit
        most = sys.get_int_max_str_digits()
        raise InputError(f"has a number that is too long; allowed: at most {most} digits") from None


def _key(line: bytes) -> bytes:
    """The key or the table that a line of TOML names; empty for other lines."""
    text = line.strip()
    if text.startswith(b"#"):
        return b""
    key, is_pair, _ = text.partition(b"=")
    is_table = text.startswith(b"[") and b"," not in text
    return key if is_pair or is_table else b""


def plan(document: dict[str, Any]) -> Plan:
    """The plan of a TOML document that has been read."""
    for name in document:
        if name not in ("grid", "limits") or not isinstance(document[name], dict):
            raise InputError(f"{name} is unknown; allowed: the tables [grid] and [limits]")
    return Plan(_grid(document.get("grid", {})), _limits(document.get("limits", {})))


def _grid(table: dict[str, Any]) -> dict[str, list[Any]]:
    """The grid with `seeds` spelt out and defaults filled in."""
    grid = {name: _values(f"grid.{name}", value) for name, value in table.items()}
    if "seeds" in grid:
        if "seed" in grid or len(grid["seeds"]) != 1:
            raise fail("grid.seeds", grid["seeds"], "one number, in place of seed")
        grid["seed"] = list(range(validate.whole("grid.seeds", grid.pop("seeds")[0])))
    defaults: dict[str, list[Any]] = {"seed": [0], "problem": ["selection"]}
    grid = defaults | grid
    grid.setdefault("method", [method_table.default_method(problem) for problem in grid["problem"]])
    if "preset" not in grid:
        allowed = "it must be given, see `dmoe-opt generate --list`"
        raise InputError(f"grid.preset is missing; allowed: {allowed}")
    return grid


def _limits(table: dict[str, Any]) -> Limits:
    for name in table:
        if name not in LIMITS:
            raise InputError(f"limits.{name} is unknown; allowed: {', '.join(LIMITS)}")
    memory_gb = table.get("memory_gb", Limits.memory_gb)
    return Limits(
        validate.whole("limits.tries", table.get("tries", Limits.tries)),
        validate.real("limits.job_s", table.get("job_s", Limits.job_s)),
        None if memory_gb is None else validate.real("limits.memory_gb", memory_gb),
    )


def _values(name: str, value: object) -> list[Any]:
    values = value if isinstance(value, list) else [value]
    if not values:
        raise InputError(f"{name} is empty; allowed: at least one value")
    for k, one in enumerate(values):
        if not isinstance(one, str | int | float | bool):
            raise fail(f"{name}[{k}]", one, "text, a number, true or false")
    return values
