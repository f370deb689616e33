"""What a sweep shall run: a grid in a TOML file, and the jobs it stands for."""

from __future__ import annotations

import itertools
import json
import os
import tomllib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from dmoe_opt import method_table
from dmoe_opt.data import files, validate
from dmoe_opt.data.validate import fail
from dmoe_opt.errors import InputError
from dmoe_opt.generating.presets import options

AXES = ("preset", "seed", "problem", "method")
LIMITS = ("tries", "job_s", "memory_gb")
LIMIT = frozenset({"time_limit"})  # an option of every method


class Job(NamedTuple):
    """One method on one instance; `key` names it, and the instance is drawn from the rest where the job runs."""

    key: str
    preset: str
    seed: int
    changes: dict[str, Any]
    problem: str
    method: str
    options: dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """When to give a job up: after so many `tries` that took its process down, `job_s` seconds, `memory_gb` of memory."""

    tries: int = 2
    job_s: float = 3600.0
    memory_gb: float | None = None


@dataclass(frozen=True)
class Plan:
    """A grid: values by the name of an axis, of an option of the generator, or of an option of a method."""

    grid: dict[str, list[Any]]
    limits: Limits

    def __post_init__(self) -> None:
        presets, problems, methods = self.grid["preset"], self.grid["problem"], self.grid["method"]
        known = set().union(*(options(preset) for preset in presets))
        for seed in self.grid["seed"]:
            validate.whole("grid.seed", seed, 0)
        for method in methods:
            if not any(method in method_table.methods(problem) for problem in problems):
                raise fail(
                    "grid.method",
                    method,
                    f"a method of {' or '.join(problems)}; see `dmoe-opt methods`",
                )
        pairs = [(p, m) for p in problems for m in methods if m in method_table.methods(p)]
        known |= set().union(*(self._options(*pair) for pair in pairs))
        for name in self.grid:
            if name not in known and name not in AXES:
                raise InputError(
                    f"grid.{name} is unknown; allowed: {', '.join([*AXES, 'seeds', *sorted(known)])}"
                )
        if not any(True for _ in self.jobs()):
            raise InputError(
                "grid holds no job; allowed: presets, problems and methods that go together"
            )

    def jobs(self) -> Iterator[Job]:
        """Every job once, those of one instance after one another.

        An option goes to the presets and methods that know it. Problems of a whole round pass over presets without a radio.
        """
        pairs = itertools.product(
            dict.fromkeys(self.grid["problem"]), dict.fromkeys(self.grid["method"])
        )
        tasks = [
            (p, m, list(self._settings(self._options(p, m))))
            for p, m in pairs
            if m in method_table.methods(p)
        ]
        known = {preset: options(preset) for preset in self.grid["preset"]}
        for preset, seed in itertools.product(known, dict.fromkeys(self.grid["seed"])):
            for changes in self._settings(known[preset]):
                instance = f"{preset}-s{seed}{_spelt(changes)}"
                for problem, method, settings in tasks:
                    if problem == "selection" or "family" not in known[preset]:
                        for given in settings:
                            key = f"{instance}/{problem}/{method}{_spelt(given)}"
                            yield Job(key, preset, seed, changes, problem, method, given)

    def _options(self, problem: str, method: str) -> frozenset[str]:
        """What the grid can set of a method; asking the method imports it, seconds that a grid without options is spared."""
        mine = {*AXES, *LIMIT}.union(*(options(preset) for preset in self.grid["preset"]))
        return LIMIT if mine.issuperset(self.grid) else _method_options(problem, method)

    def _settings(self, known: Collection[str]) -> Iterator[dict[str, Any]]:
        """The grid over those of its options that are known."""
        names = [name for name in self.grid if name in known and name not in AXES]
        for values in itertools.product(*(self.grid[name] for name in names)):
            yield dict(zip(names, values, strict=True))


@cache
def _method_options(problem: str, method: str) -> frozenset[str]:
    """What a grid can set of a method; the seed is that of the instance."""
    options = method_table.look_up(problem, method).options
    return LIMIT | {option.name for option in options if option.plain} - {"seed"}


def _spelt(options: dict[str, Any]) -> str:
    return "".join(f",{name}={json.dumps(value)}" for name, value in sorted(options.items()))


def read(path: str | os.PathLike[str]) -> Plan:
    """Read a plan: tables `[grid]` and, optionally, `[limits]`.

    `seeds = n` in place of `seed` stands for 0 to n - 1; a single value for a list of one.

    Raises
    ------
    InputError
        One line naming file, field, value and what is allowed.
    """
    content = files.read(path)
    try:
        try:
            document = tomllib.loads(content.decode())
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InputError(f"is not valid TOML: {error}") from None
        return plan(document)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def plan(document: dict[str, Any]) -> Plan:
    """The plan of a TOML document that has been read."""
    for name in document:
        if name not in ("grid", "limits") or not isinstance(document[name], dict):
            raise InputError(f"{name} is unknown; allowed: the tables [grid] and [limits]")
    grid = {
        name: _values(f"grid.{name}", value) for name, value in document.get("grid", {}).items()
    }
    if "seeds" in grid:
        if "seed" in grid or len(grid["seeds"]) != 1:
            raise fail("grid.seeds", grid["seeds"], "one number, in place of seed")
        grid["seed"] = list(range(validate.whole("grid.seeds", grid.pop("seeds")[0])))
    defaults: dict[str, list[Any]] = {"seed": [0], "problem": ["selection"]}
    grid = defaults | grid
    grid.setdefault("method", [method_table.default_method(problem) for problem in grid["problem"]])
    if "preset" not in grid:
        raise InputError(
            "grid.preset is missing; allowed: it must be given, see `dmoe-opt generate --list`"
        )
    given = document.get("limits", {})
    for name in given:
        if name not in LIMITS:
            raise InputError(f"limits.{name} is unknown; allowed: {', '.join(LIMITS)}")
    limits = Limits(
        validate.whole("limits.tries", given.get("tries", Limits.tries)),
        validate.real("limits.job_s", given.get("job_s", Limits.job_s)),
        None if "memory_gb" not in given else validate.real("limits.memory_gb", given["memory_gb"]),
    )
    return Plan(grid, limits)


def _values(name: str, value: object) -> list[Any]:
    values = value if isinstance(value, list) else [value]
    if not values:
        raise InputError(f"{name} is empty; allowed: at least one value")
    for k, one in enumerate(values):
        if not isinstance(one, str | int | float | bool):
            raise fail(f"{name}[{k}]", one, "text, a number, true or false")
    return values
