"""Documents that commands print as JSON and no command reads (docs/files.md)."""

from __future__ import annotations

import msgspec

EXPLANATION = "dmoe-opt/explanation"


class Printed(msgspec.Struct, forbid_unknown_fields=True):
    """A document, or a part of one; its schema allows no other fields."""


class Explanation(Printed):
    """What `dmoe-opt explain --json` prints; rules are given by name, with words for them."""

    format: str
    version: int
    instance: str
    instance_sha256: str
    problem: str
    infeasible: bool
    minimal: bool
    tokens: list[int]
    nodes: list[int]
    links: list[list[int]]
    rules: dict[str, str]
    text: str


class WrittenFile(Printed):
    """A file that a command wrote; `sha256` is that of the content, as `info` prints it."""

    file: str
    name: str
    sha256: str


class Generated(Printed):
    """What `dmoe-opt generate --json` prints."""

    files: list[WrittenFile]


class New(Printed):
    """What `dmoe-opt new --json` prints."""

    file: str
    name: str
    sha256: str
    filled_in: list[str]


class Log(Printed):
    """What was in a router log."""

    layers: int
    tokens: int
    experts: int
    source: str
    remarks: list[str]


class Imported(Printed):
    """What `dmoe-opt import --json` prints."""

    log: Log
    drawn: list[str]
    filled_in: list[str]
    files: list[WrittenFile]


class Explored(Printed):
    """What `dmoe-opt explore --json` prints; `proven` counts refuted settings too."""

    file: str
    instance: str
    instance_sha256: str
    solves: int
    proven: int


class Exported(Printed):
    """What `dmoe-opt export --json` prints; the objective of the program is in units of J."""

    file: str
    problem: str
    objective: str
    unit_j: float


class Swept(Printed):
    """What `dmoe-opt sweep --json` prints: rows in all, and of these the failed and the new ones.

    `damaged` has the numbers of lines whose jobs ran again.
    """

    results: str
    rows: int
    failed: int
    before: int
    new: int
    damaged: list[int]
    reasons: list[str]


class Fitted(Printed):
    """What `dmoe-opt offload fit --json` prints; `form` is the form of the price."""

    file: str
    scenario: str
    form: str
    threshold: float
    made_by: str


class OffloadImported(Printed):
    """What `dmoe-opt offload import --json` prints; `drawn` names what the table did not hold."""

    file: str
    scenario: str
    subtasks: int
    jobs: int
    seconds: float
    drawn: list[str]


class OffloadGenerated(Printed):
    """What `dmoe-opt offload generate --json` prints."""

    file: str
    scenario: str
    seed: int | None
