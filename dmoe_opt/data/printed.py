"""Documents that commands print as JSON and no command reads (docs/files.md)."""

from __future__ import annotations

import msgspec

EXPLANATION = "dmoe-opt/explanation"


class Explanation(msgspec.Struct, forbid_unknown_fields=True):
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
